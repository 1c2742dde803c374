"""A file for each member that waits for a later stage: its state, and what else is remembered of it."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from fcnet.errors import InputError, require
from fcnet.files import write_with
from fcnet.sweeps.engine import Open, Resting
from fcnet.train import RunState


def write_resting(path: Path, kept: Resting) -> None:
    """Write an unfinished member as an archive of arrays, typed keys as their data.

    Raises:
        InputError: the folder cannot be written.
    """
    leaves = [
        np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
        for leaf in jax.tree.leaves(kept.state)
    ]
    named = {f"leaf_{number}": leaf for number, leaf in enumerate(leaves)}
    named["known"] = np.array([kept.known.seconds, *kept.known.last])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_with(path, lambda temporary: np.savez(temporary, allow_pickle=False, **named))


def read_resting(path: Path, like: RunState) -> Resting:
    """The member that ``write_resting`` left in ``path``.

    Args:
        like: shapes and dtypes of its state.

    Raises:
        InputError: its file is not there or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            leaves, tree = jax.tree.flatten(like)
            read = [stored[f"leaf_{number}"] for number in range(len(leaves))]
            known = stored["known"]
    except (OSError, ValueError, KeyError) as broken:
        raise InputError(f"{path} is damaged ({type(broken).__name__}): start the sweep again") from None
    typed = [
        jax.random.wrap_key_data(jnp.asarray(got))
        if jnp.issubdtype(wanted.dtype, jax.dtypes.prng_key)
        else jnp.asarray(got)
        for got, wanted in zip(read, leaves, strict=True)
    ]
    fits = all(
        got.shape == wanted.shape and got.dtype == wanted.dtype for got, wanted in zip(typed, leaves, strict=True)
    )
    require(fits, f"{path} does not belong to this sweep: start the sweep again")
    seconds, *last = (float(value) for value in known)
    return Resting(jax.tree.unflatten(tree, typed), Open(seconds, tuple(last)))  # type: ignore[arg-type]  # three
