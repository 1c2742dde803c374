"""Tab completion knows every name of the catalogue."""

import re
import shutil
import subprocess

import pytest

from fcnet.activations import ACTIVATIONS
from fcnet.augmentation import TRANSFORMS
from fcnet.cli import app
from fcnet.components import KINDS
from fcnet.initializers import INITIALIZERS
from fcnet.layers import DROPOUTS, NORMS
from fcnet.losses import LOSSES
from fcnet.optimizers import OPTIMIZERS, SCHEDULES


def completions(script, *words):
    """What bash would offer for the last word."""
    quoted = " ".join(f"'{word}'" for word in words)
    # the program's own name stands for the function that the script registers for it
    program = f"""
source {script}
COMP_WORDS=({quoted}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
COMP_LINE="${{COMP_WORDS[*]}}"; COMP_POINT=${{#COMP_LINE}}
handler=$(complete -p fcnet | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$handler" fcnet "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    found = subprocess.run(
        [shutil.which("bash"), "--norc", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stderr
    return {line.strip() for line in found.stdout.splitlines() if line.strip()}


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash to ask")
def test_bash_completes_every_name(tmp_path):
    script = tmp_path / "fcnet.bash"
    script.write_text(app.generate_completion(prog_name="fcnet", shell="bash"))
    assert "gelu" in completions(script, "fcnet", "train", "--activation", "ge")
    assert completions(script, "fcnet", "train", "--loss", "cross") == {"cross_entropy"}
    for flag, entries in (
        ("--activation", ACTIVATIONS),
        ("--norm", NORMS),
        ("--loss", LOSSES),
        ("--optimizer", OPTIMIZERS),
        ("--schedule", SCHEDULES),
        ("--initializer", INITIALIZERS),
        ("--dropout-kind", DROPOUTS),
        ("--augment", TRANSFORMS),
        ("--data", KINDS["data"]),
    ):
        assert set(entries) <= completions(script, "fcnet", "train", flag, ""), flag
    assert set(KINDS) <= completions(script, "fcnet", "list", "")
    assert {"gelu", "gelu_tanh"} <= completions(script, "fcnet", "show", "ge")
    every = {name for entries in KINDS.values() for name in entries}
    assert every <= completions(script, "fcnet", "show", "")
    assert set(ACTIVATIONS) <= completions(script, "fcnet", "plot", "activations", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shells_script_holds_every_name(shell):
    script = app.generate_completion(prog_name="fcnet", shell=shell)
    words = set(re.findall(r"[A-Za-z0-9_]+", script))
    assert {name for entries in KINDS.values() for name in entries} <= words
