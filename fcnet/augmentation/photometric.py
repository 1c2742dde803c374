"""Transforms that change the values of pixels, in stored units; the caller clips to the stored range [0, full]."""

import math

import jax
import jax.numpy as jnp

from fcnet.augmentation.draws import DEGREE, ratio, symmetric
from fcnet.augmentation.record import Photometric
from fcnet.catalogue import Option, table


def contrasted(images: jax.Array, factor: jax.Array) -> jax.Array:
    """v ↦ m + k (v − m), m the mean of the image's channel, factor k (rows,); (rows, height, width, channels)."""
    mean = jnp.mean(images, axis=(1, 2), keepdims=True)
    return mean + _each(factor) * (images - mean)


def hue_matrix(angle: jax.Array) -> jax.Array:
    """Rotations about the grey axis of the colour cube, (rows, 3, 3); angle (rows,) in radians.

    Rodrigues' formula with the axis u = (1, 1, 1)/√3: R = cos φ I + (1 − cos φ) u uᵀ + sin φ [u]×. Greys and the mean
    of the three channels stay; 120° sends red to green, green to blue, blue to red, as 120° on the colour wheel does.
    """
    identity = jnp.eye(3, dtype=jnp.float32)[None]
    cross = jnp.asarray([[[0, -1, 1], [1, 0, -1], [-1, 1, 0]]], jnp.float32) / math.sqrt(3)
    cos, sin = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
    return cos * identity + (1 - cos) * jnp.full((1, 3, 3), 1 / 3, jnp.float32) + sin * cross


def _each(amounts: jax.Array) -> jax.Array:
    return amounts[:, None, None, None]


def _brightness(images: jax.Array, key: jax.Array, full: float, *, amount: float) -> jax.Array:
    return images + _each(full * symmetric(key, len(images), amount))


def _contrast(images: jax.Array, key: jax.Array, full: float, *, factor: float) -> jax.Array:
    return contrasted(images, ratio(key, len(images), factor))


def _hue(images: jax.Array, key: jax.Array, full: float, *, degrees: float) -> jax.Array:
    turn = hue_matrix(symmetric(key, len(images), degrees * DEGREE))
    # three products a pixel; the highest precision, so that colours are the same on every device
    return jnp.einsum("rhwc,rdc->rhwd", images, turn, precision=jax.lax.Precision.HIGHEST)


def _noise(images: jax.Array, key: jax.Array, full: float, *, sigma: float) -> jax.Array:
    return images + full * sigma * jax.random.normal(key, images.shape, jnp.float32)


PHOTOMETRIC = table(
    Photometric(
        name="brightness",
        changes=_brightness,
        formula="v ↦ v + b · full, b uniform in ±amount, one for the whole image",
        options={"amount": Option(0.1, "the most that is added, as a share of the full range", low=0, high=1)},
        source="tf.image.random_brightness",
    ),
    Photometric(
        name="contrast",
        changes=_contrast,
        formula="v ↦ m + k (v − m), m the mean of the image's channel, log k uniform in ±log factor",
        options={"factor": Option(1.2, "the largest stretch; 1/factor is the smallest", low=1, high=10)},
        source="tf.image.random_contrast (there k itself is uniform)",
    ),
    Photometric(
        name="hue",
        changes=_hue,
        formula="(r, g, b) turned by φ about the grey axis, φ uniform in ±degrees",
        options={"degrees": Option(15.0, "the largest angle on the colour wheel", low=0, high=180)},
        needs_colour=True,
        source="Haeberli 1993, Matrix operations for image processing (hue rotation)",
    ),
    Photometric(
        name="noise",
        changes=_noise,
        formula="v ↦ v + σ · full · n, n standard normal, one for each value",
        options={"sigma": Option(0.05, "standard deviation as a share of the full range", low=0, high=1)},
        source="Bishop 1995, Training with noise is equivalent to Tikhonov regularization",
    ),
)
