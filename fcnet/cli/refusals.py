"""Flags that exclude each other by being there at all."""

from fcnet.errors import InputError

PROCESSES = {"--coordinator", "--processes", "--process", "--join-seconds"}
FROM_FLAGS = {"--from", "--best", "--setting", "--member"}


def refuse_flags_beside_resume(words: list[str]) -> None:
    """A run goes on as it was begun.

    Raises:
        InputError: a flag that would change it.
    """
    # looked for in the words, because a flag given at its default value leaves no trace in the parsed config
    flags = {word.split("=")[0] for word in words if word.startswith("--")}
    others = sorted(flags - {"--resume", "--quiet", "--help", *PROCESSES})
    if "--resume" in flags and others:
        raise InputError(
            f"--resume goes on as the run was begun: leave out {' and '.join(others)} (--quiet is allowed)"
        )


def refuse_flags_beside_from(words: list[str]) -> None:
    """A member is trained as its sweep had it.

    Raises:
        InputError: a flag that would change it, or one that chooses from no sweep.
    """
    flags = {word.split("=")[0] for word in words if word.startswith("--")}
    if words[:1] != ["train"] or not flags & FROM_FLAGS or "--help" in flags:
        return
    if "--from" not in flags:
        raise InputError(f"{' and '.join(sorted(flags & FROM_FLAGS))} chooses from a sweep: add --from RUN")
    others = sorted(flags - FROM_FLAGS - {"--out", "--quiet", "--data-parallel", *PROCESSES})
    if others:
        raise InputError(f"--from trains a member as the sweep had it: leave out {' and '.join(others)}")
