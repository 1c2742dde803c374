"""Commands of the catalogue: list it, show a component, draw activations."""

from pathlib import Path
from typing import Annotated

from cyclopts import App

from fcnet.cli.app import app
from fcnet.config.words import UNLISTED, ActivationName, ComponentName, Kind


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
