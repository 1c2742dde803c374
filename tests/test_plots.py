"""Figures have titles, axis labels and legends, show the numbers they are given, and leave no half-written file."""

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

from fcnet import plots
from fcnet.analysis.profiles import profile


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figures as they are saved."""
    figures = []
    original = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig", lambda self, *a, **k: (figures.append(self), original(self, *a, **k))
    )
    return figures


def assert_readable(figure, path, legends):
    with Image.open(path) as picture:
        assert min(picture.size) >= 500
    panels = [axis for axis in figure.axes if axis.get_title() or axis.get_title(loc="left")]
    assert panels
    for axis in panels:
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert (axis.get_legend() is not None) == legends


def test_curves(tmp_path, drawn):
    loss = np.array([1.0, 0.5, 0.3])
    path = tmp_path / "curves.png"
    plots.curves(
        loss, 1.1 * loss, 1 - loss, score_name="accuracy", loss_label="mse", best_epoch=2, title="t", path=path
    )
    assert_readable(drawn[0], path, legends=True)
    left, right = drawn[0].axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), loss)
    np.testing.assert_allclose(right.lines[0].get_ydata(), 100 * (1 - loss))
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["validation", "kept: epoch 2"]
    assert list(tmp_path.iterdir()) == [path]


def test_curves_of_one_epoch_without_validation(tmp_path, drawn):
    nothing = np.array([np.nan])
    path = tmp_path / "curves.png"
    plots.curves(
        np.array([1.0]), nothing, nothing, score_name="r2", loss_label="mse", best_epoch=1, title="t", path=path
    )
    assert len(drawn[0].axes) == 1
    assert drawn[0].axes[0].lines[0].get_marker() == "o"


@pytest.mark.parametrize("classes", [2, 10, 40])
def test_confusion(classes, tmp_path, drawn, random):
    true, predicted = random.integers(0, classes, (2, 500))
    names = tuple(f"class {index}" for index in range(classes))
    plots.confusion(predicted, true, names, title="t", path=tmp_path / "confusion.png")
    assert_readable(drawn[0], tmp_path / "confusion.png", legends=False)
    counts = [int(text.get_text()) for text in drawn[0].axes[0].texts]
    assert sum(counts) == (500 if classes <= plots.MOST_NUMBERS else 0)
    assert len(drawn[0].axes[0].get_xticks()) <= plots.MOST_NUMBERS


def test_predicted_against_true(tmp_path, drawn, random):
    true = random.normal(size=50)
    plots.predicted_against_true(true + 0.1, true, target="price", title="t", path=tmp_path / "p.png")
    assert_readable(drawn[0], tmp_path / "p.png", legends=True)
    assert drawn[0].axes[0].get_xlabel() == "true price"


def test_activation(tmp_path, drawn):
    found = profile("hardtanh")
    plots.activation(found, formula="min(max(z, −1), 1)", path=tmp_path / "hardtanh.png")
    assert_readable(drawn[0], tmp_path / "hardtanh.png", legends=True)
    (panel,) = drawn[0].axes
    assert panel.get_title(loc="left") == "hardtanh\nmin(max(z, −1), 1)"
    lines = {line.get_label(): line for line in panel.lines}
    np.testing.assert_array_equal(lines["f(z)"].get_ydata(), found.value)
    np.testing.assert_array_equal(lines["f′(z)"].get_ydata(), found.derivative)
    np.testing.assert_array_equal(panel.collections[0].get_offsets(), found.marks)
    low, high = panel.get_ylim()
    assert low < -1 < 1 < high


def test_activation_says_what_z_is(tmp_path, drawn):
    plots.activation(profile("softmax"), formula="f", path=tmp_path / "softmax.png")
    (panel,) = drawn[0].axes
    assert panel.get_xlabel() == "z (first of three units, the others at 0)"
    assert not panel.collections
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["f(z)", "f′(z)"]


@pytest.mark.parametrize("names", [("relu", "softmax"), ("relu", "tanh", "gelu", "elu", "silu", "mish", "step")])
def test_activation_gallery(names, tmp_path, drawn):
    path = tmp_path / "gallery.png"
    plots.activation_gallery([profile(name) for name in names], title="all", path=path)
    shown = [panel for panel in drawn[0].axes if panel.get_visible()]
    assert [panel.get_title(loc="left") for panel in shown] == list(names)
    for panel, name in zip(shown, names, strict=True):
        lines = {line.get_label(): line for line in panel.lines}
        np.testing.assert_array_equal(lines["f(z)"].get_ydata(), profile(name).value)
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["f(z)", "f′(z)", "f′ taken at a kink"]
    assert drawn[0].get_suptitle() == "all"
    assert list(tmp_path.iterdir()) == [path]


def test_error_map_keeps_a_single_wrong_entry_of_a_big_matrix(tmp_path, drawn):
    kernel, bias = np.zeros((450, 5)), np.array([0.0, np.nan, 0.0])
    kernel[449, 2] = -1.5
    verdicts = {"W$1$": "wrong", "b1": "right"}
    plots.error_map({"W$1$": kernel, "b1": bias}, verdicts, title="errors", path=tmp_path / "errors.png")
    matrix, vector = drawn[0].axes[:2]
    shown = matrix.images[0].get_array()
    assert shown.shape == (150, 5)
    assert shown[149, 2] == -1.5
    assert np.count_nonzero(shown) == 1
    np.testing.assert_array_equal(vector.images[0].get_array().mask, [[False, True, False]])
    assert matrix.get_title(loc="left").replace("\\", "") == "W$1$: wrong"
    assert drawn[0].get_suptitle() == "errors"
    assert list(tmp_path.iterdir()) == [tmp_path / "errors.png"]
