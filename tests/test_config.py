"""The flags' dataclasses: what they turn into, and that they survive the disk."""

import json

import pytest

from fcnet.config import DataConfig, LoopConfig, NetworkConfig, ObjectiveConfig, OptimizerConfig, TrainConfig
from fcnet.data import DataSpec, load
from fcnet.errors import InputError


def test_survives_json():
    config = TrainConfig(
        DataConfig("wine", drop=("ash",), interval=(0.0, 1.0)),
        NetworkConfig((7, 5), ("relu", "glu"), dropout=(0.3, 0.1)),
        ObjectiveConfig("cross_entropy", 0.1),
        OptimizerConfig("adam"),
        LoopConfig(seed=9),
    )
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json())), "here") == config


def test_defaults_follow_the_task():
    for name, loss, dropout, rate in (
        ("digits", "cross_entropy", 0.2, 0.05),
        ("diabetes", "mse", None, 0.01),
    ):
        data = load(DataSpec(name)).description
        assert TrainConfig().run_spec(data).loss == loss
        assert TrainConfig().hparams(data).dropout == dropout
        assert TrainConfig().hparams(data).learning_rate == rate


def test_zero_is_left_out_of_the_program():
    data = load(DataSpec("iris")).description
    nothing = TrainConfig(
        network=NetworkConfig(dropout=(0.0,)), optimizer=OptimizerConfig(momentum=0, weight_decay=0)
    ).hparams(data)
    assert [name for name, value in nothing._asdict().items() if value is not None] == ["learning_rate"]


def test_patience_rests_without_validation():
    data = load(DataConfig("iris", validation=0).spec()).description
    assert TrainConfig().run_spec(data).patience == 0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: NetworkConfig(dropout=(-0.1,)), r"--dropout must be in \[0, 1\)"),
        (lambda: NetworkConfig(bias=float("nan")), "--bias must be a number"),
        (lambda: OptimizerConfig(learning_rate=float("inf")), "--learning-rate must be a number > 0"),
        (lambda: LoopConfig(seed=2**32), "--seed must be in"),
        (lambda: DataConfig(data=""), "data must name a set"),
    ],
)
def test_checked_when_built(build, message):
    with pytest.raises(InputError, match=message):
        build()
