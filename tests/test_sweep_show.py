"""fcnet sweep show and fcnet train --from: board, JSON, figures, and the run that a member amounts to."""

import io
import json
from dataclasses import replace

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fcnet import plots
from fcnet.cli import run
from fcnet.commands import sweep_show, train_from
from fcnet.commands.sweep_figures import chief_axes
from fcnet.config import (
    AugmentConfig,
    DataConfig,
    LoopConfig,
    NetworkConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
from fcnet.console import Reporter
from fcnet.sweeps import leaders
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.results import read

from .sweep_examples import finished, members, outcome, write_part

CONFIGS = {
    "two axes": SweepConfig.of(axes={"learning_rate": [0.01, 0.1], "weight_decay": [0.0, 1e-3]}, seeds=3),
    "folds, diverged corner": SweepConfig.of(
        TrainConfig(data=DataConfig(folds=3)),
        axes={"learning_rate": "log:1e-3:10:5", "weight_decay": "0,1e-4,1e-3"},
        seeds=3,
    ),
    "one axis": SweepConfig.of(axes={"learning_rate": "log:1e-3:10:9"}, seeds=4),
    "one long axis": SweepConfig.of(axes={"learning_rate": "log:1e-3:1:20"}),
    "names only": SweepConfig.of(axes={"activation": ["relu", "tanh", "gelu"]}, seeds=4),
    "names and layers": SweepConfig.of(
        axes={"learning_rate": "log:1e-3:1:4", "activation": ["relu", "tanh"], "hidden": [(), (64,), (64, 64)]}, seeds=2
    ),
    "random": SweepConfig.of(
        axes={"learning_rate": "loguniform:1e-3:10", "dropout": "uniform:0:0.5", "activation": ["relu", "tanh"]},
        draws=90,
    ),
    "seeds only": SweepConfig.of(seeds=5),
    "one member": SweepConfig.of(),
}


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


def show(tmp_path, monkeypatch, width, **options):
    """What is printed on a terminal of this many columns."""
    screen = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=True, color_system=None)
    monkeypatch.setattr(sweep_show, "Reporter", lambda: Reporter(console=screen))
    sweep_show.show(tmp_path, figures=False, **options)
    return screen.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_board_fits_the_terminal(tmp_path, monkeypatch, name, width):
    finished(tmp_path, CONFIGS[name])
    text = show(tmp_path, monkeypatch, width, top=3)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text.replace("… and", "")  # nothing is cut
    board = leaders.board(read(tmp_path))
    best = board.standings[0]
    assert f"{100 * best.score.value:.2f}" in text
    assert f"{100 * best.test.value:.2f}" in text
    assert ("--top" in text) == (len(board.standings) > 3)
    assert ("±" in text) == (CONFIGS[name].members_of_setting > 1)
    assert ("gives no interval" in text) == (CONFIGS[name].members_of_setting == 1)


def test_the_board_says_what_happened(tmp_path, monkeypatch):
    finished(tmp_path, CONFIGS["folds, diverged corner"])
    results = read(tmp_path)
    text = show(tmp_path, monkeypatch, 160, top=15)
    lost = int((results.column("status") == "diverged").sum())
    assert f"{lost} diverged" in text
    first = int(np.flatnonzero(results.column("status") == "diverged")[0])
    row = results.members.to_pylist()[first]
    assert f"member {first} (learning rate {row['learning_rate']:g}, weight decay" in text
    assert row["cause"] in text
    assert f"and {lost - 3} more" in text
    assert "The best of 15 validation scores is too high" in text
    board = leaders.board(results)
    known = [one.difference for one in board.standings if one.difference and np.isfinite(one.difference.high)]
    undecided = [difference for difference in known if not leaders.is_certain(difference)]
    assert text.count("≈") == len(undecided) + bool(undecided)
    assert f"--from {tmp_path} --best (member {leaders.best_member(results)}" in text
    by_test = show(tmp_path, monkeypatch, 160, by="test")
    assert "Chosen by the test score" in by_test


def test_so_far(tmp_path, monkeypatch, random):
    config = CONFIGS["two axes"]
    found = members(config)[:7]
    write_part(tmp_path, config, found, {member.number: outcome(member, random) for member in found})
    text = show(tmp_path, monkeypatch, 100)
    assert "so far: " in text
    assert "5 in training" in text
    assert "2 to come" in text
    sweep_show.show(tmp_path)
    assert (tmp_path / "heatmap.png").exists()


def test_without_validation(tmp_path, monkeypatch, capsys):
    finished(tmp_path, CONFIGS["two axes"], validation=False)
    assert "by the test score, because there is no validation part" in show(tmp_path, monkeypatch, 100)
    monkeypatch.undo()
    assert run(["sweep", "show", str(tmp_path)]) == 0
    assert (tmp_path / "curves.png").exists()


