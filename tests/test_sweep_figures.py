"""The figures of a sweep: heat map, curves, parallel coordinates."""

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

from fcnet import plots
from fcnet.cli import run
from fcnet.commands import sweep_show
from fcnet.commands.sweep_figures import chief_axes
from fcnet.sweeps import leaders
from fcnet.sweeps.results import read

from .sweep_configs import CONFIGS
from .sweep_examples import finished


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figures by file name, as they are saved."""
    figures = {}
    original = matplotlib.figure.Figure.savefig

    def savefig(self, path, **options):
        figures[path.name.removeprefix(".partial-")] = self
        original(self, path, **options)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", savefig)
    return figures


@pytest.mark.parametrize("name", CONFIGS)
def test_figures(tmp_path, drawn, capsys, name):
    finished(tmp_path, CONFIGS[name])
    assert run(["sweep", "show", str(tmp_path)]) == 0
    wanted = {"curves.png"} if not CONFIGS[name].axes else {"curves.png", "heatmap.png", "parallel.png"}
    assert set(drawn) == {path.name for path in tmp_path.glob("*.png")} == wanted
    for file, figure in drawn.items():
        with Image.open(tmp_path / file) as picture:
            assert min(picture.size) >= 500
        panel = figure.axes[0]
        assert panel.get_title(loc="left")
        assert panel.get_xlabel() or [label.get_text() for label in panel.get_xticklabels()]
        legends = [*figure.legends, *filter(None, [panel.get_legend()])]
        assert legends[0].get_texts()


def test_the_map_shows_means_and_its_best_cell(tmp_path, drawn):
    finished(tmp_path, CONFIGS["folds, diverged corner"])
    sweep_show.show(tmp_path)
    panel = drawn["heatmap.png"].axes[0]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("learning rate", "weight decay")
    results = read(tmp_path)
    cells = panel.images[0].get_array()
    assert cells.shape == (3, 5)
    kept = results.column("status") != "diverged"
    own = kept & (results.column("learning_rate") == 0.1) & (results.column("weight_decay") == 1e-3)
    assert cells[2, 2] == pytest.approx(100 * results.column("best_validation_score")[own].mean())
    corner = panel.patches[0].get_xy()
    best = leaders.board(results).standings[0].values
    assert [label.get_text() for label in panel.get_xticklabels()][int(corner[0] + 0.5)] == f"{best['learning_rate']:g}"
    assert sum("diverged" in text.get_text() for text in panel.texts) == 3


def test_curves_are_medians_while_half_of_the_members_train(tmp_path, drawn):
    finished(tmp_path, CONFIGS["seeds only"])
    sweep_show.show(tmp_path)
    results = read(tmp_path)
    epochs = np.sort(results.column("epochs_run"))[::-1]
    line = drawn["curves.png"].axes[0].lines[-1]
    assert len(line.get_xdata()) == epochs[2]  # three of five
    curves = results.curves
    fourth = curves.filter(curves["epoch"].to_numpy() == 4)["validation_score"].to_numpy()
    assert line.get_ydata()[3] == pytest.approx(100 * np.median(fourth))


def test_parallel_draws_a_readable_number_of_lines(tmp_path, drawn):
    finished(tmp_path, CONFIGS["random"])
    sweep_show.show(tmp_path)
    panel = drawn["parallel.png"].axes[0]
    lines = [line for line in panel.lines if len(line.get_xdata()) > 2]
    assert 100 < len(lines) <= 151  # and the leader once more on top
    assert "of 180 settings" in panel.get_title(loc="left")
    leader = lines[-1].get_ydata()
    assert leader[-1] == pytest.approx(1)


def test_chief_axes_are_those_that_matter(random):
    decay, rate, width = (np.tile(np.repeat([1.0, 2.0, 4.0], each), 27 // each // 3) for each in (1, 3, 9))
    score = 10 * rate + 3 * width + 0.01 * decay + 0.001 * random.normal(size=27)
    axes = [
        plots.SweepAxis(title, tuple(cells), (1.0, 2.0, 4.0), is_scale=False, is_log=False)
        for title, cells in (("decay", decay), ("rate", rate), ("width", width))
    ]
    assert [axis.title for axis in chief_axes(axes, score)] == ["rate", "width"]
    score[rate == 1] = np.nan  # where everything diverges matters most
    score[rate != 1] = 3 * width[rate != 1]
    assert chief_axes(axes, score)[0].title in ("rate", "width")


def scores_over(cells, score, **options):
    """A sweep's axis with these cells, the leader first, and their scores."""
    order = np.argsort(-np.where(np.isfinite(score), score, -np.inf), kind="stable")
    levels = tuple(sorted(set(cells)))
    axis = plots.SweepAxis("rate", tuple(cells[one] for one in order), levels, is_scale=False, is_log=False)
    return axis._replace(**options), np.asarray(score, float)[order]


@pytest.mark.parametrize("is_scale", [False, True])
def test_settings_without_a_score_have_a_place_on_the_line(tmp_path, drawn, is_scale):
    axis, score = scores_over([0.05, 1e30], [80.0, np.nan], is_scale=is_scale, is_log=is_scale)
    interval = np.stack([score, score - 1, score + 1], axis=1)
    path = tmp_path / "line.png"
    plots.score_line(axis, {"validation": interval}, np.array([0.0, 1.0]), label="accuracy", title="line", path=path)
    low, high = drawn["line.png"].axes[0].get_xlim()
    assert low < axis.places().min() < axis.places().max() < high


def test_colours_tell_the_worst_scores_apart():
    score = np.array([97.0, 96.5, 96.0, 95.0, 94.0, 93.0, 35.6, 31.9])
    shares = plots.Colours(score).heights(np.append(score, np.nan))
    assert (shares[0], shares[7]) == (1, 0)
    assert (np.diff(shares[:8]) < 0).all()
    assert shares[5] - shares[6] > 0.2
    assert shares[0] - shares[5] > 0.25  # where a straight scale would leave 4/65 of the colours
    assert np.isnan(shares[8])


def test_cells_in_which_all_diverged_are_hatched(tmp_path, drawn):
    rates, decays = np.repeat([0.1, 1.0], 2), np.tile([0.0, 1e-3], 2)
    score = np.array([90.0, 80.0, 70.0, np.nan])
    axes = [scores_over(list(cells), score)[0] for cells in (rates, decays)]
    plots.score_map(*axes, score, np.array([0, 0, 0, 1.0]), label="accuracy", title="map", path=tmp_path / "map.png")
    figure = drawn["map.png"]
    hatched = [patch.get_xy() for patch in figure.axes[0].patches if patch.get_hatch()]
    assert hatched == [(0.5, 0.5)]
    assert "all diverged" in [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize(("name", "spreads"), [("names and layers", True), ("one long axis", False)])
def test_spread_lines_are_explained_and_the_best_is_not_covered(tmp_path, drawn, name, spreads):
    finished(tmp_path, CONFIGS[name])
    sweep_show.show(tmp_path)
    figure = drawn["parallel.png"]
    assert ("a little apart" in figure.get_supxlabel()) == spreads
    panel = figure.axes[0]
    assert all(text.get_bbox_patch() is None for text in panel.texts)
    rulers = [line.get_zorder() for line in panel.lines[:-1] if line.get_label() != "best"]
    assert max(line.get_zorder() for line in panel.lines if line.get_label() == "best") >= max(rulers)
