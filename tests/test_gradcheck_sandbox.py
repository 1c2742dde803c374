"""Someone's file can end in any way: each has its name, costs itself alone, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fcnet.errors import InputError
from fcnet.gradcheck.sandbox import outcome, worker
from fcnet.gradcheck.sandbox import session as sandbox
from fcnet.gradcheck.sandbox.outcome import Limits

# its tasks are the functions of the exercise, and so any of them can be made to misbehave
ENTRY = "fcnet.gradcheck.exercise.calls"
SHORT = Limits(seconds=1.5, memory_gib=1.5)


def run(tmp_path, text, limits=SHORT):
    file = tmp_path / "file.py"
    file.write_text(text)
    return sandbox.run(file, ENTRY, options={"seed": 1}, limits=limits)


MISBEHAVING = """
import os, signal, sys, time
import numpy as np

print("hello [bold]\\x1b[31m red")

def matmul_forward(x, kernel):
    return x @ kernel, None

def matmul_backward(upstream, cache):
    raise ValueError("shapes [red]differ[/red]\\n and more")  # here

def relu_forward(z):
    while True:
        pass

def relu_backward(upstream, cache):
    return np.ones(2**29)

def softmax_forward(z):
    return softmax_forward(z)

def softmax_backward(upstream, cache):
    os._exit(0)

def log_forward(p):
    sys.exit(3)

def log_backward(upstream, cache):
    os.kill(os.getpid(), signal.SIGSEGV)

def loss_forward(log_p, labels):
    with open(sys.argv[-1] + "/8.json", "w") as file:
        file.write("rubbish")
    time.sleep(0.1)

def loss_backward(upstream, cache):
    return input()

def network_loss_and_grads(params, x, labels):
    return np.full(1, np.nan), {}
"""


@pytest.fixture(scope="module")
def misbehaved(tmp_path_factory):
    return run(tmp_path_factory.mktemp("misbehaving"), MISBEHAVING)


@pytest.mark.parametrize(
    ("task", "kind", "sentence"),
    [
        ("matmul_forward", "finished", ""),
        ("matmul_backward", "raised", "ValueError: shapes [red]differ[/red] and more (called with shapes"),
        ("relu_forward", "timed_out", "ran longer than 1.5 s"),
        ("relu_backward", "out_of_memory", "needs more than 1.5 GiB of memory in line 18: return np.ones(2**29)"),
        ("softmax_forward", "recursion", "calls itself without end in line 21: return softmax_forward(z)"),
        ("softmax_backward", "exited", "ended the process with exit code 0"),
        ("log_forward", "exited", "ended the process with exit code 3"),
        ("log_backward", "killed", "signal SIGSEGV"),
        ("loss_forward", "rubbish", "wrote over the worker's results"),
        ("loss_backward", "raised", "EOFError"),
        ("network_loss_and_grads", "finished", ""),
    ],
)
def test_every_end_has_a_name_and_costs_itself_alone(misbehaved, task, kind, sentence):
    assert misbehaved.load.kind == "finished"
    found = misbehaved.tasks[task]
    assert found.kind == kind
    assert sentence in found.sentence
    assert "\n" not in found.sentence


def test_the_line_is_the_authors(misbehaved):
    found = misbehaved.tasks["matmul_backward"]
    assert found.error == "ValueError"
    assert MISBEHAVING.splitlines()[found.line - 1].strip() == found.text
    assert found.text.endswith("# here")


def test_prints_are_kept_without_what_steers_a_terminal(misbehaved):
    assert misbehaved.printed.startswith("hello [bold]�[31m red\n")


@pytest.mark.parametrize(
    ("text", "kind", "message", "line"),
    [
        ("x = (1,\ny = 2", "syntax_error", "is not Python", 1),
        ("import numpy_of_the_future", "import_error", "No module named 'numpy_of_the_future'", 1),
        ("a = 1\nb = a / 0", "raised", "raised ZeroDivisionError: division by zero", 2),
        ("import json\njson.loads('')", "raised", "raised JSONDecodeError", 2),
        ("raise SystemExit", "exited", "exit code 0", 1),
        ("a = 1\0", "syntax_error", "null bytes", 0),
        ("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", "raised", "raised E: (its message", 3),
    ],
)
def test_what_a_file_raises_is_described(text, kind, message, line, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setitem(sys.modules, "checked_file", None)
    file = tmp_path / "file.py"
    file.write_text(text)
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - each row has its own
        worker.load(file)
    found = worker.describe(raised.value, file, 1.0)
    assert (found["kind"], found["line"]) == (kind, line)
    assert message in found["message"]
    assert found["text"] == (text.splitlines()[line - 1] if line else "")


def test_a_file_that_loops_when_it_is_loaded(tmp_path):
    session = run(tmp_path, "while True: pass", Limits(seconds=0.5, memory_gib=2.0))
    assert session.load.kind == "timed_out"
    assert session.load.sentence == "ran longer than 0.5 s: does a loop not end?"
    assert session.tasks == {}


def test_what_a_file_starts_ends_with_it(tmp_path):
    text = """
