"""Reading an image between its pixels."""

import jax
import jax.numpy as jnp

from fcnet.augmentation.record import Places


def bilinear(images: jax.Array, places: Places) -> jax.Array:
    """The images read at ``places``, linear between the four pixels around; 0 beyond the border.

    out = Σᵢⱼ max(0, 1 − |y − i|) max(0, 1 − |x − j|) image[i, j], where the sum has at most four terms.

    Args:
        images: (rows, height, width, channels) float32.
        places: (rows, height, width) each, finite, in pixels from the centre.

    Returns:
        (rows, height, width, channels) float32; exactly the stored values where places fall on pixels.
    """
    rows, height, width, channels = images.shape
    # one ring of zeros: what is read beyond it is 0 as well, so places are moved onto it
    ringed = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = jnp.clip(places.x + ((width - 1) / 2 + 1), 0, width + 1)
    y = jnp.clip(places.y + ((height - 1) / 2 + 1), 0, height + 1)
    left, top = jnp.minimum(jnp.floor(x), width), jnp.minimum(jnp.floor(y), height)
    right_share, lower_share = (x - left)[..., None], (y - top)[..., None]
    # one number for each pixel of the batch, its channels side by side: on a CPU such reads fuse with the arithmetic
    pixels = ringed.reshape(rows * (height + 2) * (width + 2), channels)
    image = jnp.arange(rows, dtype=jnp.int32)[:, None, None] * ((height + 2) * (width + 2))
    corner = image + top.astype(jnp.int32) * (width + 2) + left.astype(jnp.int32)

    def read(offset: int) -> jax.Array:
        return pixels.at[corner + offset].get(mode="clip")

    upper = (1 - right_share) * read(0) + right_share * read(1)
    lower = (1 - right_share) * read(width + 2) + right_share * read(width + 3)
    return (1 - lower_share) * upper + lower_share * lower
