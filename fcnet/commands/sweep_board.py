"""The leader board of a sweep in the terminal."""

from collections.abc import Sequence
from math import isfinite

from rich.markup import escape
from rich.table import Table

from fcnet.analysis import Interval
from fcnet.analysis.intervals import standard_errors
from fcnet.commands.sweep_figures import cell_text, values_text, varying
from fcnet.console import Reporter
from fcnet.metrics import SCORE_TITLES
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.leaders import Board, Standing, is_certain
from fcnet.sweeps.results import SweepResults

UNDECIDED = "≈"
# Columns in which any table has room.
UNLIMITED = 10_000
# With so few seeds or folds the length of an interval is mostly Student's t, and is explained.
FEW = 3


def print_board(reporter: Reporter, results: SweepResults, board: Board, top: int) -> None:
    """The ``top`` best settings; the axes in columns of their own where the terminal is wide enough."""
    console, shown = reporter.console, board.standings[:top]
    varied = [axis.name for axis in varying(results, board)]
    room = console.options.update(width=UNLIMITED)
    for is_wide, gap in ((True, 2), (True, 1), (False, 2)):
        table = _table(board, shown, results.score, varied, is_wide=is_wide, gap=gap)
        if console.measure(table, options=room).maximum <= console.width:
            break
    console.print(table)
    more = len(board.standings) - len(shown)
    if more > 0:
        console.print(f"… and {more:,} more {'setting' if more == 1 else 'settings'}: --top {len(board.standings)}")
    console.print()
    for note in _notes(results.config, board, shown):
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


def _few(config: SweepConfig) -> list[str]:
    """Why intervals are long where there are few seeds or splits to tell how much they matter."""
    splits = "folds" if config.train.data.folds else "splits"
    counts = {"seeds": config.seeds, splits: config.number_of_splits}
    what, count = min(((what, count) for what, count in counts.items() if count > 1), key=lambda one: one[1])
    if count > FEW:
        return []
    wide, usual = standard_errors(count), standard_errors(10)
    why = f"{wide:.1f} standard errors by Student's t, {usual:.1f} with 10"
    return [f"{count} {what} make ± long: {why}: add --{what}."]


def _notes(config: SweepConfig, board: Board, shown: Sequence[Standing]) -> list[str]:
    """What has to be known to read the numbers."""
    settings = len(board.standings)
    notes = []
    if any(isfinite(one.score.high) for one in shown):
        notes += ["±: 95 % interval of the mean over the setting's members.", *_few(config)]
    else:
        notes.append("One member a setting gives no interval: add --seeds.")
    if any(_is_open(one.difference) for one in shown):
        notes.append(f"{UNDECIDED}: the interval over common seeds and splits holds 0: may be as good as the leader.")
    if settings > 1 and board.by == "test":
        notes.append(f"Chosen by the test score: the best of {settings:,} is too high on average, judge it elsewhere.")
    elif settings > 1:
        notes.append(f"The best of {settings:,} validation scores is too high on average; test scores chose nothing.")
    return notes
