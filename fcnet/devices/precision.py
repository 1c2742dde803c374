"""The types that JAX computes with."""

import jax


def use_precision(dtype: str) -> None:
    """Let this process compute in ``dtype``: float64 must be switched on in JAX, for all that follows."""
    if dtype == "float64":
        jax.config.update("jax_enable_x64", True)
