"""From flags to members: who is trained, with which config, and what is refused before anything runs."""

import json
from dataclasses import replace

import pytest

from fcnet import cli
from fcnet.cli import run
from fcnet.commands import sweep as command
from fcnet.config import DataConfig, LoopConfig, NetworkConfig, TrainConfig
from fcnet.errors import InputError
from fcnet.sweeps.axes import axis
from fcnet.sweeps.config import MOST_MEMBERS, SweepConfig
from fcnet.sweeps.members import members_of, setting, settings


@pytest.fixture
def swept(monkeypatch):
    """A function from flags of ``fcnet sweep`` to the config that would be trained."""

    def config_of(flags):
        caught = []
        monkeypatch.setattr(command, "sweep", lambda config, **_: caught.append(config))
        assert run(["sweep", *flags.split()]) == 0
        return caught[0]

    return config_of


def members(config):
    return members_of(config, settings(config))


def trained_by(flags, monkeypatch):
    """The config that ``fcnet train`` makes of its flags."""
    from fcnet.commands import train

    caught = []
    monkeypatch.setattr(train, "train", lambda config, **_: caught.append(config))
    assert run(["train", *flags.split()]) == 0
    return caught[0]


def test_the_issues_own_sweep(swept):
    config = swept("--data digits --learning-rate log:1e-3:1:8 --weight-decay 0,1e-4,1e-3 --seeds 16 --folds 5")
    assert config.describe() == ("1,920 networks: 24 settings (8 learning_rate × 3 weight_decay) × 16 seeds × 5 folds")
    assert (config.number_of_members, config.number_of_settings, config.members_of_setting) == (1920, 24, 80)
    found = members(config)
    assert [one.number for one in found] == list(range(1920))
    assert len(set(found_configs := [one.config for one in found])) == 1920
    assert {one.data.fold for one in found_configs} == set(range(5))
    assert len({id(one.data) for one in found_configs}) == 5, "what is alike is made once"
    points = [(one.values["learning_rate"], one.values["weight_decay"]) for one in settings(config)]
    assert points[:4] == [(0.001, 0.0), (0.001, 1e-4), (0.001, 1e-3), (0.00268269579528, 0.0)]
    first, last = found[:80], found[-1]
    assert [(one.setting, one.fold, one.seed) for one in first] == [(0, f, s) for f in range(5) for s in range(16)]
    assert (last.setting, last.fold, last.seed, last.values) == (
        23,
        4,
        15,
        {"learning_rate": 1.0, "weight_decay": 1e-3},
    )


SOLO = [
    # flags of the sweep, a member, and the flags of its solo run
    (
        "--data iris --learning-rate 0.1,0.2 --activation relu,leaky_relu:slope=0.2 --seeds 2 --seed 7",
        7,
        "--data iris --learning-rate 0.2 --activation leaky_relu:slope=0.2 --seed 8",
    ),
    ("--hidden 32,none,64-16 --dropout 0,0.3", 5, "--hidden 64 16 --dropout 0.3"),
    ("--hidden 32,none,64-16", 1, "--no-hidden"),
    ("--hidden 64-16 --l1 0,0.1", 1, "--hidden 64 16 --l1 0.1"),
    ("--width 32,64 --depth 1,2,3", 5, "--hidden 64 64 64"),
    ("--width 32,64", 1, "--hidden 64 64"),
    ("--depth 0,3", 1, "--hidden 128 128 128"),
    ("--depth 0,3 --width 8", 0, "--no-hidden"),
    (
        "--width 8 --depth 3 --dropout 0.1 0.2 0.3 --bias=-0.1,0.1",
        0,
        "--hidden 8 8 8 --dropout 0.1 0.2 0.3 --bias=-0.1",
    ),
    ("--hidden 8-8-8,4-4-4 --dropout 0.1 0.2 0.3", 1, "--hidden 4 4 4 --dropout 0.1 0.2 0.3"),
    ("--schedule cosine,step:every=0.25,factor=0.5", 1, "--schedule step:every=0.25,factor=0.5"),
    ("--optimizer sgd,adam:b2=0.99 --momentum none,0.5", 2, "--optimizer adam:b2=0.99"),
    ("--batch-size log:8:32:3 --init-scale 1,2", 3, "--batch-size 16 --init-scale 2"),
    ("--folds 3 --repeats 2 --norm layer", 5, "--folds 3 --fold 5 --norm layer"),
    ("--folds 3 --fold 2 --l2 0,1", 1, "--folds 3 --fold 2 --l2 1"),
    ("--splits 3 --split-seed 5", 2, "--split-seed 7"),
    ("--seed 1,5,7 --epochs 3,4", 4, "--seed 5 --epochs 4"),
    ("--loss mse,huber:delta=2 --data line", 1, "--data line --loss huber:delta=2"),
]


