"""How often the gradient doctor names the wrong tensor and the cause, and how often it alarms for nothing.

Claim    of planted mistakes, in float32 and float64, it calls wrong exactly the tensors that are wrong in ≥ 95 % and
         names the right cause first in ≥ 85 %; of ≥ 500 correct networks in float32 it calls none wrong.
Source   the mistakes in ``planted/``, written without a look at how they are recognised.
Command  python experiments/doctor/measure.py
Time     about 7 minutes on 2 CPU cores
Expected tensors 99.8 %, first cause 92.4 %, no false alarm among 588 correct networks
"""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.progress import track
from rich.table import Table

from doctor.examine import Finding, alarm_at_random_network, alarm_at_written_network, examine
from doctor.mutants import Mutant, mutants, runnable
from doctor.network import NAMES
from fcnet import provenance
from fcnet.analysis import intervals
from fcnet.cli import script
from fcnet.errors import require
from fcnet.files import write_json
from fcnet.gradcheck.diagnosis.mistakes import MISTAKES

RESULTS = Path(__file__).parent / "results.json"
DTYPES = ("float64", "float32")
TENSOR_GOAL, CAUSE_GOAL, CORRECT_GOAL = 0.95, 0.85, 500
# seeds of each network in ``networks/``, in float32 and in float64
WRITTEN_SEEDS = range(100, 104)
PROCESSES = 2
KINDS = ("tensor_right", "cause_right", "cause_among")


def in_processes(work: Callable[..., Any], *arguments: Any, total: int, about: str) -> Iterator[Any]:
    """``work`` over ``arguments``, in order. Fresh processes: JAX's threads do not outlive a fork."""
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        yield from track(pool.map(work, *arguments, chunksize=4), total=total, description=about)


def examine_all(chosen: list[Mutant]) -> list[Finding]:
    """Every mutant in both dtypes."""
    pairs = [(mutant, dtype) for mutant in chosen for dtype in DTYPES]
    return list(in_processes(examine, *zip(*pairs, strict=True), total=len(pairs), about="mutants"))


def alarms(count: int) -> tuple[int, list[str]]:
    """Examinations of correct networks, and the complaints among them: ``count`` random ones, and the written."""
    written = [(name, seed, dtype) for name in NAMES if runnable(name) for seed in WRITTEN_SEEDS for dtype in DTYPES]
    found = [
        *in_processes(alarm_at_random_network, range(count), total=count, about="random networks"),
        *in_processes(
            alarm_at_written_network, *zip(*written, strict=True), total=len(written), about="written networks"
        ),
    ]
    return len(found), [complaint for complaint in found if complaint]


def by_mistake(findings: list[Finding]) -> dict[str, dict[str, int]]:
    """For each mistake the examinations, and how many of them were right in which respect."""
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.mistake, []).append(finding)
    return {
        mistake: {"examined": len(group), **{kind: sum(getattr(one, kind) for one in group) for kind in KINDS}}
        for mistake, group in sorted(grouped.items())
    }


def table(findings: list[Finding]) -> Table:
    """One line a mistake."""
    shown = Table("mistake", "examined", "tensors", "first cause", "any cause")
    for mistake, counts in by_mistake(findings).items():
        shown.add_row(mistake, *map(str, counts.values()))
    return shown


def share(findings: list[Finding], kind: str) -> dict[str, Any]:
    """How many are right, with Wilson's 95 % interval."""
    hits = sum(getattr(finding, kind) for finding in findings)
    interval = intervals.share(hits, len(findings))
    print(f"{kind}: {hits} of {len(findings)}, {interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})")
    return {"right": hits, "of": len(findings), **interval._asdict()}


def print_misses(findings: list[Finding]) -> None:
    """What was said where it was not right."""
    for finding in findings:
        if not (finding.tensor_right and finding.cause_right):
            print(f"\n{finding.mutant} in {finding.dtype}")
            if not finding.tensor_right:
                print(f"  wrong is {', '.join(finding.wrong)}; called wrong: {', '.join(finding.found) or 'nothing'}")
            if not finding.cause_right:
                print(f"  cause is {' or '.join(finding.accepted)}; named: {', '.join(finding.causes) or 'none'}")
            for line in (*finding.problems, *finding.details):
                print(f"    {line}")


def main(mutants_only: bool = False, correct: int = CORRECT_GOAL, only: str | None = None) -> bool:
    """Examine every mutant and many correct networks.

    Args:
        mutants_only: Leave out the correct networks.
        correct: Random correct networks, beside the written ones.
        only: Only mutants whose name contains this; nothing is written.
    """
    chosen = [mutant for mutant in mutants() if runnable(mutant.network) and (only or "") in mutant.name]
    require(bool(chosen), f"no mutant's name contains {only!r}")
    findings = examine_all(chosen)
    print_misses(findings)
    Console().print(table(findings))
    shares = {kind: share(findings, kind) for kind in KINDS}
    reached = shares["tensor_right"]["value"] >= TENSOR_GOAL and shares["cause_right"]["value"] >= CAUSE_GOAL
    if mutants_only or only:
        return reached
    examined, complaints = alarms(correct)
    print("\n".join([f"correct networks: {examined}, called wrong: {len(complaints)}", *complaints]))
    write(findings, shares, examined, complaints)
    return reached and not complaints and examined >= CORRECT_GOAL


def markdown(results: dict[str, Any]) -> list[str]:
    """README's table of results.json: all mutants, then each mistake, every one in both dtypes."""
    titles = {name: mistake.title for name, mistake in MISTAKES.items()}
    rows = [
        f"| mistake planted ({results['mutants']} mutants, each in float64 and float32) | tensors | cause |",
        "|---|---|---|",
    ]
    tensor, cause = (results["shares"][kind] for kind in ("tensor_right", "cause_right"))
    totals = [
        f"{share['right']} of {share['of']}: {share['value']:.1%} ({share['low']:.1%}–{share['high']:.1%})"
        for share in (tensor, cause)
    ]
    rows.append(f"| **all** | **{totals[0]}** | **{totals[1]}** |")
    for name, counts in sorted(results["by_mistake"].items()):
        of = counts["examined"]
        rows.append(f"| {titles[name]} | {counts['tensor_right']} of {of} | {counts['cause_right']} of {of} |")
    correct = results["correct"]
    rows.append(f"| none: correct networks called wrong | {len(correct['called_wrong'])} of {correct['examined']} | |")
    return rows


def write(findings: list[Finding], shares: dict[str, Any], examined: int, complaints: list[str]) -> None:
    """Write results.json."""
    goals = {"tensor_right": TENSOR_GOAL, "cause_right": CAUSE_GOAL, "correct_networks": CORRECT_GOAL}
    write_json(
        RESULTS,
        {
            "goals": goals,
            "mutants": len({finding.mutant for finding in findings}),
            "shares": shares,
            "correct": {"examined": examined, "called_wrong": complaints},
            "by_mistake": by_mistake(findings),
            "misses": [asdict(one) for one in findings if not (one.tensor_right and one.cause_right)],
            "provenance": provenance.collect(),
        },
    )
    print(f"written: {RESULTS}")
    print("\n".join(markdown(json.loads(RESULTS.read_text(encoding="utf-8")))))


if __name__ == "__main__":
    script(main)
