"""fcnet gradcheck: examine the gradients in someone's file, in a process of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from fcnet import plots
from fcnet.console import Reporter
from fcnet.errors import InputError, require
from fcnet.gradcheck.diagnosis.layer_mistakes import LAYER_MISTAKES
from fcnet.gradcheck.sandbox import session as sandbox
from fcnet.gradcheck.sandbox.outcome import Limits, Outcome, decode

# Problems first.
VERDICTS = {"wrong": "bold red", "undecided": "yellow", "kink": "yellow", "right": "green"}
# ``check`` gives up by itself when a call or its examination takes too long. Five calls, the examination and the
# diagnosis may take that each: after this many times the process is stopped.
GRACE = 7.0
LEAST_MEMORY = 0.5
# Narrower terminals are shown what is needed most: the names, the verdicts and the worst entries.
WIDE = 104


@dataclass(frozen=True)
class Examination:
    """The network or one layer of a file: how it ended, and its report as plain values, None where there is none."""

    name: str
    outcome: Outcome

    @property
    def report(self) -> Mapping[str, Any] | None:
        """What ``gradcheck.as_json`` gave."""
        return self.outcome.value["report"] if self.outcome.kind == "finished" else None

    @property
    def sentence(self) -> str:
        """Why there is no report, in one line."""
        if self.outcome.error == "NotImplementedError":
            return f"{self.name}: not done yet"
        return f"{self.name}: {self.outcome.sentence.removeprefix(f'{self.name}: ')}"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        outcome, sentence = self.outcome.kind, "" if self.report else self.sentence
        return {"name": self.name, "outcome": outcome, "message": sentence, "report": self.report}

    def errors(self) -> dict[str, np.ndarray]:
        """(found − expected) / the largest |expected| of each tensor, entry by entry."""
        return {name: decode(array) for name, array in (self.outcome.value or {}).get("errors", {}).items()}


def check_file(
    file: Path, *, json: bool = False, figure: Path | None = None, seconds: float = 60.0, memory_gib: float = 4.0
) -> int:
    """Examine the network and the layers of ``file``, see ``gradcheck.files``, and print what was found.

    Args:
        json: print one JSON object instead: file, right, printed, examinations [{name, outcome, message, report}].
        figure: a PNG that is not there yet, for the error of every entry of every tensor.
        seconds: the most that one call of the file may take.
        memory_gib: the most that its process may hold, on Linux.

    Returns:
        0 where all gradients are right, 1 where some are wrong.

    Raises:
        InputError: the file, or a part of it, cannot be examined.
    """
    if figure is not None:
        require(figure.suffix == ".png", f"--figure {figure}: its name must end in .png")
        require(not figure.exists(), f"{figure} is there already: name another file with --figure")
    require(seconds > 0, f"--seconds must be a number > 0, got {seconds:g}")
    # Python with NumPy and JAX takes this much before anything is computed
    require(memory_gib >= LEAST_MEMORY, f"--memory-gib must be at least {LEAST_MEMORY}, got {memory_gib:g}")
    options = {"seconds": seconds, "errors": figure is not None}
    limits = Limits(GRACE * seconds, memory_gib)
    session = sandbox.run(file, "fcnet.gradcheck.files", options=options, limits=limits)
    if session.load.kind != "finished":
        raise InputError(f"{file}: {session.load.sentence}")
    examined = [Examination(name.removeprefix("layer "), outcome) for name, outcome in session.tasks.items()]
    right = all(one.report is not None and one.report["right"] for one in examined)
    if json:
        parts = [one.plain() for one in examined]
        answer = {"file": str(file), "right": right, "printed": session.printed, "examinations": parts}
        Reporter().result(dumps(answer, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(file, examined, session.printed)
    if figure is not None:
        said = f"errors drawn in {figure}" if _draw(file, examined, figure) else "there are no gradients to draw"
        if not json:
            Reporter().result(said)
    unfinished = [one for one in examined if one.report is None]
    if unfinished:
        more = f" (and {len(unfinished) - 1} more)" if len(unfinished) > 1 else ""
        raise InputError(f"{file}: {unfinished[0].sentence}{more}")
    return 0 if right else 1


def _draw(file: Path, examined: list[Examination], path: Path) -> bool:
    several = len(examined) > 1
    errors, verdicts = {}, {}
    for one in examined:
        found = one.errors()
        for tensor in one.report["tensors"] if one.report else ():
            name = f"{one.name}: {tensor['name']}" if several else tensor["name"]
            if tensor["name"] in found:  # one that could not be examined has no errors
                errors[name], verdicts[name] = found[tensor["name"]], tensor["verdict"]
    if errors:
        plots.error_map(errors, verdicts, title=f"Errors of the gradients in {file.name}", path=path)
    return bool(errors)


def _show(file: Path, examined: list[Examination], printed: str) -> None:
    reporter = Reporter()
    for one in sorted(examined, key=lambda one: one.report is not None and one.report["right"]):
        report = one.report
        if report is None:
            reporter.console.print(f"[bold red]✗[/bold red] {escape(one.sentence)}")
            continue
        mark = "[bold green]✓[/bold green]" if report["right"] else "[bold red]✗[/bold red]"
        reporter.console.print(f"{mark} [bold]{escape(one.name)}[/bold] {escape(_about(report))}")
        for problem in report["problems"]:
            reporter.console.print(f"  [red]{escape(problem['message'])}[/red]")
        if report["tensors"]:
            reporter.console.print(report_table(report, reporter.console.width))
        if report["causes"] or not report["right"]:
            reporter.console.print(cause_table(report))
        for remark in report["remarks"]:
            reporter.console.print(f"  [dim]{escape(remark)}[/dim]")
    if printed:
        reporter.console.print(f"[dim]{escape(file.name)} printed:[/dim]")
        reporter.result(printed.rstrip())


def _about(report: Mapping[str, Any]) -> str:
    loss = "" if report["loss"] is None else f", loss {report['loss']:.6g}"
    oracle = _one_oracle(report)
    return f"({report['library']}, {report['dtype']}{loss}{f', held to {oracle}' if oracle else ''})"


def report_table(report: Mapping[str, Any], width: int = WIDE) -> Table:
    """The tensors of a report, the wrong ones first: how far off each is, and its worst entry."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 1))
    table.add_column("tensor", overflow="fold")
    for column in ("shape", "verdict"):
        table.add_column(column, no_wrap=True)
    ratios = ("tolerance", "cosine", "‖g‖/‖r‖") if width >= WIDE else ()
    for column in ("error", *ratios, "worst", "found", "expected"):
        table.add_column(column, justify="right", no_wrap=True)
    if _one_oracle(report) is None:
        table.add_column("oracle", overflow="fold", min_width=8)
    order = list(VERDICTS)
    for tensor in sorted(report["tensors"], key=lambda tensor: order.index(tensor["verdict"])):
        verdict, worst = tensor["verdict"], tensor["worst"]
        cells = [
            _number(tensor["relative_error"], ".1e"),
            *(
                _number(tensor[key], form)
                for key, form in (("tolerance", ".0e"), ("cosine", ".4f"), ("norm_ratio", ".4g"))
                if ratios
            ),
            *(("", "", "") if worst is None or verdict == "right" else _entry(worst)),
        ]
        if _one_oracle(report) is None:
            cells.append(tensor["source"] + (f", {tensor['checked']:,} entries" if _sampled(tensor) else ""))
        shape = " × ".join(map(str, tensor["shape"])) or "number"
        style = VERDICTS[verdict]
        table.add_row(escape(tensor["name"]), shape, f"[{style}]{verdict}[/{style}]", *(escape(cell) for cell in cells))
    return table