@pytest.mark.parametrize(("flags", "number", "solo"), SOLO)
def test_a_members_config_is_that_of_its_solo_run(flags, number, solo, swept, monkeypatch):
    assert members(swept(flags))[number].config == trained_by(solo, monkeypatch)


def test_seeds_folds_and_splits(swept):
    def found(flags):
        return [(one.seed, one.fold) for one in members(swept(flags))]

    assert found("--seeds 3 --seed 4") == [(4, None), (5, None), (6, None)]
    assert found("--seed 9,2") == [(9, None), (2, None)]
    assert found("--folds 2 --seeds 2") == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert found("--folds 2 --repeats 2") == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert found("--folds 5 --fold 0 --seeds 2") == [(0, 0), (1, 0)]
    assert found("--splits 2") == [(0, 0), (0, 1)]
    splits = [one.config.data.split_seed for one in members(swept("--splits 2 --split-seed 3"))]
    assert splits == [3, 4]


def test_draws_cross_the_grid_of_the_other_axes(swept):
    config = swept("--l1 0,1 --dropout uniform:0:0.5 --learning-rate loguniform:1e-3:1 --l2 0,1 --draws 3")
    found = settings(config)
    assert [list(one.values) for one in found] == [["l1", "dropout", "learning_rate", "l2"]] * 12
    joint = [(one.values["dropout"], one.values["learning_rate"]) for one in found]
    assert joint == [draw for draw in joint[:6:2] for _ in range(2)] * 2
    assert len(set(joint)) == 3
    assert [(one.values["l1"], one.values["l2"]) for one in found] == [(0, 0), (0, 1)] * 3 + [(1, 0), (1, 1)] * 3
    assert all(one.config.network.dropout == (one.values["dropout"],) for one in found)
    other = swept("--dropout uniform:0:0.5 --draws 3 --draw-seed 1")
    assert settings(other)[0].values["dropout"] != found[0].values["dropout"]
    assert config.describe() == "12 networks: 12 settings (3 draws of dropout, learning_rate × 2 l1 × 2 l2)"


def test_options_arrive(swept):
    config = swept(
        "--l1 loguniform:0.1:1 --search qmc --trials 40 --batch 8 --mode fast --shared-order --at-once 7 --seeds 2"
    )
    assert (config.search, config.trials, config.batch, config.at_once) == ("qmc", 40, 8, 7)
    assert (config.mode, config.shared_order) == ("fast", True)
    assert config.describe() == "at most 80 networks: 40 trials by qmc (l1) × 2 seeds"
    assert swept("--l1 0,1 --halving 3").halving == 3


def test_from_python():
    base = TrainConfig(data=DataConfig("iris", folds=4))
    config = SweepConfig.of(base, {"learning_rate": "log:1e-3:1:4", "hidden": [(8,), (8, 8)], "seed": [3, 5]})
    assert config == SweepConfig(
        train=base,
        axes=(axis("learning_rate", "log:1e-3:1:4"), axis("hidden", "8,8-8")),
        seeds=2,
        seed_values=(3, 5),
    )
    assert config.number_of_members == len(members(config)) == 4 * 2 * 2 * 4
    one_fold = SweepConfig.of(replace(base, data=replace(base.data, fold=2)))
    assert [one.fold for one in members(one_fold)] == [2]
    widths = SweepConfig.of(TrainConfig(network=NetworkConfig((8, 8, 8))), {"width": [4, 16]})
    assert [one.config.network.hidden for one in settings(widths)] == [(4, 4, 4), (16, 16, 16)]
    assert [one.config.network.hidden for one in settings(SweepConfig.of(axes={"depth": [1, 2]}))] == [
        (128,),
        (128, 128),
    ]


