"""Sweeps of every kind, by what is special about them."""

from fcnet.config import (
    DataConfig,
    TrainConfig,
)
from fcnet.sweeps.config import SweepConfig

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
