"""What a person sees while a sweep runs: a live line on a terminal, plain lines elsewhere, nothing when quiet."""

from math import isnan
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from fcnet.console import SECONDS_BETWEEN_LINES, Reporter, duration, score_text
from fcnet.sweeps.progress import Progress

SEPARATOR, WIDTH_OF_BAR = " · ", 24


class SweepDisplay:
    """Members that are through, epochs, waves, the best score so far, and the time that is left at most."""

    def __init__(self, reporter: Reporter, score: str) -> None:
        self.reporter, self.score = reporter, score
        self.live = reporter.console.is_terminal and not reporter.quiet
        self.epochs, self.seconds, self.since_line = 0, 0.0, SECONDS_BETWEEN_LINES
        self.bar = Bar(
            TextColumn("[bold]training[/bold]  "),
            MofNCompleteColumn(),
            *([BarColumn(bar_width=WIDTH_OF_BAR)] if reporter.console.width >= 110 else []),
            TextColumn("{task.fields[what]}"),
            console=reporter.console,
            transient=True,
            disable=not self.live,
        )
        self.task: TaskID | None = None

    def __enter__(self) -> "SweepDisplay":
        self.bar.start()
        self.task = self.bar.add_task("training", total=None, what="")
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.stop()

    def __call__(self, told: Progress) -> None:
        """Show where the sweep is."""
        self.epochs, self.seconds = self.epochs + told.told.epochs, self.seconds + told.told.seconds
        rate = self.epochs / max(self.seconds, 1e-9)
        parts = [f"{duration(told.epochs_left / rate)} left at most"] if rate else []
        if not isnan(told.best):
            parts.append(f"best validation {score_text(self.score, told.best)}")
        if told.waves > 1:
            parts.append(f"wave {told.wave} of {told.waves}")
        if told.groups > 1:
            parts.append(f"program {told.group} of {told.groups}")
        parts.append(f"{self.epochs:,} epochs, {rate:,.0f} a second")
        if self.live and self.task is not None:
            room = self._room(told)
            while len(SEPARATOR.join(parts)) > room and len(parts) > 1:
                parts.pop()
            self.bar.update(self.task, completed=told.done, total=told.members, what=SEPARATOR.join(parts))
            return
        what = SEPARATOR.join(parts)
        self.since_line += told.told.seconds
        if self.since_line >= SECONDS_BETWEEN_LINES or told.done == told.members:
            self.since_line = 0.0
            self.reporter.fact("training", f"{told.done:,} of {told.members:,} members · {what}")

    def _room(self, told: Progress) -> int:
        """Columns beside the name, the count and the bar: a line that is too long would lose the count."""
        others = sum(isinstance(column, BarColumn) for column in self.bar.columns) * (WIDTH_OF_BAR + 1)
        return self.reporter.console.width - len(f"training   {told.done}/{told.members} ") - others
