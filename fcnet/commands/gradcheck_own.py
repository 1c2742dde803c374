"""fcnet gradcheck without a file: fcnet's own backpropagation, across the catalogue or of one network."""

from json import dumps
from pathlib import Path
from typing import Any

import jax
from rich.progress import Progress
from rich.table import Table

from fcnet import backprop, devices, noise, plots
from fcnet.commands.first_gradients import check_gradients, checked_rows
from fcnet.commands.gradcheck import cause_table, report_table
from fcnet.config import TrainConfig
from fcnet.console import Reporter
from fcnet.contracts import Batch, Params
from fcnet.data import load
from fcnet.errors import require
from fcnet.fitting import as_hparams, check_fits, fresh_state
from fcnet.gradcheck import as_json, check
from fcnet.gradcheck.own import DIFFERENCES_TOLERANCE, OwnReport, components, examine


def check_catalogue(*, json: bool = False) -> int:
    """Every component of the catalogue in a small network, by hand on NumPy against autodiff and differences.

    Args:
        json: print one JSON object instead: right, components [{kind, name, autodiff, differences, entries, right}].

    Returns:
        0 where all agree, 1 otherwise.
    """
    reporter, names = Reporter(), components()
    with Progress(console=reporter.console, transient=True, disable=json or not reporter.console.is_terminal) as shown:
        reports = [examine(each) for each in shown.track(names, description="examining")]
    right = all(report.right for report in reports)
    if json:
        reporter.result(dumps({"right": right, "components": [_plain(each) for each in reports]}, indent=2))
        return 0 if right else 1
    reporter.console.print(catalogue_table(reports))
    wrong = [f"{each.component.kind} {each.component.name}" for each in reports if not each.right]
    verdict = f"all {len(reports)} agree" if right else f"{len(wrong)} of {len(reports)} differ: {', '.join(wrong)}"
    reporter.result(
        f"{verdict}. Relative difference of the worst tensor, float64: to jax.grad of the Flax network (rounding "
        f"explains {reports[0].autodiff_tolerance:.0e}), to central differences of the loss "
        f"({DIFFERENCES_TOLERANCE:.0e})"
    )
    return 0 if right else 1


def _plain(report: OwnReport) -> dict[str, Any]:
    return {
        "kind": report.component.kind,
        "name": report.component.name,
        "autodiff": report.autodiff,
        "differences": report.differences,
        "entries": report.entries,
        "right": report.right,
    }


def catalogue_table(reports: list[OwnReport]) -> Table:
    """A row for each component; the kind is named once."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("kind", style="bold")
    table.add_column("component", no_wrap=True)
    for column in ("to jax.grad", "to differences", "entries"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    before = ""
    for report in reports:
        kind, verdict = report.component.kind, "[green]right[/green]" if report.right else "[bold red]wrong[/bold red]"
        numbers = (f"{report.autodiff:.1e}", f"{report.differences:.1e}", f"{report.entries}")
        table.add_row("" if kind == before else kind, report.component.name, *numbers, verdict)
        before = kind
    return table


def check_network(config: TrainConfig, *, json: bool = False, figure: Path | None = None, seconds: float = 60.0) -> int:
    """The network that ``fcnet train`` would begin with, on its first rows: every tensor's gradient by hand.

    Args:
        json: print one JSON object instead: right, network, autodiff (see ``Comparison.summary``), report.
        figure: a PNG that is not there yet, for the error of every entry of every tensor.
        seconds: the most that the examination may take.

    Returns:
        0 where all gradients are right, 1 otherwise.

    Raises:
        InputError: a config that does not fit its data.
    """
    if figure is not None:
        require(figure.suffix == ".png", f"--figure {figure}: its name must end in .png")
        require(not figure.exists(), f"{figure} is there already: name another file with --figure")
    dataset = load(config.data_spec())
    spec, hparams = config.run_spec(dataset.description), config.hparams(dataset.description)
    devices.use_precision(spec.model.dtype)
    check_fits(spec, dataset)
    comparison = check_gradients(spec, hparams, dataset, config.loop.seed)
    first = checked_rows(dataset)
    rows = len(first.y)
    state = fresh_state(spec, as_hparams(hparams, spec.model.param_dtype), len(dataset.train.y), config.loop.seed)
    drawn = noise.draw(spec.model, hparams, rows, state.key)

    @jax.jit
    def by_hand(params: Params, *batch: jax.Array) -> tuple[jax.Array, Params]:
        # the examination is in float64, and so must be what goes with the parameters
        kept, around = jax.tree.map(
            lambda leaf: leaf.astype(jax.tree.leaves(params)[0].dtype), (state.model_state, drawn)
        )
        found = backprop.by_hand(spec.objective, hparams, backprop.Point(params, Batch(*batch), kept, around))
        return found.loss, found.grads

    batch = tuple(array for array in first if array is not None)
    report = check(by_hand, state.params, batch, seconds=seconds)
    reporter, sizes = Reporter(), "-".join(map(str, spec.model.sizes))
    plain, about = as_json(report), f"{sizes} on {rows} rows of {dataset.description.name}"
    if figure is not None:
        verdicts = {tensor.name: tensor.verdict for tensor in report.tensors}
        plots.error_map(report.errors, verdicts, title=f"Errors of the gradients of {about}", path=figure)
    right = report.right and comparison.agrees
    if json:
        plain.pop("errors")
        answer = {"right": right, "network": about, "autodiff": comparison.summary(), "report": plain}
        reporter.result(dumps(answer, indent=2, allow_nan=False))
        return 0 if right else 1
    reporter.fact("network", f"{about}; {spec.loss.replace('_', ' ')}")
    reporter.gradients(comparison)
    reporter.console.print(report_table(plain, reporter.console.width))
    if not report.right:
        reporter.console.print(cause_table(plain))
    for line in (*(problem.message for problem in report.problems), *report.remarks):
        reporter.result(line)
    if figure is not None:
        reporter.fact("drawn", str(figure))
    return 0 if right else 1