import subprocess, sys
from pathlib import Path
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
Path(PLACE).write_text(str(child.pid))
def relu_forward(z):
    while True: pass
"""
    place = tmp_path / "pid"
    session = run(tmp_path, text.replace("PLACE", repr(str(place))), Limits(seconds=0.5, memory_gib=2.0))
    assert session.tasks["relu_forward"].kind == "timed_out"
    # who inherits it buries it in a moment
    assert soon(lambda: not is_alive(int(place.read_text())))


def test_a_parent_that_is_killed_leaves_nothing_behind(tmp_path):
    place, file = tmp_path / "pid", tmp_path / "file.py"
    text = "import os\nfrom pathlib import Path\nPath(PLACE).write_text(str(os.getpid()))\nwhile True: pass"
    file.write_text(text.replace("PLACE", repr(str(place))))
    code = f"""
from pathlib import Path
from fcnet.gradcheck.sandbox import outcome, session as sandbox
sandbox.run(Path({str(file)!r}), {ENTRY!r}, options={{"seed": 1}}, limits=outcome.Limits())
"""
    # its own temporary folder, because nobody is left to remove it
    parent = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)})
    try:
        assert soon(place.exists, seconds=60)
        assert soon(lambda: place.read_text() != "")
    finally:
        parent.kill()
        parent.wait()
    assert soon(lambda: not is_alive(int(place.read_text())))


def soon(holds, seconds=10):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_alive(number):
    status = Path(f"/proc/{number}/stat")
    try:
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_file_works_in_its_own_folder(tmp_path):
    (tmp_path / "mine.py").write_text("def f(z): return z * 2")
    text = "import os\nfrom mine import f\ndef relu_forward(z):\n    open('data.txt').close()\n    return f(z), z"
    (tmp_path / "data.txt").write_text("")
    assert run(tmp_path, text).tasks["relu_forward"].kind == "finished"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.txt", "file.py", "mine.py"]


def test_libraries_fit_into_the_memory_that_files_have(tmp_path):
    """JAX reserves far more addresses than it uses: a bound on those would refuse it."""
    text = """
import jax, jax.numpy as jnp
x = jax.jit(lambda x: x @ x)(jnp.ones((500, 500))).block_until_ready()
def relu_forward(z):
    return jnp.maximum(jnp.asarray(z, jnp.float32), 0.0), z
"""
    assert run(tmp_path, text, Limits(seconds=30.0, memory_gib=1.0)).tasks["relu_forward"].kind == "finished"


def test_arrays_come_back_bit_for_bit(random):
    for array in (random.normal(size=(2, 3)), np.array(3, np.int32), np.array([np.nan, -0.0]), np.array([True])):
        back = outcome.decode(outcome.encode(array))
        assert back.dtype == array.dtype
        assert back.shape == array.shape
        assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "value",
    [None, {}, {"dtype": "O", "shape": [1], "bytes": ""}, {"dtype": "<f8", "shape": [2], "bytes": "AAAA"}],
)
def test_what_is_no_array_is_refused(value):
    with pytest.raises(InputError, match="array"):
        outcome.decode(value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="is not there: name a Python file"):
        sandbox.run(tmp_path / "gone.py", ENTRY, options={}, limits=SHORT)
    (tmp_path / "a.py").touch()
    with pytest.raises(InputError, match="must be above 0"):
        sandbox.run(tmp_path / "a.py", ENTRY, options={}, limits=Limits(seconds=0.0))


def start_worker(tmp_path, text, seconds):
    """The worker itself, with nobody to watch the clock."""
    (tmp_path / "file.py").write_text(text)
    limits = {"seconds": seconds, "memory_gib": 2.0}
    job = {"file": str(tmp_path / "file.py"), "entry": ENTRY, "options": {"seed": 1}, "limits": limits, "first": 0}
    folder = tmp_path / "job"
    folder.mkdir()
    sandbox.write_json(folder / "job.json", job)
    command = [sys.executable, "-m", "fcnet.gradcheck.sandbox.worker", str(folder)]
    return folder, subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_the_worker_leaves_standard_output_alone(tmp_path):
    """Whatever it says goes to files: standard output is the author's."""
    folder, process = start_worker(tmp_path, "def relu_forward(z):\n    return z, z", 10.0)
    with process:
        assert process.wait(timeout=120) == 0
        assert process.stdout.read() == b""
    assert sorted(path.name for path in folder.iterdir()) == ["0.json", "job.json", "plan.json", "started"]


def test_processor_time_is_bounded_too(tmp_path):
    folder, process = start_worker(tmp_path, "while True: pass", 0.1)
    with process:
        assert process.wait(timeout=120) == -signal.SIGXCPU
    assert sorted(path.name for path in folder.iterdir()) == ["job.json", "started"]
