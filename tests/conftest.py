"""For every test: no silent promotion of ranks or dtypes, one seeded key, programs that compile fast and are kept."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# A test's program runs once or twice: XLA's expensive passes would take ten times longer than they save. A test whose
# claim is about optimised programs is marked ``optimised``; FCNET_TESTS_OPTIMISED=1 has all of them so.
AS_GIVEN = dict(os.environ)
AS_USERS = os.environ.get("FCNET_TESTS_OPTIMISED") == "1"
COMPILED_FAST = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "XLA_FLAGS": " ".join([os.environ.get("XLA_FLAGS", ""), "--xla_cpu_use_fusion_emitters=false"]).strip(),
}
# processes started by tests inherit all of this
STRICT = {
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_COMPILATION_CACHE_DIR": str(Path(__file__).parents[1] / ".jax_cache"),
    # writing the small ones takes as long as compiling them again
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.05",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu"),
}
os.environ.update(STRICT | ({} if AS_USERS else COMPILED_FAST))

import jax  # noqa: E402 - reads the environment when it is imported
import numpy as np  # noqa: E402 - likewise, and so the rest
import pytest  # noqa: E402

from fcnet import devices, plots  # noqa: E402
from fcnet.cli import run  # noqa: E402
from fcnet.data import Dataset, Description, Rows  # noqa: E402

# One process takes one file: the longest first, so that no core waits for another at the end.
LONGEST_FIRST = (
    "test_processes.py",
    "test_resume.py",
    "test_sweep_processes.py",
    "test_sweep_stops.py",
    "test_sweep.py",
    "test_readme.py",
    "test_cli.py",
    "test_sweep_streamed.py",
    "test_ledger.py",
    "test_losses.py",
    "test_streaming.py",
    "test_train.py",
    "test_cli_catalogue.py",
    "test_data_parallel.py",
    "test_sweeps_engine.py",
    "test_experiments.py",
    "test_backprop_table.py",
    "test_benchmarks.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest files first; the order within a file stays."""
    order = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(autouse=True, scope="module")
def programs_of_one_file() -> Iterator[None]:
    """Compiled programs are let go after each file: thousands of them would fill the memory."""
    yield
    devices.forget()


@pytest.fixture
def key() -> jax.Array:
    """The one key of a test."""
    return jax.random.key(20261120)


@pytest.fixture
def random() -> np.random.Generator:
    """The one NumPy generator of a test."""
    return np.random.default_rng(20261120)


@pytest.fixture
def blobs(random: np.random.Generator) -> Dataset:
    """Three Gaussian clouds in four dimensions: 50 rows to train (not a multiple of 8), 20 to validate."""
    labels = np.arange(70, dtype=np.int32) % 3
    x = (random.normal(size=(70, 4)) + 3 * np.eye(3, 4)[labels]).astype(np.float32)
    description = Description(
        name="blobs",
        task="classification",
        origin="drawn by the tests",
        rows={"train": 50, "validation": 20},
        features=("a", "b", "c", "d"),
        classes=("0", "1", "2"),
        target="cloud",
        inputs=4,
        outputs=3,
    )
    return Dataset(description, Rows(x[:50], labels[:50]), Rows(x[50:], labels[50:]))


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it are skipped where it is not there."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data is not there")
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked ``optimised`` has all of XLA's passes but its new emitters, which no process can change.

    Before its fixtures, so that those of the whole file are compiled likewise.
    """
    few = not (AS_USERS or item.get_closest_marker("optimised"))
    if few != jax.config.values["jax_disable_most_optimizations"]:
        jax.config.update("jax_disable_most_optimizations", few)
        jax.clear_caches()  # JAX does not see that they were compiled otherwise


@pytest.fixture
def compiled() -> Iterator[list[str]]:
    """The names of all programs that are compiled, or read from disk, from now on."""
    programs: list[str] = []

    def note(event: str, duration: float, *, fun_name: str = "", **_: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            programs.append(fun_name)

    jax.monitoring.register_event_duration_secs_listener(note)
    yield programs
    jax.monitoring.unregister_event_duration_listener(note)


@pytest.fixture(scope="session")
def optimising() -> dict[str, str]:
    """The environment of a process whose programs are compiled as users have them."""
    plain = {name: AS_GIVEN[name] for name in COMPILED_FAST if name in AS_GIVEN}
    return {name: value for name, value in os.environ.items() if name not in COMPILED_FAST} | plain


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures have tests of their own."""
    for name in ("curves", "confusion", "predicted_against_true"):
        monkeypatch.setattr(plots, name, lambda *args, **kwargs: None)


@pytest.fixture(scope="session")
def small():
    """Flags of a run that takes a moment."""
    return ["--hidden", "8", "--epochs", "3", "--patience", "0"]


@pytest.fixture(scope="session")
def fcnet_process():
    """A function that runs ``fcnet`` as a process of its own in the folder ``cwd``."""

    def call(*words, cwd):
        command = [sys.executable, "-c", "from fcnet.cli import main; main()", *words]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory, small, fcnet_process):
    """One run of ``fcnet train`` as a process, and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    return folder / "run", fcnet_process("train", *small, "--out", "run", cwd=folder)


@pytest.fixture(scope="session")
def table_run(tmp_path_factory, small):
    """A run on a table with numbers, categories and holes, and the table."""
    folder = tmp_path_factory.mktemp("table")
    table = folder / "people.csv"
    rows = [f"{20 + i % 30},{'Rome' if i % 3 else ''},{1000 + 7 * i},{'yes' if i % 2 else 'no'}" for i in range(90)]
    table.write_text("age,city,income,label\n" + "\n".join(rows) + "\n")
    assert (
        run(["train", "--data", str(table), "--target", "label", *small, "--out", str(folder / "run"), "--quiet"]) == 0
    )
    return folder / "run", table
