"""From words to an exit code: of ``fcnet``, and of an experiment."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cyclopts import App, CycloptsError

from fcnet.cli.app import app, require_whole_numbers
from fcnet.cli.refusals import refuse_flags_beside_from, refuse_flags_beside_resume
from fcnet.errors import InputError, Interrupted
from fcnet.sweeps.words import lift


def main() -> None:
    """Entry point: exit code 0, 2 for input that cannot be used, 130 (or 143) when interrupted."""
    from fcnet import __version__

    app.version = __version__
    use_compilation_cache()
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run one ``fcnet`` command line and return its exit code."""

    def call() -> Any:
        refuse_flags_beside_resume(words)
        refuse_flags_beside_from(words)
        return _call(app, ["sweep", *lift(words[1:])] if words[:1] == ["sweep"] else words)

    return guarded(call)


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


def one_line(error: BaseException) -> str:
    """What is printed of an error: its message on one line."""
    return f"fcnet: {' '.join(str(error).split())}"


def use_compilation_cache() -> None:
    """Keep compiled programs on disk, so that the second run of a shape starts at once."""
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(Path.home() / ".cache" / "fcnet" / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