def test_a_setting_of_any_values():
    config = SweepConfig.of(axes={"dropout": "uniform:0:0.5", "width": "loguniform:4:64"}, search="tpe", trials=5)
    found = setting(config, 3, {"dropout": 0.25, "width": 9})
    assert (found.number, found.values) == (3, {"dropout": 0.25, "width": 9})
    assert (found.config.network.dropout, found.config.network.hidden) == ((0.25,), (9, 9))


@pytest.mark.parametrize("flags", [flags for flags, _, _ in SOLO] + ["--l1 loguniform:0.1:1 --draws 2", "--seeds 3"])
def test_survives_json(flags, swept):
    config = swept(flags)
    again = SweepConfig.from_json(json.loads(json.dumps(config.to_json())), "here")
    assert again == config
    assert hash(again) == hash(config)  # lists have become tuples again
    for one, other in zip(config.axes, again.axes, strict=True):
        assert [type(value) for value in one.values] == [type(value) for value in other.values]
    assert members(again) == members(config)


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored.pop("axes"),
        lambda stored: stored.update(seeds="3"),
        lambda stored: stored.update(sedes=3),
        lambda stored: stored.update(axes=[{"name": "l1"}]),
        lambda stored: stored.update(axes=[3]),
        lambda stored: stored.update(train={}),
        lambda stored: stored["axes"][0].update(name="l3"),
        lambda stored: stored["axes"][0].update(values=[]),
    ],
)
def test_a_damaged_config_is_one_line(change):
    stored = json.loads(json.dumps(SweepConfig.of(axes={"l1": "0,1"}).to_json()))
    change(stored)
    with pytest.raises(InputError) as caught:
        SweepConfig.from_json(stored, "here")
    assert "\n" not in str(caught.value)


