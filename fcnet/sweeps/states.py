"""Files of states: of all members in training after a call, and of each member that waits for a later stage.

One archive of arrays each, by a process of its own: orbax lets the first of several processes alone write host arrays.
"""

from pathlib import Path
from zipfile import BadZipFile

import jax
import numpy as np

from fcnet import checkpoint
from fcnet.errors import InputError, require
from fcnet.files import make_folder, write_with
from fcnet.sweeps.told import Open, Resting
from fcnet.train import RunState


def write_states(path: Path, states: RunState, known: np.ndarray | None = None) -> None:
    """Write a member's state, or that of several, stacked; typed keys as their data.

    Args:
        known: numbers that are kept beside it.

    Raises:
        InputError: the folder cannot be written.
    """
    leaves = jax.tree.leaves(checkpoint.plain(states))
    named = {f"leaf_{number}": np.asarray(leaf) for number, leaf in enumerate(leaves)}
    named["known"] = np.empty(0) if known is None else known
    make_folder(path.parent)
    write_with(path, lambda temporary: np.savez(temporary, allow_pickle=False, **named))


def read_states(path: Path, like: RunState) -> tuple[RunState, np.ndarray]:
    """What ``write_states`` left in ``path``: states, and the numbers beside them.

    Args:
        like: shapes and dtypes of the states.

    Raises:
        InputError: the file is not there, damaged, or of other states.
    """
    try:
        # opened here, because np.load leaves a torn file open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            wanted, tree = jax.tree.flatten(like)
            read = [stored[f"leaf_{number}"] for number in range(len(wanted))]
            known = stored["known"]
    except (OSError, ValueError, KeyError, BadZipFile) as broken:
        raise InputError(f"{path} is damaged ({type(broken).__name__}): start the sweep again") from None
    states: RunState = checkpoint.typed(like, jax.tree.unflatten(tree, read))
    fits = all(
        got.shape == one.shape and got.dtype == one.dtype
        for got, one in zip(jax.tree.leaves(states), wanted, strict=True)
    )
    require(fits, f"{path} does not belong to this sweep: start the sweep again")
    return states, known


def write_resting(path: Path, kept: Resting) -> None:
    """Write an unfinished member; see ``write_states``."""
    write_states(path, kept.state, np.array([kept.known.seconds, *kept.known.last]))


def read_resting(path: Path, like: RunState) -> Resting:
    """The member that ``write_resting`` left in ``path``; see ``read_states``."""
    state, known = read_states(path, like)
    seconds, *last = (float(value) for value in known)
    return Resting(state, Open(seconds, tuple(last)))  # type: ignore[arg-type]  # three
