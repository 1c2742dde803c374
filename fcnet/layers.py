"""What a network is made of beside the dense layer, which is Flax's own.

Randomness is drawn here, once, from an explicit key: the model and the hand-written backward pass both call
``dropout_mask`` with the same key and layer number and therefore drop the same units.
"""

import jax
import jax.numpy as jnp


def dropout_mask(
    key: jax.Array, layer: int, shape: tuple[int, ...], rate: jax.Array | float, dtype: jnp.dtype
) -> jax.Array:
    """Inverted-dropout mask: m = Bernoulli(1 − p) / (1 − p), so that E[m ⊙ a] = a and evaluation needs no mask.

    Args:
        key: the step's key; ``layer`` (1, 2, …) selects this layer's own stream of it.
        shape: (batch, units).
        rate: p in [0, 1), traced; the same for all units.
        dtype: of the mask.

    Source: Srivastava et al. 2014, Dropout (in the inverted form of Caffe and PyTorch).
    """
    keep = 1.0 - rate
    kept = jax.random.bernoulli(jax.random.fold_in(key, layer), keep, shape)
    return jnp.where(kept, jnp.asarray(1.0 / keep, dtype), jnp.zeros((), dtype))
