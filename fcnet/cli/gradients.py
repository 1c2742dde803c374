"""Commands that examine gradients."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fcnet.cli.app import OUTPUT, Flat, app
from fcnet.config import TrainConfig
from fcnet.config.words import Switch
from fcnet.errors import InputError


@app.command
def gradcheck(
    file: Path | None = None,
    /,
    *,
    config: Annotated[TrainConfig | None, Flat] = None,
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
    if file is not None:
        from fcnet.commands import gradcheck as command

        if config is not None:
            raise InputError(f"{file} brings its own network and data: leave out the flags of fcnet train")
        return command.check_file(file, json=json, figure=figure, seconds=seconds, memory_gib=memory_gib)
    from fcnet.commands import gradcheck_own

    if config is None:
        if figure is not None:
            raise InputError("--figure draws one network's errors: name a file, or a network such as --data digits")
        return gradcheck_own.check_catalogue(json=json)
    return gradcheck_own.check_network(config, json=json, figure=figure, seconds=seconds)


@app.command
def grade(file: Path, /, *, json: Annotated[Switch, Parameter(group=OUTPUT)] = False) -> int:
    """Grade a filled-in backpropagation exercise, function by function.

    Args:
        file: A copy of colab/exercise_backprop.py.
        json: Print one JSON object instead of a table.
    """
    from fcnet.commands import grade as command

    return command.grade_file(file, json=json)
