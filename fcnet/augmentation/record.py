"""What a transform of images is: it moves pixels or changes their values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax

from fcnet.catalogue import Entry


class Picture(NamedTuple):
    """The images of a set: their size in pixels, and ``full``, the largest value stored; the smallest is 0."""

    height: int
    width: int
    channels: int
    full: float


class Places(NamedTuple):
    """Where each pixel of the output is read, in pixels from the picture's centre.

    ``x``: (rows, height, width), rightwards; ``y``: (rows, height, width), downwards; both float32.
    """

    x: jax.Array
    y: jax.Array


@dataclass(frozen=True, kw_only=True)
class Transform(Entry):
    """One random transform; the amounts are drawn anew for every image.

    ``needs_colour``: whether it takes images of three channels only.
    ``in_pixels``: options in pixels, which must be smaller than the picture.
    """

    needs_colour: bool = False
    in_pixels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Geometric(Transform):
    """A transform that moves pixels.

    ``reads``: (places, key, picture, **options) ↦ places: where in the image the transform starts from each place of
        its result is read: the inverse of the motion one sees.
    """

    reads: Callable[..., Places]


@dataclass(frozen=True, kw_only=True)
class Photometric(Transform):
    """A transform that changes values and leaves every pixel in its place.

    ``changes``: (images, key, full, **options) ↦ images, both (rows, height, width, channels) float32 in stored units.
    """

    changes: Callable[..., jax.Array]