MISTAKES = [
    ("", "nothing to sweep: give a flag several values, --learning-rate log:1e-3:1:8, or several --seeds"),
    ("--learning-rate 0,0.1", "--learning-rate must be a number > 0, got 0.0"),
    ("--learning-rate 0.1,0", "--learning-rate must be a number > 0, got 0.0"),
    ("--learning-rate 0.1,nan", "--learning-rate must be a number > 0, got nan"),
    ("--dropout linear:0:1:3", "--dropout linear:0:1:3: --dropout must be in [0, 1), got 1.0"),
    ("--activation relu,rleu", "unknown activation 'rleu': did you mean relu"),
    ("--schedule cosine,step:evry=1", "unknown option of schedule step 'evry': did you mean every"),
    ("--hidden 8,0", "hidden layer 1 must have at least 1 unit, got 0"),
    ("--width 0,8", "hidden layer 1 must have at least 1 unit, got 0"),
    ("--optimizer sgd,adagrad --momentum 0.9", "--momentum 0.9: adagrad has none, leave it out"),
    ("--depth 1,-1", "--depth must be from 0 (a linear model) to 10,000, got -1"),
    ("--no-hidden --axis width=8,16", "--width is of hidden layers, and this network has none: add --depth 1"),
    ("--batch-size 8,0", "--batch-size must be at least 1, got 0"),
    ("--l1 uniform:0:1", "--l1 uniform:0:1 is drawn at random: add --draws 20, or --search tpe --trials 20"),
    (
        "--learning-rate uniform:0:1 --draws 3",
        "--learning-rate uniform:0:1: --learning-rate must be a number > 0, got 0.0",
    ),
    ("--l1 0,1 --draws 3", "--draws is for random axes: add one, such as --dropout uniform:0:0.5"),
    ("--l1 uniform:0:1 --draws -1", "--draws must be at least 0, got -1"),
    ("--l1 uniform:0:1 --draws 2 --draw-seed -1", "--draw-seed must be at least 0, got -1"),
    ("--seeds 0", "--seeds must be at least 1, got 0"),
    ("--seeds 2 --seed 4294967295", "--seed must be in [0, 2³²), got 4294967296"),
    ("--seeds 3 --seed 1,2,3", "--seeds counts seeds, --seed lists them: leave out one"),
    ("--seed 1,2,1", "--seed 1,2,1 has 1 twice"),
    ("--seed 1,-2", "--seed must be in [0, 2³²), got -2"),
    ("--seed uniform:1:9 --draws 3", "--seed uniform:1:9: seeds are listed, --seed 1,5,7, or counted, --seeds 3"),
    ("--splits 0", "--splits must be at least 1, got 0"),
    ("--splits 2 --split-seed 4294967294", "--split-seed must be in [0, 2³² − 1), got 4294967295"),
    ("--folds 5 --splits 3", "--folds and --splits both split the data: leave out one"),
    ("--folds 1", "folds must be 0 (off) or at least 2, got 1"),
    ("--repeats 2 --seeds 2", "--repeats repeats folds: add --folds 5"),
    ("--folds 5 --fold 1 --repeats 2", "--fold picks one fold: leave out --repeats"),
    ("--fold 1 --seeds 2", "fold 1 needs --folds"),
    ("--seeds 2 --mode exact --shared-order", "--mode exact gives each member its own order: leave out --shared-order"),
    ("--seeds 2 --mode slow", 'Choose from: "auto", "exact", "fast"'),
    ("--seeds 2 --at-once 0", "--at-once must be at least 1, got 0"),
    ("--seeds 2 --join-seconds 0", "--join-seconds must be positive, got 0"),
    ("--l1 0,1 --halving 1", "--halving must be 0 (off) or at least 2, got 1"),
    ("--epochs 3,9 --halving 2", "--halving cuts a fixed number of epochs: give --epochs one value"),
    ("--l1 0,1 --halving 2 --validation 0", "--halving goes by the validation score: --validation must be above 0"),
    ("--l1 0,1 --search tpe --trials 2 --validation 0", "--search goes by the validation score: --validation must be"),
    ("--l1 0,1 --search tpe", "--search tpe needs --trials, how many settings to try; got 0"),
    ("--l1 0,1 --search tpe --trials -3", "--trials must be at least 0, got -3"),
    ("--l1 0,1 --trials 3", "--trials is for a search: add --search tpe"),
    ("--l1 0,1 --batch 3", "--batch is for a search: add --search tpe"),
    ("--l1 0,1 --search tpe --trials 4 --halving 2", "--halving thins out a grid, --search chooses settings itself"),
    ("--l1 uniform:0:1 --search tpe --trials 4 --draws 2", "--search draws from the random axes itself: leave out"),
    (
        "--optimizer sgd,adagrad --momentum none,0.9 --search tpe --trials 3",
        "--momentum 0.9: adagrad has none, leave it out",
    ),
    ("--seeds 2 --data-parallel", "--data-parallel shares one network's rows, a sweep shares out its members"),
    ("--data digits,iris", "--data digits,iris cannot be swept"),
    ("--learnig-rate 0.1,0.2", "Did you mean --learning-rate"),
    ("--l1 0,1 --axis l1=0,2", "--axis l1 is given twice"),
    ("--axis 0.1,0.2", "--axis 0.1,0.2: write --axis learning_rate=0.1,0.2"),
    ("--axis hidden=8,16 --axis depth=1,2", "--hidden lists whole networks: leave it out, or --depth"),
    (
        "--seeds 1000 --folds 5 --l1 0,1,2",
        "15,000 networks: 3 settings (3 l1) × 1,000 seeds × 5 folds: more than 10,000; add --yes to train them all, or",
    ),
    ("--resume here --seeds 3", "--resume goes on as the run was begun: leave out --seeds"),
]


