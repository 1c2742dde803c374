"""Transforms that move a picture as a whole: affine maps of the plane, one for each image.

Coordinates are in pixels from the picture's centre, x rightwards and y downwards. Each formula gives the motion one
sees, p ↦ F p + t; what the functions compute is its inverse, the place that each output pixel is read from. Maps of
several transforms compose before anything is resampled, so a picture is interpolated once however many there are.
"""

import jax
import jax.numpy as jnp

from fcnet.augmentation.draws import DEGREE, ratio, symmetric
from fcnet.augmentation.record import Geometric, Picture, Places
from fcnet.catalogue import Option, table


def centred(rows: int, picture: Picture) -> Places:
    """Every pixel at its own place: x = column − (width − 1)/2, y = row − (height − 1)/2."""
    shape = (rows, picture.height, picture.width)
    x = jnp.arange(picture.width, dtype=jnp.float32) - (picture.width - 1) / 2
    y = jnp.arange(picture.height, dtype=jnp.float32) - (picture.height - 1) / 2
    return Places(jnp.broadcast_to(x[None, None, :], shape), jnp.broadcast_to(y[None, :, None], shape))


def shifted(places: Places, right: jax.Array, down: jax.Array) -> Places:
    """Read for p ↦ p + (right, down): q = p − (right, down); amounts (rows,) in pixels."""
    return Places(places.x - _each(right), places.y - _each(down))


def turned(places: Places, angle: jax.Array) -> Places:
    """Read for a turn by φ, seen counter-clockwise; angle (rows,) in radians.

    F = [[cos φ, sin φ], [−sin φ, cos φ]] because y points downwards; q = Fᵀ p.
    """
    cos, sin = _each(jnp.cos(angle)), _each(jnp.sin(angle))
    return Places(cos * places.x - sin * places.y, sin * places.x + cos * places.y)


def scaled(places: Places, factor: jax.Array) -> Places:
    """Read for p ↦ s p: q = p / s; factor (rows,)."""
    return Places(places.x / _each(factor), places.y / _each(factor))


def slanted(places: Places, slope: jax.Array) -> Places:
    """Read for a slant, upper rows to the right: F = [[1, −m], [0, 1]], q = [[1, m], [0, 1]] p; slope m (rows,)."""
    return Places(places.x + _each(slope) * places.y, places.y)


def windowed(places: Places, share: jax.Array, right: jax.Array, down: jax.Array) -> Places:
    """Read for a window of ``share`` of each side, centred at (right, down), enlarged to the whole picture.

    q = share · p + (right, down); all amounts (rows,), the last two in pixels.
    """
    return Places(_each(share) * places.x + _each(right), _each(share) * places.y + _each(down))


def mirrored(coordinate: jax.Array, chosen: jax.Array) -> jax.Array:
    """Read for the mirror image of the ``chosen`` (rows,): q = −p on one coordinate, (rows, height, width)."""
    return jnp.where(_each(chosen), -coordinate, coordinate)


def _each(amounts: jax.Array) -> jax.Array:
    return amounts[:, None, None]


def _shift(places: Places, key: jax.Array, picture: Picture, *, pixels: int) -> Places:
    # whole pixels: a shift alone then blurs nothing
    amounts = jax.random.randint(key, (2, len(places.x)), -pixels, pixels + 1).astype(jnp.float32)
    return shifted(places, amounts[0], amounts[1])


def _rotation(places: Places, key: jax.Array, picture: Picture, *, degrees: float) -> Places:
    return turned(places, symmetric(key, len(places.x), degrees * DEGREE))


def _scale(places: Places, key: jax.Array, picture: Picture, *, factor: float) -> Places:
    return scaled(places, ratio(key, len(places.x), factor))


def _shear(places: Places, key: jax.Array, picture: Picture, *, degrees: float) -> Places:
    return slanted(places, jnp.tan(symmetric(key, len(places.x), degrees * DEGREE)))


def _crop(places: Places, key: jax.Array, picture: Picture, *, share: float) -> Places:
    share_key, place_key = jax.random.split(key)
    kept = jax.random.uniform(share_key, (len(places.x),), jnp.float32, share, 1.0)
    # what is left beside the window on each side, counted between centres of pixels: nothing outside is ever read
    right, down = jax.random.uniform(place_key, (2, len(places.x)), jnp.float32, -0.5, 0.5) * (1 - kept)[None, :]
    return windowed(places, kept, right * (picture.width - 1), down * (picture.height - 1))


def _horizontal_flip(places: Places, key: jax.Array, picture: Picture, *, probability: float) -> Places:
    return places._replace(x=mirrored(places.x, jax.random.bernoulli(key, probability, (len(places.x),))))


def _vertical_flip(places: Places, key: jax.Array, picture: Picture, *, probability: float) -> Places:
    return places._replace(y=mirrored(places.y, jax.random.bernoulli(key, probability, (len(places.y),))))


AFFINE = table(
    Geometric(
        name="shift",
        reads=_shift,
        formula="p ↦ p + t, t of whole pixels, uniform in {−pixels, …, pixels}²",
        options={"pixels": Option(1, "the farthest, in each direction", low=0)},
        in_pixels=("pixels",),
        source="He et al. 2016, Deep residual learning, §4.2 (pad by 4 pixels, cut out at random)",
    ),
    Geometric(
        name="rotation",
        reads=_rotation,
        formula="p ↦ [[cos φ, sin φ], [−sin φ, cos φ]] p, φ uniform in ±degrees, counter-clockwise about the centre",
        options={"degrees": Option(10.0, "the largest angle", low=0, high=180)},
        source="Cireşan et al. 2010, Deep, big, simple neural nets (15° on MNIST, 7.5° for 1 and 7)",
    ),
    Geometric(
        name="scale",
        reads=_scale,
        formula="p ↦ s p about the centre, log s uniform in ±log factor",
        options={"factor": Option(1.1, "the largest enlargement; 1/factor is the smallest", low=1, high=4)},
        source="Cireşan et al. 2010, Deep, big, simple neural nets (±15 to 20 %)",
    ),
    Geometric(
        name="shear",
        reads=_shear,
        formula="p ↦ [[1, −tan φ], [0, 1]] p, φ uniform in ±degrees: upright lines lean right or left",
        options={"degrees": Option(10.0, "the largest angle from upright", low=0, high=60)},
        source="Cireşan et al. 2010, Deep, big, simple neural nets (±15°)",
    ),
    Geometric(
        name="crop",
        reads=_crop,
        formula="p ↦ (p − c) / k: a window of k of each side, k uniform in [share, 1], anywhere, resized to the whole",
        options={"share": Option(0.9, "the smallest share of each side that is kept", low=0, high=1, open_low=True)},
        source="Szegedy et al. 2015, Going deeper with convolutions, §6 (there shares of the area)",
    ),
    Geometric(
        name="horizontal_flip",
        reads=_horizontal_flip,
        formula="p ↦ [[−1, 0], [0, 1]] p with the given probability: left and right change places",
        options={"probability": Option(0.5, "that an image is mirrored", low=0, high=1)},
        source="Krizhevsky et al. 2012, ImageNet classification with deep convolutional neural networks, §4.1",
    ),
    Geometric(
        name="vertical_flip",
        reads=_vertical_flip,
        formula="p ↦ [[1, 0], [0, −1]] p with the given probability: top and bottom change places",
        options={"probability": Option(0.5, "that an image is mirrored", low=0, high=1)},
        source="Shorten & Khoshgoftaar 2019, A survey on image data augmentation for deep learning",
    ),
)
