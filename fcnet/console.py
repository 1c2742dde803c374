"""What a person sees in the terminal. Everything goes through rich; nothing here computes."""

import time
from collections.abc import Callable
from math import isfinite
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from fcnet.analysis import Interval, PartReport
from fcnet.catalogue import Entry
from fcnet.fitting import Progress as FitProgress
from fcnet.gradcheck import Comparison
from fcnet.metrics import SCORE_TITLES
from fcnet.train import RunSpec

# With no live display, a plain line at most this often.
SECONDS_BETWEEN_LINES = 1.0
SECONDS_BETWEEN_WORKING = 5.0
# Columns of a table that is not shown on a terminal.
WIDTH_OF_A_PIPE = 200


def score_text(name: str, value: float) -> str:
    """A score as people read it: percent for accuracy, three decimals for R²."""
    return f"{100 * value:.2f} %" if name == "accuracy" else f"{value:.3f}"


def interval_text(interval: Interval, show: Callable[[float], str]) -> str:
    """Value and 95 % interval: 97.50 % (95.10–98.90)."""
    ends = [show(end).removesuffix(" %") if isfinite(end) else "?" for end in (interval.low, interval.high)]
    return f"{show(interval.value)} ({ends[0]}–{ends[1]})"


class Reporter:
    """The lines of one command. With ``quiet`` only results and problems are printed."""

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self.quiet, self.worked_at = quiet, time.monotonic()
        is_terminal = Console().is_terminal
        width = None if is_terminal else WIDTH_OF_A_PIPE
        self.console = console or Console(highlight=False, soft_wrap=not is_terminal, width=width)

    def fact(self, name: str, text: str) -> None:
        """One line of what is going on: a name and what there is to say."""
        if not self.quiet:
            self._line(name, escape(text))

    def _line(self, name: str, text: str, width: int = 10) -> None:
        if not self.console.is_terminal:  # a log: one line each, however long
            self.console.print(f"[bold]{name:<{width}}[/bold] {text}")
            return
        line = Table.grid(padding=(0, 1))
        line.add_column(width=width, style="bold")
        line.add_column(overflow="fold")
        line.add_row(name, text)
        self.console.print(line)

    def working(self, text: str) -> None:
        """What takes a moment just now: seen on a terminal until the next line comes, in a log now and then."""
        if self.quiet:
            return
        if self.console.is_terminal:
            self.console.print(f"[dim]{escape(text):<78}[/dim]", end="\r")
        elif time.monotonic() - self.worked_at >= SECONDS_BETWEEN_WORKING:
            self.worked_at = time.monotonic()
            self.fact("working", text)

    def names(self, kind: str, names: list[str]) -> None:
        """The names of one kind."""
        self._line(kind, escape(", ".join(names)), width=14)

    def entries(self, entries: list[Entry]) -> None:
        """Entries of one kind, with their formulas and PyTorch's names where it has any."""
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        table.add_column("name", no_wrap=True)
        table.add_column("formula", overflow="fold")
        has_torch = any(entry.torch for entry in entries)
        if has_torch:
            table.add_column("PyTorch", overflow="fold")
        for entry in entries:
            cells = [entry.name, entry.formula, entry.torch.removeprefix("torch.")][: 2 + has_torch]
            table.add_row(*(escape(cell) for cell in cells))
        self.console.print(table)

    def entry(self, name: str, kind: str, facts: dict[str, str]) -> None:
        """All there is to say of one component."""
        self.console.print(f"[bold]{name}[/bold] ({kind})")
        lines = Table.grid(padding=(0, 2))
        lines.add_column(style="bold", no_wrap=True)
        lines.add_column(overflow="fold")
        for what, text in facts.items():
            lines.add_row(f"  {what}", escape(text))
        self.console.print(lines)

    def result(self, text: str = "") -> None:
        """One line that is printed even when quiet."""
        self.console.print(text, markup=False)

    def gradients(self, comparison: Comparison) -> None:
        """The outcome of comparing gradients by hand with autodiff, in one line."""
        worst = comparison.worst
        verdict = "[green]agree[/green]" if comparison.agrees else "[red]DISAGREE[/red]"
        text = (
            f"by hand and by jax.grad {verdict}: worst relative difference {worst.relative_difference:.1e} "
            f"in {worst.name} (rounding explains {comparison.tolerance:.0e}, {comparison.dtype})"
        )
        if not self.quiet or not comparison.agrees:
            self._line("gradients", text)

    def training(self, spec: RunSpec, rows: int, score: str) -> "TrainingDisplay":
        """A display of a run's progress, to be used as a context and called with each ``fitting.Progress``."""
        return TrainingDisplay(self, spec, rows, score)

    def reports(self, reports: dict[str, PartReport], score: str) -> None:
        """The final table."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("part")
        for column in ("rows", "loss (95 % interval)", f"{SCORE_TITLES[score]} (95 % interval)"):
            table.add_column(column, justify="right")
        for name, part in reports.items():
            loss = interval_text(part.loss, lambda value: f"{value:.4f}")
            table.add_row(
                name, f"{part.rows:,}", loss, interval_text(part.score, lambda value: score_text(score, value))
            )
        self.console.print(table)


class TrainingDisplay:
    """A live line on a terminal, plain lines elsewhere, nothing when quiet."""

    def __init__(self, reporter: Reporter, spec: RunSpec, rows: int, score: str) -> None:
        self.reporter, self.spec, self.rows, self.score = reporter, spec, rows, score
        self.live = reporter.console.is_terminal and not reporter.quiet
        self.since_line = SECONDS_BETWEEN_LINES
        self.progress = Progress(
            TextColumn("[bold]training[/bold]  "),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[what]}"),
            console=reporter.console,
            transient=True,
            disable=not self.live,
        )
        self.task: TaskID | None = None
        # of what was not shown yet, and what there is to say of the newest epoch
        self.seconds = 0.0
        self.newest: list[str] = []

    def __enter__(self) -> "TrainingDisplay":
        self.progress.start()
        self.task = self.progress.add_task("training", total=self.spec.epochs, what="compiling")
        return self

    def __exit__(self, *exception: Any) -> None:
        self.progress.stop()

    def __call__(self, told: FitProgress) -> None:
        """Show the newest epoch, and how far the next one is where its rows are streamed."""
        epoch, done = int(told.state.epoch), len(told.history.train_loss)
        self.seconds += told.seconds
        seen = done * self.rows + told.rows
        if not seen:
            return
        if done:
            self.newest = [f"loss {told.history.train_loss[-1]:.4f}"]
            if isfinite(told.history.validation_score[-1]):
                value = score_text(self.score, told.history.validation_score[-1])
                self.newest.append(f"validation {SCORE_TITLES[self.score]} {value}")
        seconds_left = ((self.spec.epochs - epoch) * self.rows - told.rows) * self.seconds / seen
        speed = f"{seen / self.seconds:,.0f} examples/s"
        what = " · ".join([*self.newest, speed, f"{duration(seconds_left)} left"])
        if done:
            self.seconds = 0.0
        if self.live and self.task is not None:
            self.progress.update(self.task, completed=epoch + told.rows / self.rows, what=what)
            return
        self.since_line += told.seconds
        if self.since_line >= SECONDS_BETWEEN_LINES or epoch == self.spec.epochs:
            self.since_line = 0.0
            place = f"{epoch}/{self.spec.epochs}"
            if told.rows:
                place = f"{epoch + 1}/{self.spec.epochs} at {100 * told.rows / self.rows:.0f} %"
            self.reporter.fact("training", f"epoch {place} · {what}")


def duration(seconds: float) -> str:
    """1:02:03, or 2:03 below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size_text(count: int) -> str:
    """A number of bytes as people read it: 1.2 MiB."""
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.3g} {units[0]}"
