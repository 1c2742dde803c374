"""Elastic deformation: every pixel is read a little beside its place, neighbours nearly alike."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from fcnet.augmentation.record import Geometric, Picture, Places
from fcnet.catalogue import Option, table

# How far beyond the border there are bumps, in units of their width: exp(−3²) of the variance is left out.
_MARGIN = 3


def bumps(size: int, smoothness: float) -> np.ndarray:
    """Gaussian bumps on one axis of a picture, B: (size, bumps) float64, each row of Euclidean norm 1.

    Bᵢₙ ∝ exp(−(i − n σ)² / 2σ²), σ = smoothness: bumps of width σ at every σ pixels and 3 σ beyond either border.
    With independent ε of variance 1, B ε then has variance 1 at every pixel and covariance exp(−(i − j)² / 4σ²): what
    white noise on the pixels has after a Gaussian filter of width σ, but with σ times fewer numbers to draw.
    """
    last = math.ceil((size - 1) / smoothness) + _MARGIN
    centres = smoothness * np.arange(-_MARGIN, last + 1)
    matrix = np.exp(-((np.arange(size)[:, None] - centres[None, :]) ** 2) / (2 * smoothness**2))
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def displacements(key: jax.Array, rows: int, picture: Picture, smoothness: float) -> tuple[jax.Array, jax.Array]:
    """Smooth random fields in x and in y, each (rows, height, width), normal with variance 1: d = B ε Cᵀ."""
    down, across = bumps(picture.height, smoothness), bumps(picture.width, smoothness)
    white = jax.random.normal(key, (2, rows, down.shape[1], across.shape[1]), jnp.float32)
    field = jnp.einsum("in,drnm,jm->drij", jnp.asarray(down, jnp.float32), white, jnp.asarray(across, jnp.float32))
    return field[0], field[1]


def _elastic(places: Places, key: jax.Array, picture: Picture, *, pixels: float, smoothness: float) -> Places:
    right, down = displacements(key, len(places.x), picture, smoothness)
    return Places(places.x + pixels * right, places.y + pixels * down)


ELASTIC = table(
    Geometric(
        name="elastic",
        reads=_elastic,
        formula="read at p + pixels · d(p), each coordinate of d normal, cov(d(p), d(p′)) = exp(−‖p − p′‖² / 4σ²)",
        options={
            "pixels": Option(0.5, "root mean square of the displacement in each coordinate", low=0),
            "smoothness": Option(4.0, "σ of the Gaussian filter, in pixels", low=0.5),
        },
        in_pixels=("pixels", "smoothness"),
        source="Simard et al. 2003, Best practices for convolutional neural networks, §2 (uniform noise, filtered)",
    ),
)
