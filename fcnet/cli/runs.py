"""Commands of one network: train it, judge it, use it, and prepare its data."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fcnet.cli.app import FROM, OUTPUT, Flat, app
from fcnet.config import ProcessesConfig, TrainConfig
from fcnet.config.words import Switch


@app.command
def train(
    *,
    config: Annotated[TrainConfig, Flat] = TrainConfig(),
    processes: Annotated[ProcessesConfig, Flat] = ProcessesConfig(),
    out: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    resume: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[Switch, Parameter(group=OUTPUT)] = False,
    from_: Annotated[Path | None, Parameter(name="--from", group=FROM)] = None,
    best: Annotated[Switch, Parameter(group=FROM)] = False,
    setting: Annotated[int | None, Parameter(group=FROM)] = None,
    member: Annotated[int | None, Parameter(group=FROM)] = None,
) -> None:
    """Train a network and leave a run folder; with no flags, on scikit-learn's scanned digits.

    Args:
        out: Folder for the run; must be new or empty. [default: runs/NAME-TIME]
        resume: Go on with the run in this folder, as it was begun.
        quiet: Only the final table.
        from_: Train one member of the sweep in this folder, alone.
        best: The best member of the setting that leads.
        setting: The best member of the setting with this number.
        member: The member with this number.
    """
    from fcnet.commands import train as command

    if resume is not None:
        command.resume(resume, quiet=quiet, others=processes)
        return
    if from_ is not None:
        from fcnet.commands.train_from import config_from

        data_parallel = config.loop.data_parallel
        config = config_from(from_, best=best, setting=setting, member=member, quiet=quiet)
        config = replace(config, loop=replace(config.loop, data_parallel=data_parallel))
    command.train(config, out=out, quiet=quiet, others=processes)


@app.command
def evaluate(run: Path, file: Path | None = None, /) -> None:
    """Loss and score of a trained network, with 95 % intervals.

    Args:
        run: Folder of the run.
        file: A table with the same columns and the target; without it, the run's own parts.
    """
    from fcnet.commands import evaluate as command

    command.evaluate(run, file)


@app.command
def predict(run: Path, file: Path, /, *, out: Path | None = None) -> None:
    """Write a trained network's answers: labels and probabilities, or predicted numbers.

    Args:
        run: Folder of the run.
        file: A table (CSV, Parquet) with the columns of the training data, an IDX file of images, or .npy.
        out: A new CSV or Parquet file. [default: FILE-predictions.csv]
    """
    from fcnet.commands import predict as command

    command.predict(run, file, out)


@app.command
def prepare(name: str, /, *, data_dir: Path | None = None, idx: Path | None = None) -> None:
    """Prepare a TensorFlow Datasets set once, to be used with --data NAME from then on.

    Args:
        name: Its name, such as mnist.
        data_dir: Where to. [default: $FCNET_DATA_DIR or ~/.cache/fcnet/data]
        idx: mnist and fashion_mnist: a folder with the four IDX files, instead of downloading them.
    """
    from fcnet.commands import prepare as command
    from fcnet.data.resolve import default_data_dir

    command.prepare(name, data_dir or default_data_dir(), idx)
