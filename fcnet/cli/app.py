"""The application that commands are hung on, and what their flags have in common."""

from typing import get_args

from cyclopts import App, ArgumentCollection, Group, Parameter

from fcnet.errors import require


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
