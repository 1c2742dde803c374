"""Stored images, and what augmentation makes of them."""

import jax
import jax.numpy as jnp
import numpy as np

from fcnet.augmentation import AugmentSpec, augment
from fcnet.augmentation.geometric import centred
from fcnet.augmentation.record import Picture

EPS = float(np.finfo(np.float32).eps)
FULL = 255.0
# a square of even and of odd side, a flat and a tall one, with and without colour
SHAPES = [(8, 8), (7, 7), (6, 9), (9, 4), (5, 6, 3), (4, 4, 1)]

# as a step calls it
compiled = jax.jit(augment, static_argnums=0)


def pictures(random, shape, rows=6):
    """Stored images (rows, height, width, channels), bytes."""
    height, width, channels = (*shape, 1)[:3]
    return random.integers(0, 256, (rows, height, width, channels), dtype=np.uint8)


def made(texts, images, key, shape=None, **about):
    """``augment`` of (rows, height, width, channels), in the same shape."""
    spec = AugmentSpec(tuple(texts), images.shape[1:] if shape is None else shape, 1 / FULL, **about)
    flat = compiled(spec, jnp.asarray(images.reshape(len(images), -1)), key=key)
    assert flat.shape == (len(images), spec.picture.height * spec.picture.width * spec.picture.channels)
    assert flat.dtype == jnp.float32
    return np.asarray(flat).reshape(images.shape)


def start(images):
    rows, height, width, channels = images.shape
    return centred(rows, Picture(height, width, channels, FULL))


def each(images, amount):
    return jnp.full((len(images),), amount, jnp.float32)
