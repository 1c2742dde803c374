"""The ``fcnet`` command: flags in, one call, an exit code out."""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from cyclopts import App, ArgumentCollection, CycloptsError, Group, Parameter

from fcnet.config import (
    UNLISTED,
    ActivationName,
    AugmentConfig,
    ComponentName,
    DataConfig,
    Kind,
    LoopConfig,
    NetworkConfig,
    ObjectiveConfig,
    OptimizerConfig,
    ProcessesConfig,
    Switch,
    TrainConfig,
)
from fcnet.errors import InputError, Interrupted, require
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.options import SWEEP, SweepOptions
from fcnet.sweeps.words import lift, split


def require_whole_numbers(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """What cyclopts calls between reading words and converting them: --epochs 2.5 would be rounded to 2 in silence.

    Raises:
        InputError: a fraction where a flag takes whole numbers.
    """
    del app, commands
    for argument in arguments:
        for token in argument.tokens if int in (argument.hint, *get_args(argument.hint)) else ():
            fraction = token.value.partition(".")[2].strip("0")
            require(not fraction, f"{argument.name} takes whole numbers, got {token.value}")


app = App(
    name="fcnet",
    help="Fully-connected networks: train them, and trust every gradient.",
    help_format="markdown",
    suppress_keyboard_interrupt=False,
    config=require_whole_numbers,
)

app.register_install_completion_command()

Flat = Parameter(name="*")
OUTPUT = Group.create_ordered("Output")
FROM = Group.create_ordered("From a sweep")


def one_line(error: BaseException) -> str:
    """What is printed of an error: its message on one line."""
    return f"fcnet: {' '.join(str(error).split())}"


@app.command
def train(
    *,
    data: Annotated[DataConfig, Flat] = DataConfig(),
    augmentation: Annotated[AugmentConfig, Flat] = AugmentConfig(),
    network: Annotated[NetworkConfig, Flat] = NetworkConfig(),
    objective: Annotated[ObjectiveConfig, Flat] = ObjectiveConfig(),
    optimizer: Annotated[OptimizerConfig, Flat] = OptimizerConfig(),
    loop: Annotated[LoopConfig, Flat] = LoopConfig(),
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
    config = TrainConfig(data, network, objective, optimizer, loop, augmentation)
    if from_ is not None:
        from fcnet.commands.train_from import config_from

        config = config_from(from_, best=best, setting=setting, member=member, quiet=quiet)
        config = replace(config, loop=replace(config.loop, data_parallel=loop.data_parallel))
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


@app.command(name="list")
def list_(kind: Annotated[Kind | None, UNLISTED] = None, /) -> None:
    """What there is: activations, losses, layers, initialisers, optimisers, schedules, data, and more.

    Args:
        kind: One of these, with formulas; without it, the names of all.
    """
    from fcnet.commands import catalogue as command

    command.listing(kind)


@app.command
def show(name: Annotated[ComponentName, UNLISTED], /) -> None:
    """Formula, derivative, options, where it is not smooth, PyTorch's name and source of one component.

    Args:
        name: Of any kind, such as gelu or one_cycle.
    """
    from fcnet.commands import catalogue as command

    command.show(name)


@app.command
def gradcheck(
    file: Path | None = None,
    /,
    *,
    data: Annotated[DataConfig | None, Flat] = None,
    augmentation: Annotated[AugmentConfig | None, Flat] = None,
    network: Annotated[NetworkConfig | None, Flat] = None,
    objective: Annotated[ObjectiveConfig | None, Flat] = None,
    optimizer: Annotated[OptimizerConfig | None, Flat] = None,
    loop: Annotated[LoopConfig | None, Flat] = None,
    json: Annotated[Switch, Parameter(group=OUTPUT)] = False,
    figure: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    seconds: Annotated[float, Parameter(group=OUTPUT)] = 60.0,
    memory_gib: Annotated[float, Parameter(group=OUTPUT)] = 4.0,
) -> int:
    """Examine gradients: of your own backward pass, of a network, or of fcnet's whole catalogue.

    With a file, its function loss_and_grads(params, x, y) or its pairs of forward and backward functions, in a process
    of their own: which tensor is wrong, and why. With the flags of fcnet train, the network they would train. Alone,
    fcnet's own backpropagation by hand, component by component.

    Args:
        file: A Python file in NumPy, JAX or PyTorch; see README for what it holds.
        json: Print one JSON object instead of a table.
        figure: A new PNG: the error of every entry of every tensor.
        seconds: The most that a call of the file may take.
        memory_gib: The most memory that the file's process may take.
    """
    given = {
        "data": data,
        "network": network,
        "objective": objective,
        "optimizer": optimizer,
        "loop": loop,
        "augmentation": augmentation,
    }
    parts: dict[str, Any] = {name: part for name, part in given.items() if part is not None}
    if file is not None:
        from fcnet.commands import gradcheck as command

        if parts:
            raise InputError(f"{file} brings its own network and data: leave out the flags of fcnet train")
        return command.check_file(file, json=json, figure=figure, seconds=seconds, memory_gib=memory_gib)
    from fcnet.commands import gradcheck_own

    if not parts:
        if figure is not None:
            raise InputError("--figure draws one network's errors: name a file, or a network such as --data digits")
        return gradcheck_own.check_catalogue(json=json)
    return gradcheck_own.check_network(TrainConfig(**parts), json=json, figure=figure, seconds=seconds)


@app.command
def grade(file: Path, /, *, json: Annotated[Switch, Parameter(group=OUTPUT)] = False) -> int:
    """Grade a filled-in backpropagation exercise, function by function.

    Args:
        file: A copy of colab/exercise_backprop.py.
        json: Print one JSON object instead of a table.
    """
    from fcnet.commands import grade as command

    return command.grade_file(file, json=json)


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
    data: Annotated[DataConfig, Flat] = DataConfig(),
    augmentation: Annotated[AugmentConfig, Flat] = AugmentConfig(),
    network: Annotated[NetworkConfig, Flat] = NetworkConfig(),
    objective: Annotated[ObjectiveConfig, Flat] = ObjectiveConfig(),
    optimizer: Annotated[OptimizerConfig, Flat] = OptimizerConfig(),
    loop: Annotated[LoopConfig, Flat] = LoopConfig(),
    processes: Annotated[ProcessesConfig, Flat] = ProcessesConfig(),
    out: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    resume: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[Switch, Parameter(group=OUTPUT)] = False,
) -> None:
    """Train thousands of networks in few programs: every combination of values, from every seed, on every fold.

    `fcnet sweep --data digits --learning-rate log:1e-3:1:8 --weight-decay 0,1e-4,1e-3 --seeds 16 --folds 5`

    trains 1,920 networks. Any of the flags of `fcnet train` takes several values as one word:

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
    base = TrainConfig(data, network, objective, optimizer, loop, augmentation)
    config = SweepConfig.of(base, split(axis), one_fold=one_fold, **asdict(options))
    if not yes:
        config.require_meant()
    command.sweep(config, out=out, quiet=quiet, others=processes)


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


plot = App(name="plot", help="Draw what can be drawn without a run.")
app.command(plot)


@plot.command
def activations(*names: Annotated[ActivationName, UNLISTED], out: Path = Path("activations")) -> None:
    """Activations and their derivatives, as one gallery and singly.

    Args:
        names: Which, perhaps with options: leaky_relu:slope=0.2; without any, all.
        out: Folder for the figures; must not hold figures yet.
    """
    from fcnet.commands import catalogue as command

    command.plot(names, out)


def use_compilation_cache() -> None:
    """Keep compiled programs on disk, so that the second run of a shape starts at once."""
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(Path.home() / ".cache" / "fcnet" / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def main() -> None:
    """Entry point: exit code 0, 2 for input that cannot be used, 130 (or 143) when interrupted."""
    from fcnet import __version__

    app.version = __version__
    use_compilation_cache()
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run one ``fcnet`` command line and return its exit code."""

    def call() -> Any:
        _refuse_flags_beside_resume(words)
        _refuse_flags_beside_from(words)
        return _call(app, ["sweep", *lift(words[1:])] if words[:1] == ["sweep"] else words)

    return guarded(call)


PROCESSES = {"--coordinator", "--processes", "--process"}


def _refuse_flags_beside_resume(words: list[str]) -> None:
    # looked for in the words, because a flag given at its default value leaves no trace in the parsed config
    flags = {word.split("=")[0] for word in words if word.startswith("--")}
    others = sorted(flags - {"--resume", "--quiet", "--help", *PROCESSES})
    if "--resume" in flags and others:
        raise InputError(
            f"--resume goes on as the run was begun: leave out {' and '.join(others)} (--quiet is allowed)"
        )


FROM_FLAGS = {"--from", "--best", "--setting", "--member"}


def _refuse_flags_beside_from(words: list[str]) -> None:
    flags = {word.split("=")[0] for word in words if word.startswith("--")}
    if words[:1] != ["train"] or not flags & FROM_FLAGS or "--help" in flags:
        return
    if "--from" not in flags:
        raise InputError(f"{' and '.join(sorted(flags & FROM_FLAGS))} chooses from a sweep: add --from RUN")
    others = sorted(flags - FROM_FLAGS - {"--out", "--quiet", "--data-parallel", *PROCESSES})
    if others:
        raise InputError(f"--from trains a member as the sweep had it: leave out {' and '.join(others)}")


def script(claim: Callable[..., bool]) -> None:
    """Entry point of an experiment: its parameters become flags; exit code 0 if the claim holds, 1 if not.

    Args:
        claim: prints what it finds and returns whether the claim holds.
    """
    experiment = App(help_format="markdown", suppress_keyboard_interrupt=False, config=require_whole_numbers)
    experiment.default(claim)
    use_compilation_cache()
    sys.exit(guarded(lambda: 0 if _call(experiment, sys.argv[1:]) else 1))


def _call(commands: App, words: list[str]) -> Any:
    return commands(words, exit_on_error=False, print_error=False, result_action="return_value")


def guarded(call: Callable[[], Any]) -> int:
    """What ``call`` returns as an exit code (None is 0); problems are one line on stderr, never a traceback."""
    try:
        return int(call() or 0)
    except (CycloptsError, InputError) as wrong:
        print(one_line(wrong), file=sys.stderr)
        return 2
    except Interrupted as stopped:
        print(one_line(stopped), file=sys.stderr)
        return stopped.code
    except KeyboardInterrupt:
        print("fcnet: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
