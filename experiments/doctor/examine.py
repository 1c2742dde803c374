"""One examination by the doctor, and whether it was right."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from doctor.healthy import healthy
from doctor.mutants import Mutant, precision, ready, truth
from doctor.network import load, named
from fcnet.gradcheck.check import check
from fcnet.gradcheck.record import Report


@dataclass(frozen=True)
class Finding:
    """What the doctor said of one mutant, beside what is so.

    ``wrong``: the tensors that are wrong. ``found``: those that it called wrong. ``accepted``: names of the right
    cause. ``causes``: those it named, first to last. ``problems``: their messages. ``details``: what it said of them.
    """

    mutant: str
    mistake: str
    dtype: str
    wrong: tuple[str, ...]
    found: tuple[str, ...]
    accepted: tuple[str, ...]
    causes: tuple[str, ...]
    problems: tuple[str, ...]
    details: tuple[str, ...]

    @property
    def tensor_right(self) -> bool:
        """Whether it called wrong what is wrong and nothing else."""
        return self.found == self.wrong

    @property
    def cause_right(self) -> bool:
        """Whether the first cause that it named is right."""
        return bool(self.causes) and self.causes[0] in self.accepted

    @property
    def cause_among(self) -> bool:
        """Whether any cause that it named is right."""
        return not set(self.causes).isdisjoint(self.accepted)


def named_wrong(report: Report, names: Iterable[str]) -> set[str]:
    """Tensors with the verdict "wrong", and those of ``names`` that a problem of their shape names."""
    found = {tensor.name for tensor in report.tensors if tensor.verdict == "wrong"}
    for problem in report.problems:
        if problem.kind == "shape":
            # a name is not part of a longer one
            found |= {name for name in names if re.search(rf"(?<![\w/]){re.escape(name)}(?![\w/])", problem.message)}
    return found


def examine(mutant: Mutant, dtype: str) -> Finding:
    """The doctor's report on a mutant that has been called once before, as in a training script."""
    network = load(mutant.network, mutant.edit)
    with precision(network, dtype):
        params, *batch = ready(network, dtype)
        report = check(network.function, params, tuple(batch))
    return Finding(
        mutant.name,
        mutant.edit.mistake,
        dtype,
        tuple(sorted(truth(mutant).wrong)),
        tuple(sorted(named_wrong(report, named(params)))),
        mutant.edit.accepted,
        tuple(cause.mistake for cause in report.causes),
        tuple(problem.message for problem in report.problems),
        tuple(f"{cause.where}: {cause.explanation}" for cause in report.causes),
    )


def false_alarm(report: Report) -> str | None:
    """What a report on a correct network complains of, or None."""
    if report.right:
        return None
    wrong = [
        f"{tensor.name} is {tensor.verdict}, off by {tensor.relative_error} "
        f"(tolerance {tensor.tolerance:.1e}, by {tensor.source})"
        for tensor in report.tensors
        if tensor.verdict in ("wrong", "undecided")
    ]
    return "; ".join([*(problem.message for problem in report.problems), *wrong])


def alarm_at_random_network(seed: int) -> str | None:
    """The complaint about ``healthy(seed)`` in float32, or None."""
    network = healthy(seed)
    complaint = false_alarm(check(network.function, network.params, network.batch))
    return complaint and f"random network {seed}: {complaint}: {network.about}"


def alarm_at_written_network(name: str, seed: int, dtype: str) -> str | None:
    """The complaint about a correct network of ``networks/``, or None."""
    network = load(name)
    with precision(network, dtype):
        params, *batch = network.arguments(seed, dtype)
        complaint = false_alarm(check(network.function, params, tuple(batch)))
    return complaint and f"{name} in {dtype}, seed {seed}: {complaint}"
