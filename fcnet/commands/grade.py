"""fcnet grade: points for a filled-in backpropagation exercise."""

from json import dumps
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from fcnet.console import Reporter
from fcnet.gradcheck.exercise.grading import Grade, grade

STATUS_STYLES = {"right": "green", "partly_right": "yellow", "not_done": "dim", "missing": "dim"}


def grade_file(file: Path, *, json: bool = False) -> int:
    """Grade ``file`` and print its points.

    Args:
        json: print one JSON object instead: total, points, functions [{name, earned, possible, status, feedback}].

    Returns:
        0 with full points, 1 with fewer.

    Raises:
        InputError: the file is not there, or cannot be loaded.
    """
    found = grade(file)
    reporter = Reporter()
    if json:
        reporter.result(dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        reporter.console.print(grade_table(found))
        if found.printed:
            reporter.console.print(f"[dim]{escape(file.name)} printed:[/dim]")
            reporter.result(found.printed.rstrip())
    return 0 if found.points == found.total else 1


def grade_table(found: Grade) -> Table:
    """A row for each function, and the points of all."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("function", no_wrap=True)
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("feedback", overflow="fold")
    for function in found.functions:
        style = STATUS_STYLES.get(function.status, "red")
        status = f"[{style}]{function.status.replace('_', ' ')}[/{style}]"
        table.add_row(function.name, f"{function.earned} / {function.possible}", status, escape(function.feedback))
    table.add_row("[bold]total[/bold]", f"[bold]{found.points} / {found.total}[/bold]", "", "")
    return table