def _one_oracle(report: Mapping[str, Any]) -> str | None:
    """What all tensors were held to, None where that differs or only some entries were."""
    sources = {tensor["source"] for tensor in report["tensors"]}
    return sources.pop() if len(sources) == 1 and not any(map(_sampled, report["tensors"])) else None


def _sampled(tensor: Mapping[str, Any]) -> bool:
    return tensor["checked"] + tensor["kinks"] < int(np.prod(tensor["shape"]))


def _entry(worst: Mapping[str, Any]) -> tuple[str, str, str]:
    place = f"[{', '.join(map(str, worst['index']))}]" if worst["index"] else ""
    return place, _number(worst["found"], ".4g"), _number(worst["expected"], ".4g")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def cause_table(report: Mapping[str, Any]) -> Table:
    """The causes: the tensors, what was done and where, what speaks for it, and the line that should be followed.

    Wrong tensors that no cause explains are named too.
    """
    table = Table.grid(padding=(0, 1))
    table.add_column(style="bold", overflow="fold", max_width=24)
    table.add_column(overflow="fold")

    def add(tensors: Iterable[str], title: str, *lines: str) -> None:
        body = "\n".join([f"[bold]{escape(title)}[/bold]", *lines])
        table.add_row(escape(" " + ", ".join(tensors)), body)

    for cause in report["causes"]:
        title = f"{LAYER_MISTAKES[cause['mistake']].title}, in {cause['where']}"
        add(cause["tensors"], title, escape(cause["explanation"]), f"[italic]{escape(cause['derivation'])}[/italic]")
    explained = {name for cause in report["causes"] for name in cause["tensors"]}
    wrong = [tensor["name"] for tensor in report["tensors"] if tensor["verdict"] == "wrong"]
    unexplained = [name for name in wrong if name not in explained]
    if unexplained:
        advice = "check its layer alone (LAYERS), and what comes before it in the backward pass"
        add(unexplained, "no known mistake fits", advice)
    return table
