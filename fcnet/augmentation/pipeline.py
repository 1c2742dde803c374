"""From flat rows to images, through all transforms, and back."""

import math
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp

from fcnet.augmentation.geometric import centred
from fcnet.augmentation.labels import check_label_safe
from fcnet.augmentation.record import Geometric, Photometric, Picture, Transform
from fcnet.augmentation.resample import bilinear
from fcnet.augmentation.transforms import TRANSFORMS
from fcnet.catalogue import Options, choose
from fcnet.errors import require


@dataclass(frozen=True)
class AugmentSpec:
    """What is done to the images of every step.

    ``transforms``: in this order, as one writes them: ("rotation:degrees=15", "shift:pixels=2"). Those that move pixels
        come first and are composed into one map; those that change values follow.
    ``image_shape``: (height, width) or (height, width, channels) of the set.
    ``input_scale``: 1 / the largest value stored, as the set has it.
    ``forced``: allow transforms that change labels of ``data``, the set's name.

    Raises:
        InputError: no images, no transform, one that is not in the catalogue or named twice, hue without colours,
            pixels beyond the picture, or a transform that changes labels.
    """

    transforms: tuple[str, ...]
    image_shape: tuple[int, ...] | None
    input_scale: float = 1.0
    forced: bool = False
    data: str = ""

    def __post_init__(self) -> None:
        require(len(self.transforms) > 0, "augmentation names no transform")
        shape = self.image_shape
        require(shape is not None, f"augmentation is for images, and {self.data or 'the set'} has no image shape")
        assert shape is not None
        require(
            len(shape) in (2, 3) and min(shape) > 0,
            f"image_shape must be (height, width) or (height, width, channels), got {shape}",
        )
        require(
            math.isfinite(self.input_scale) and self.input_scale > 0,
            f"input_scale must be a number > 0, got {self.input_scale}",
        )
        names = [transform.name for transform, _ in self.chosen]
        for text, (transform, options) in zip(self.transforms, self.chosen, strict=True):
            require(names.count(transform.name) == 1, f"augmentation names {transform.name} twice: give it once")
            self._check(text, transform, options)
        check_label_safe(self.data, self.transforms, self.forced)

    def _check(self, text: str, transform: Transform, options: Options) -> None:
        height, width, channels, _ = self.picture
        require(
            channels == 3 or not transform.needs_colour,
            f"augmentation {text} needs images of 3 colours, these have {channels} channel{'s' * (channels != 1)}",
        )
        side = min(height, width)
        for name in transform.in_pixels:
            require(
                float(options[name]) < side,
                f"augmentation {text}: {name} must be below {side}, the picture's smaller side, got {options[name]}",
            )

    @cached_property
    def chosen(self) -> tuple[tuple[Transform, Options], ...]:
        """The record of each transform and the values of its options."""
        return tuple(choose("augmentation", text, TRANSFORMS) for text in self.transforms)

    @property
    def picture(self) -> Picture:
        """Size and range of the images."""
        assert self.image_shape is not None
        height, width, channels = (*self.image_shape, 1)[:3]
        return Picture(height, width, channels, 1 / self.input_scale)


def augment(spec: AugmentSpec, x: jax.Array, *, key: jax.Array) -> jax.Array:
    """A random variant of every image: out = clip(changes(image read at F₁⁻¹(… Fₙ⁻¹(p))), 0, 1 / input_scale).

    Pure, for use inside a compiled step; ``key`` is split once, into one stream for each transform.

    Args:
        x: (rows, height · width · channels) as stored, row by row, the channels of a pixel side by side; any dtype.

    Returns:
        Likewise (rows, height · width · channels), in the same units, float32.

    Raises:
        InputError: rows of another length than the pictures have.
    """
    picture = spec.picture
    rows, size = len(x), picture.height * picture.width * picture.channels
    require(
        x.ndim == 2 and x.shape[1] == size,
        f"augmentation of {spec.image_shape} images expects rows of {size} values, got an array of shape {x.shape}",
    )
    images = jnp.asarray(x, jnp.float32).reshape(rows, picture.height, picture.width, picture.channels)
    drawn = list(zip(spec.chosen, jax.random.split(key, len(spec.chosen)), strict=True))
    places = moved = centred(rows, picture)
    for (transform, options), stream in reversed(drawn):  # from the result back to the image
        if isinstance(transform, Geometric):
            moved = transform.reads(moved, stream, picture, **options)
    if moved is not places:
        images = bilinear(images, moved)
    for (transform, options), stream in drawn:
        if isinstance(transform, Photometric):
            images = transform.changes(images, stream, picture.full, **options)
    return jnp.clip(images, 0, picture.full).reshape(x.shape)