@pytest.mark.parametrize(("flags", "message"), MISTAKES)
def test_mistakes_are_one_line_and_nothing_runs(flags, message, capsys, monkeypatch):
    def never(*_, **__):
        raise AssertionError("it ran")

    monkeypatch.setattr(command, "sweep", never)
    monkeypatch.setattr(command, "resume", never)
    assert run(["sweep", *flags.split()]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)


def test_combinations_are_checked_before_training(swept):
    config = swept("--optimizer sgd,adagrad --momentum none,0.9")
    with pytest.raises(InputError, match=r"--momentum 0.9: adagrad has none, leave it out"):
        settings(config)


def test_yes_allows_many(swept):
    assert swept(f"--seeds {MOST_MEMBERS}").number_of_members == MOST_MEMBERS
    assert swept(f"--seeds {MOST_MEMBERS + 1} --yes").number_of_members == MOST_MEMBERS + 1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SweepConfig.of(sedes=3), "unknown option of a sweep 'sedes': did you mean seeds"),
        (
            lambda: SweepConfig.of(axes={"learning_rat": "1,2"}),
            "unknown axis 'learning_rat': did you mean learning_rate",
        ),
        (lambda: SweepConfig.of(seeds=2.5), "--seeds must be a whole number, got 2.5"),
        (lambda: SweepConfig.of(search="tpe", trials="5"), "--trials must be a whole number, got '5'"),
        (lambda: SweepConfig.of(search="tpe", trials=4, batch=1.5), "--batch must be a whole number, got 1.5"),
        (lambda: SweepConfig.of(halving=2.5), "--halving must be a whole number, got 2.5"),
        (lambda: SweepConfig.of(mode="slow"), "--mode must be auto or exact or fast, got 'slow'"),
        (lambda: SweepConfig.of(axes={"seed": [1, 2]}, seeds=2), "--seeds counts seeds, --seed lists them"),
        (lambda: SweepConfig(axes=(axis("seed", "1,2"),)), "seed is no axis of a setting"),
        (lambda: SweepConfig(axes=(axis("l1", "1,2"),) * 2), "l1 is an axis twice"),
        (lambda: SweepConfig(seed_values=(1, 2)), "--seeds counts seeds, --seed lists them"),
        (
            lambda: SweepConfig(train=TrainConfig(data=DataConfig(folds=3, fold=1))),
            "fold 1 picks one fold, but all are to be trained: one_fold=True",
        ),
        (
            lambda: SweepConfig.of(TrainConfig(network=NetworkConfig((8, 4))), {"depth": [1, 2]}),
            "--depth repeats one width, the hidden layers have several: 8-4; add --width",
        ),
        (lambda: SweepConfig.of(TrainConfig(loop=LoopConfig(data_parallel=True)), seeds=2), "--data-parallel shares"),
        (lambda: SweepConfig.of(seeds=2**40), "--seed must be in [0, 2³²), got"),
    ],
)
def test_mistakes_from_python(build, message):
    with pytest.raises(InputError) as caught:
        build()
    assert message in str(caught.value)


def test_help_explains_axes_and_shows_the_sweeps_own_flags_first(capsys):
    assert run(["sweep", "--help"]) == 0
    shown = capsys.readouterr().out
    for text in ("log:1e-3:1:8", "--seeds", "--width", "--hidden 32,64-64,none"):
        assert text in shown
    assert shown.index("Sweep") < shown.index("Data") < shown.index("Network")
    assert "--axis" not in shown


def test_the_sweeps_flags_are_no_flags_of_train():
    words = {name for argument in cli.app["train"].assemble_argument_collection() for name in argument.names}
    own = {name for argument in cli.app["sweep"].assemble_argument_collection() for name in argument.names}
    of_a_finished_sweep = {"--from", "--best", "--setting", "--member"}
    assert words - of_a_finished_sweep <= own
    assert {"--seeds", "--search", "--width"} <= own - words
