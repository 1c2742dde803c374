"""fcnet train --from: one member of a sweep again, alone and with a run folder of its own."""

import dataclasses
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fcnet.commands.sweep_figures import values_text
from fcnet.config import TrainConfig
from fcnet.console import Reporter, score_text
from fcnet.errors import require
from fcnet.metrics import SCORE_TITLES
from fcnet.sweeps import leaders
from fcnet.sweeps.members import Member
from fcnet.sweeps.results import SweepResults, read


def config_from(
    run: Path, *, best: bool = False, setting: int | None = None, member: int | None = None, quiet: bool = False
) -> TrainConfig:
    """What the solo run of a member of the sweep in ``run`` is; says which it is and the flags that it amounts to.

    Args:
        best: the best member of the leading setting; ``setting``: the best of this one; ``member``: this one.

    Raises:
        InputError: none or several of these, no such setting or member, or not the folder of a sweep.
    """
    named = [flag for flag, given in (("--setting", setting), ("--member", member)) if given is not None]
    named += ["--best"] if best else []
    require(len(named) > 0, f"--from {run} needs --best, --setting NUMBER or --member NUMBER")
    require(len(named) == 1, f"{' and '.join(named)} choose different members: give one of them")
    results = read(run)
    chosen = results.member(leaders.best_member(results, setting=setting) if member is None else member)
    reporter = Reporter(quiet=quiet)
    reporter.fact("from", f"{run}: {_described(results, chosen)}")
    reporter.fact("alone", " ".join(["fcnet train", *map(shlex.quote, flags(chosen.config))]))
    return chosen.config


def _described(results: SweepResults, member: Member) -> str:
    """member 742 (setting 9: learning rate 0.05; seed 6, fold 2), validation accuracy 97.12 %."""
    row = results.members.slice(int((results.column("member") == member.number).argmax()), 1).to_pylist()[0]
    values = values_text({axis.name: row[axis.name] for axis in results.axes})
    split = "" if member.fold is None else f", {'fold' if member.config.data.folds else 'split'} {member.fold}"
    about = f"member {member.number:,} (setting {member.setting}: {values}; seed {member.seed}{split})"
    if row["status"] == "diverged":
        return f"{about}, diverged: {row['cause']}"
    score = row["best_validation_score"]
    judged = "" if score is None else f", validation {SCORE_TITLES[results.score]} {score_text(results.score, score)}"
    return about + judged


def flags(config: TrainConfig) -> list[str]:
    """The words behind ``fcnet train`` that give this config: what differs from the defaults."""
    plain = TrainConfig()
    found: list[str] = []
    for part in dataclasses.fields(config):
        own, default = getattr(config, part.name), getattr(plain, part.name)
        for field in dataclasses.fields(own):
            value = getattr(own, field.name)
            if value != getattr(default, field.name):
                found += _words(field.name.replace("_", "-"), value)
    return found


def _words(name: str, value: Any) -> Iterator[str]:
    if value is True:
        yield f"--{name}"
    elif value == ():
        yield f"--no-{name}"
    elif isinstance(value, tuple):
        yield f"--{name}"
        yield from map(str, value)
    else:
        yield f"--{name}={value}"
