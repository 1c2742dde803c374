"""The state of a run on disk: a thin wrapper around orbax, the only file that imports it.

Orbax writes to a temporary folder and renames it, so a process killed while saving leaves the earlier checkpoint
whole. Beside each checkpoint ``5`` lies ``5.sha256``, written last, with the checksum of every file of it: what is torn
or altered later is recognised before anything is read. Arrays and JSON only: nothing is unpickled.
"""

import hashlib
import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet.errors import UnwritableError, require
from fcnet.files import make_folder, write_text

# The newest, and the one before it in case the newest is damaged.
KEPT = 2
# What a checkpoint takes beside its arrays, about.
OVERHEAD_BYTES = 32 * 1024


@contextmanager
def _manager(folder: Path, *, writing: bool) -> Iterator[tuple[Any, Any]]:
    # only who writes may sweep away unfinished folders: a reader would sweep those that are being written
    # orbax announces its deprecations and every save; neither is the reader's business
    logging.getLogger("absl").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import orbax.checkpoint as orbax

        # of several processes this one alone saves or reads, and waits for no other
        index = jax.process_index()
        options = orbax.CheckpointManagerOptions(
            max_to_keep=KEPT,
            create=False,
            cleanup_tmp_directories=writing,
            enable_async_checkpointing=False,
            multiprocessing_options=orbax.options.MultiprocessingOptions(
                primary_host=index, active_processes={index}, barrier_sync_key_prefix=f"process{index}"
            ),
        )
        with orbax.CheckpointManager(folder.absolute(), options=options) as manager:
            yield orbax, manager


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + OVERHEAD_BYTES:
        raise UnwritableError(f"cannot write into {folder}: {needed:,} bytes are needed, {free:,} are left")


def _checksums(checkpoint: Path) -> str:
    # the format of the program sha256sum, so that anyone can check it
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    lines = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(checkpoint.parent).as_posix()}\n"
        for path in files
    )
    return "".join(lines)


def _sealed_epochs(folder: Path) -> list[int]:
    return sorted(int(seal.stem) for seal in folder.glob("*.sha256") if seal.stem.isdigit())


def save(folder: Path, epoch: int, state: Any, identity: dict[str, str]) -> None:
    """Write ``state`` as the checkpoint of ``epoch``, keeping the one before; one that is there already is left alone.

    Args:
        folder: of all checkpoints of one run.
        epoch: larger than that of any checkpoint there, or equal to the newest.
        state: any tree of arrays; typed keys included.
        identity: what the state belongs to, compared by ``load``.

    Raises:
        UnwritableError: the disk is full, or not for us to write; earlier checkpoints stay.
    """
    if epoch in _sealed_epochs(folder):
        return
    arrays = jax.tree.map(np.asarray, plain(state))
    make_folder(folder)
    # orbax's threads would print their tracebacks
    _require_room(folder, sum(leaf.nbytes for leaf in jax.tree.leaves(arrays)))
    try:
        with _manager(folder, writing=True) as (orbax, manager):
            newest = manager.latest_step()
            if newest is None or newest < epoch:
                given = {"state": orbax.args.PyTreeSave(arrays), "identity": orbax.args.PyTreeSave(identity)}
                manager.save(epoch, args=orbax.args.Composite(**given))
    except OSError as failed:
        raise UnwritableError(f"cannot write into {folder}: {failed.strerror or failed}") from None
    except ValueError as failed:  # TensorStore's word for a full disk, or a quota that is used up
        if "RESOURCE_EXHAUSTED" not in str(failed):
            raise
        raise UnwritableError(f"cannot write into {folder}: no space left") from None
    write_text(folder / f"{epoch}.sha256", _checksums(folder / str(epoch)))
    for old in _sealed_epochs(folder):
        if not (folder / str(old)).is_dir():
            (folder / f"{old}.sha256").unlink()


def latest(folder: Path) -> int | None:
    """The epoch of the newest checkpoint that was completely written, or None."""
    return max(_sealed_epochs(folder), default=None)


def load(folder: Path, like: Any, identity: dict[str, str]) -> Any:
    """The newest state in ``folder``.

    Args:
        folder: of all checkpoints of one run.
        like: a tree of ``jax.ShapeDtypeStruct`` (``jax.eval_shape``) that must come back.
        identity: what the state must belong to.

    Raises:
        InputError: nothing there, a checkpoint that is torn or altered, or one of another spec.
    """
    epoch = latest(folder)
    require(epoch is not None, f"{folder} holds no complete checkpoint: start the run again")
    where = folder / str(epoch)
    whole = _checksums(where) == (folder / f"{epoch}.sha256").read_text(encoding="utf-8")
    require(
        whole,
        f"checkpoint {where} is damaged: remove it and {where.name}.sha256 to go on from an earlier one",
    )
    with _manager(folder, writing=False) as (orbax, manager):
        found = manager.restore(epoch, args=orbax.args.Composite(identity=orbax.args.PyTreeRestore()))["identity"]
        other = [name for name, value in identity.items() if found.get(name) != value]
        require(not other, f"checkpoint {where} belongs to another run: its {' and '.join(other)} differ")
        wanted = jax.eval_shape(plain, like)
        how = jax.tree.map(lambda leaf: orbax.RestoreArgs(restore_type=np.ndarray), wanted)
        restore = orbax.args.PyTreeRestore(item=wanted, restore_args=how)
        state = manager.restore(epoch, args=orbax.args.Composite(state=restore))["state"]
    for (path, got), expected in zip(jax.tree.leaves_with_path(state), jax.tree.leaves(wanted), strict=True):
        # orbax casts without a word
        same = got.shape == expected.shape and got.dtype == expected.dtype
        name = jax.tree_util.keystr(path)
        require(same, f"checkpoint {where}: {name} is {got.dtype}{got.shape}, not {expected.dtype}{expected.shape}")
    return typed(like, state)


def _is_key(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def plain(tree: Any) -> Any:
    """Typed keys as the numbers they consist of; all else as it is."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, tree)


def typed(like: Any, stored: Any) -> Any:
    """Device arrays of what ``plain`` became on disk, with keys where ``like`` has them."""

    def array(wanted: Any, leaf: np.ndarray) -> jax.Array:
        return jax.random.wrap_key_data(jnp.asarray(leaf)) if _is_key(wanted) else jnp.asarray(leaf)

    return jax.tree.map(array, like, stored)
