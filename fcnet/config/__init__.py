"""What a person may set for a run: the flags of ``fcnet train``, and the same dataclasses from Python.

Everything is checked when it is built. ``TrainConfig`` turns into what the rooms take: a ``DataSpec``, a static
``RunSpec`` and traced ``HParams``.
"""

from fcnet.config.augmentation import AugmentConfig
from fcnet.config.data import DataConfig
from fcnet.config.loop import LoopConfig
from fcnet.config.network import NetworkConfig
from fcnet.config.objective import ObjectiveConfig
from fcnet.config.optimizer import OptimizerConfig
from fcnet.config.processes import ProcessesConfig
from fcnet.config.run import TrainConfig

__all__ = [
    "AugmentConfig",
    "DataConfig",
    "LoopConfig",
    "NetworkConfig",
    "ObjectiveConfig",
    "OptimizerConfig",
    "ProcessesConfig",
    "TrainConfig",
]