def test_json_has_every_setting(tmp_path, capsys):
    finished(tmp_path, CONFIGS["folds, diverged corner"])
    assert run(["sweep", "show", str(tmp_path), "--json", "--no-figures", "--top", "2"]) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(name))
    results = read(tmp_path)
    assert len(told["settings"]) == 15
    assert told["complete"]
    assert sum(told["members"].values()) == 135
    assert told["best_member"] == leaders.best_member(results)
    best = told["settings"][0]
    own = results.column("setting") == best["setting"]
    assert best["score"]["value"] == pytest.approx(results.column("best_validation_score")[own].mean())
    assert best["to_the_leader"] is None
    assert told["settings"][1]["to_the_leader"]["value"] < 0
    assert len(told["diverged"]) == told["members"]["diverged"]
    assert told["figures"] == []
    assert not list(tmp_path.glob("*.png"))


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep", "show", "nowhere"], "nowhere is not there"),
        (["sweep", "show", ".", "--top", "0"], "--top must be at least 1"),
        (["sweep", "show", ".", "--by", "luck"], "luck"),
        (["train", "--from", "."], "needs --best, --setting NUMBER or --member NUMBER"),
        (["train", "--from", ".", "--best", "--member", "3"], "--member and --best choose different members"),
        (["train", "--from", ".", "--best", "--epochs", "3", "--seed=1"], "leave out --epochs and --seed"),
        (["train", "--best"], "--best chooses from a sweep: add --from RUN"),
        (["train", "--from", ".", "--member", "99"], "there is no member 99"),
        (["train", "--from", ".", "--setting", "99"], "there is no setting 99"),
        (["train", "--from", "nowhere", "--best"], "nowhere is not there"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, words, message):
    finished(tmp_path, CONFIGS["two axes"])
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert message in told


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(
            DataConfig("function", folds=5, fold=3, split_seed=7, interval=(-1.5, 2.0), function="abs", samples=90),
            NetworkConfig(hidden=(), bias=-0.1, dropout=(), activation=("leaky_relu:slope=0.2",), init_scale=0.5),
            ObjectiveConfig(loss="huber", elastic_net=(0.1, 0.5)),
            OptimizerConfig(learning_rate=1 / 3, momentum=0.0, decay_all=True, weight_decay=0.0, schedule="constant"),
            LoopConfig(batch_size=7, seed=2**32 - 1, patience=0),
        ),
        TrainConfig(
            DataConfig("some file.csv", target="a b", drop=("x", "y")),
            NetworkConfig(hidden=(64, 32), dropout=(0.1, 0.2), norm=("batch", "none"), activation=("relu", "tanh")),
            augmentation=AugmentConfig(("shift:pixels=2", "rotation:degrees=10")),
        ),
    ],
)
def test_flags_say_the_config(monkeypatch, config):
    from fcnet.commands import train

    taken = []
    monkeypatch.setattr(train, "train", lambda config, **options: taken.append(config))
    assert run(["train", *train_from.flags(config)]) == 0
    assert taken == [config]


def test_train_from_trains_the_best_member(tmp_path, monkeypatch, capsys):
    from fcnet.commands import train

    finished(tmp_path, CONFIGS["folds, diverged corner"])
    results, taken = read(tmp_path), []
    monkeypatch.setattr(train, "train", lambda config, **options: taken.append((config, options)))
    best = leaders.best_member(results)
    assert run(["train", "--from", str(tmp_path), "--best", "--data-parallel", "--out", "there"]) == 0
    told = capsys.readouterr().out
    config, options = taken.pop()
    expected = members(results.config)[best].config
    assert config == replace(expected, loop=replace(expected.loop, data_parallel=True))
    assert str(options["out"]) == "there"
    assert f"member {best} (setting {leaders.board(results).standings[0].setting}: learning rate" in told
    assert f"--folds=3 --fold={expected.data.fold}" in told
    own = results.column("setting") == 5
    scores = np.where(own, results.column("best_validation_score"), -1)
    assert run(["train", "--from", str(tmp_path), "--setting", "5", "--quiet"]) == 0
    assert taken.pop()[0] == members(results.config)[int(scores.argmax())].config
    assert capsys.readouterr().out == ""
    assert run(["train", "--from", str(tmp_path), "--member", "134"]) == 0
    assert taken.pop()[0] == members(results.config)[134].config


def test_a_member_trains_alone(tmp_path, capsys):
    base = TrainConfig(network=NetworkConfig(hidden=(8,)), loop=LoopConfig(epochs=2, patience=0))
    finished(tmp_path / "sweep", SweepConfig.of(base, axes={"learning_rate": [0.01, 0.1]}), epochs=2)
    assert run(["train", "--from", str(tmp_path / "sweep"), "--best", "--out", str(tmp_path / "run")]) == 0
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert told["status"] == "finished"
    assert told["config"]["optimizer"]["learning_rate"] == 0.1


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (SweepConfig.of(seeds=2), "2 seeds make ± long: 12.7 standard errors by Student's t"),
        (SweepConfig.of(seeds=3, splits=4), "3 seeds make ± long: 4.3 standard errors"),
        (SweepConfig.of(TrainConfig(data=DataConfig(folds=2)), seeds=5), "2 folds make ± long"),
        (SweepConfig.of(seeds=4), None),
        (SweepConfig.of(), None),
    ],
)
def test_long_intervals_of_few_members_are_explained(tmp_path, monkeypatch, config, told):
    finished(tmp_path, config)
    text = show(tmp_path, monkeypatch, 160)
    assert "make ± long" not in text if told is None else told in text


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
