"""The leader board of a sweep in the terminal."""

from collections.abc import Sequence
from math import isfinite

from rich.markup import escape
from rich.table import Table

from fcnet.analysis import Interval
from fcnet.commands.sweep_figures import cell_text, values_text
from fcnet.console import Reporter
from fcnet.metrics import SCORE_TITLES
from fcnet.sweeps.leaders import Board, Standing, is_certain

UNDECIDED = "≈"
# Columns in which any table has room.
UNLIMITED = 10_000


def print_board(reporter: Reporter, board: Board, score: str, varied: Sequence[str], top: int) -> None:
    """The ``top`` best settings; the axes in columns of their own where the terminal is wide enough.

    Args:
        score: "accuracy" or "r2".
        varied: names of the axes that have several values.
    """
    console, shown = reporter.console, board.standings[:top]
    room = console.options.update(width=UNLIMITED)
    for is_wide, gap in ((True, 2), (True, 1), (False, 2)):
        table = _table(board, shown, score, varied, is_wide=is_wide, gap=gap)
        if console.measure(table, options=room).maximum <= console.width:
            break
    console.print(table)
    more = len(board.standings) - len(shown)
    if more > 0:
        console.print(f"… and {more:,} more {'setting' if more == 1 else 'settings'}: --top {len(board.standings)}")
    console.print()
    for note in _notes(board, shown):
        console.print(f"[dim]{escape(note)}[/dim]")


def _table(
    board: Board, shown: Sequence[Standing], score: str, varied: Sequence[str], *, is_wide: bool, gap: int
) -> Table:
    unit = " %" if score == "accuracy" else ""
    has_test = board.by != "test" and any(isfinite(one.test.value) for one in shown)
    many = len(board.standings) > 1
    remarks = [_remark(one) for one in shown]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    table.add_column("", justify="right")
    table.add_column("setting", justify="right")
    if is_wide:
        for name in varied:
            is_text = isinstance(shown[0].values[name], str)
            table.add_column(name.replace("_", "\n", 1).replace("_", " "), justify="left" if is_text else "right")
    else:
        table.add_column("values", overflow="fold", ratio=1)
    for heading, is_there in (
        (f"{board.by}\n{SCORE_TITLES[score]}{unit}", True),
        (f"to the\nleader{unit}", many),
        (f"test\n{SCORE_TITLES[score]}{unit}", has_test),
    ):
        if is_there:
            table.add_column(heading, justify="right", no_wrap=True)
    if any(remarks):
        table.add_column("members", overflow="fold")
    for one, remark in zip(shown, remarks, strict=True):
        values = {name: one.values[name] for name in varied}
        cells = [str(one.rank), str(one.setting)]
        cells += (
            [cell_text(value) for value in values.values()]
            if is_wide
            else ["\n".join(values_text({name: value}) for name, value in values.items())]
        )
        cells.append(_plus_minus(one.score, score))
        cells += [_difference(one.difference, score)] if many else []
        cells += [_plus_minus(one.test, score)] if has_test else []
        cells += [remark] if any(remarks) else []
        table.add_row(*(escape(cell) for cell in cells), style="bold" if one.rank == 1 else "")
    return table


def _shown(value: float, score: str, *, sign: bool = False) -> str:
    text = f"{100 * value:{'+' if sign else ''}.2f}" if score == "accuracy" else f"{value:{'+' if sign else ''}.3f}"
    return text.replace("-", "−")


def _plus_minus(interval: Interval, score: str, *, sign: bool = False) -> str:
    """97.50 ± 0.42: the intervals of a board are symmetric."""
    if not isfinite(interval.value):
        return "–"
    half = interval.high - interval.value
    return _shown(interval.value, score, sign=sign) + (f" ± {_shown(half, score)}" if isfinite(half) else "")


def _difference(interval: Interval | None, score: str) -> str:
    if interval is None:
        return ""
    return f"{_plus_minus(interval, score, sign=True)} {UNDECIDED if _is_open(interval) else ' '}"


def _is_open(interval: Interval | None) -> bool:
    return interval is not None and isfinite(interval.high) and not is_certain(interval)


def _remark(one: Standing) -> str:
    """What happened to members of this setting other than to train to their ends."""
    named = [f"{count:,} {status}" for status, count in one.statuses.items() if status in ("diverged", "dropped")]
    if "in training" in one.statuses:
        named.append(f"{one.statuses['in training']:,} to come")
    return ", ".join(named)


def _notes(board: Board, shown: Sequence[Standing]) -> list[str]:
    """What has to be known to read the numbers."""
    settings = len(board.standings)
    notes = []
    if any(isfinite(one.score.high) for one in shown):
        notes.append("±: 95 % interval of the mean over the setting's members.")
    else:
        notes.append("One member a setting gives no interval: add --seeds.")
    if any(_is_open(one.difference) for one in shown):
        notes.append(f"{UNDECIDED}: the interval over common seeds and splits holds 0: may be as good as the leader.")
    if settings > 1 and board.by == "test":
        notes.append(f"Chosen by the test score: the best of {settings:,} is too high on average, judge it elsewhere.")
    elif settings > 1:
        notes.append(f"The best of {settings:,} validation scores is too high on average; test scores chose nothing.")
    return notes
