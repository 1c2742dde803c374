"""fcnet sweep show and fcnet train --from: board, JSON, and the run that a member amounts to."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from fcnet.cli import run
from fcnet.commands import sweep_facts, sweep_show, train_from
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
from fcnet.errors import InputError
from fcnet.sweeps import leaders
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.distance import Distance
from fcnet.sweeps.results import read

from .sweep_configs import CONFIGS
from .sweep_examples import finished, members, outcome, write_part


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


def test_the_board_is_told_where_no_figure_can_be_written(tmp_path, monkeypatch, capsys):
    finished(tmp_path, CONFIGS["two axes"])

    def refused(*given):
        raise InputError("cannot write heatmap.png: Permission denied")

    monkeypatch.setattr(sweep_show, "draw", refused)
    assert run(["sweep", "show", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert "setting" in told.out
    assert told.err == "fcnet: cannot write heatmap.png: Permission denied\n"


@pytest.mark.parametrize("shared_order", [False, True])
def test_a_distance_says_whose_order_it_is_of(capsys, shared_order):
    found = Distance(0, "fast", 9, 0.25, equal=False)
    sweep_facts.compare(Reporter(), [found], shared_order=shared_order)
    printed = " ".join(capsys.readouterr().out.split())
    assert "is 0.2 (relative) from its solo run's losses at most" in printed
    assert ("whose rows come in another order" in printed) == shared_order


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
