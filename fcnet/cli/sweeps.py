"""Commands of many networks: sweep, and look at a sweep."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from fcnet.cli.app import OUTPUT, Flat, app
from fcnet.config import ProcessesConfig, TrainConfig
from fcnet.config.words import Switch
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.options import SWEEP, SweepOptions
from fcnet.sweeps.words import split

sweep = App(name="sweep", help_format="markdown")
app.command(sweep)


@sweep.default
def train_sweep(
    *,
    options: Annotated[SweepOptions, Flat] = SweepOptions(),
    width: Annotated[str | None, Parameter(group=SWEEP)] = None,
    depth: Annotated[str | None, Parameter(group=SWEEP)] = None,
    yes: Annotated[Switch, Parameter(group=SWEEP)] = False,
    axis: Annotated[tuple[str, ...], Parameter(show=False, negative="")] = (),
    one_fold: Annotated[Switch, Parameter(show=False)] = False,
    config: Annotated[TrainConfig, Flat] = TrainConfig(),
    processes: Annotated[ProcessesConfig, Flat] = ProcessesConfig(),
    out: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    resume: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[Switch, Parameter(group=OUTPUT)] = False,
) -> None:
    """Train thousands of networks in few programs: every combination of values, from every seed, on every fold.

    `fcnet sweep --data digits --learning-rate log:1e-3:1:8 --weight-decay 0,1e-4,1e-3 --seeds 16 --folds 5`

    trains 1,920 networks. The flags of network, loss, optimiser and loop that take a number or a name, as in
    `fcnet train`, take several as one word:

    - `0,1e-4,1e-3`, `relu,leaky_relu:slope=0.2`: a list
    - `log:1e-3:1:8`, `linear:0:0.5:6`: 8 numbers from 0.001 to 1 on a logarithmic scale, 6 from 0 to 0.5
    - `uniform:0:0.5`, `loguniform:1e-4:1`: drawn at random, with `--draws 20` or `--search tpe --trials 50`
    - `--hidden 32,64-64,none`: networks of one hidden layer, of two, and of none; or `--width 32,64 --depth 1,2,3`
    - `--seed 1,5,7`: these seeds, instead of `--seeds 3`

    Args:
        width: Units of each hidden layer, with --depth instead of --hidden. [default: 128]
        depth: How many hidden layers. [default: 2]
        yes: Train more than 10,000 members.
        out: Folder for the sweep; must be new or empty. [default: runs/NAME-sweep-TIME]
        resume: Go on with the sweep in this folder, as it was begun.
        quiet: Only the final table.
    """
    from fcnet.commands import sweep as command

    if resume is not None:
        command.resume(resume, quiet=quiet, others=processes)
        return
    del width, depth  # lifted out of the words into axes and hidden layers
    sweep_config = SweepConfig.of(config, split(axis), one_fold=one_fold, **asdict(options))
    if not yes:
        sweep_config.require_meant()
    command.sweep(sweep_config, out=out, quiet=quiet, others=processes)


@sweep.command(name="show")
def show_sweep(
    run: Path,
    /,
    *,
    by: Literal["validation", "test"] = "validation",
    top: int = 10,
    json: Annotated[Switch, Parameter(group=OUTPUT)] = False,
    figures: Annotated[bool, Parameter(group=OUTPUT)] = True,
) -> None:
    """Leader board of a sweep, with intervals over seeds and folds, and its figures; also while it runs.

    Args:
        run: Folder of the sweep.
        by: The part whose scores rank the settings.
        top: Settings on the board.
        json: Print one JSON object with all settings instead.
        figures: Write heatmap.png, curves.png and parallel.png into the folder.
    """
    from fcnet.commands import sweep_show as command

    command.show(run, by=by, top=top, json=json, figures=figures)
