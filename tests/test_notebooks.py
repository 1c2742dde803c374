"""Every notebook runs from top to bottom, offline, and is committed without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "colab").glob("*.ipynb"))


def executed(name, folder, monkeypatch):
    """What a notebook prints, and how many pictures it shows."""
    # a notebook is read by people who have not switched on strictness
    for variable in ("JAX_NUMPY_RANK_PROMOTION", "JAX_NUMPY_DTYPE_PROMOTION"):
        monkeypatch.delenv(variable)
    (path,) = (path for path in NOTEBOOKS if path.stem == name)
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    return "".join(output.get("text", "") for output in outputs), pictures


def test_all_are_run_here():
    assert [path.stem for path in NOTEBOOKS] == ["01_train_and_check_gradients", "02_write_backprop"]


@pytest.mark.filterwarnings("default")  # Jupyter's own machinery is not ours to be strict about
def test_train_and_check_gradients(tmp_path, monkeypatch):
    text, pictures = executed("01_train_and_check_gradients", tmp_path, monkeypatch)
    assert "layer_1/bias     (32,)      relative difference" in text
    assert text.count("WRONG") == 1
    assert float(text.split("test accuracy ")[1].split("%")[0]) > 90
    assert pictures == 3


@pytest.mark.filterwarnings("default")  # likewise
def test_write_backprop(tmp_path, monkeypatch):
    text, _ = executed("02_write_backprop", tmp_path, monkeypatch)
    wrong = [line.split()[:3] for line in text.splitlines() if "WRONG" in line]
    assert wrong == [["softmax", "z", "WRONG"], ["network", "b1", "WRONG"]]
    assert "the softmax Jacobian has its diagonal alone" in text
    assert "the bias gradient is a mean instead of a sum" in text
    # 16 points for the backward pass of softmax, and 16 for the four gradients behind it
    assert "total 68 / 100" in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_committed_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
