"""Optimisers as visible optax chains, built inside the run from traced hyper-parameters.

Order is meaning. Decay in front of the direction passes through the momentum, as a penalty in the objective does; decay
behind it is decoupled: W ← W − η (d + λ W). Source: Loshchilov & Hutter 2019, Decoupled weight decay regularization.

Reading order: ``record`` (what an optimiser and a schedule are), ``weight_decay_sgd`` (one whole transformation),
``descent`` and ``adaptive`` (directions), ``schedules`` (learning rates), ``spec`` (what a run names), ``plateau``
(from epoch to epoch), ``chain`` (all together).
"""

from fcnet.optimizers.chain import build, learning_rate
from fcnet.optimizers.plateau import Plateau, initial_plateau, update_plateau
from fcnet.optimizers.record import Optimizer, Schedule
from fcnet.optimizers.schedules import SCHEDULES
from fcnet.optimizers.spec import OPTIMIZERS, OptimizerSpec, get, get_schedule
from fcnet.optimizers.weight_decay_sgd import weight_decay_sgd

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Optimizer",
    "OptimizerSpec",
    "Plateau",
    "Schedule",
    "build",
    "get",
    "get_schedule",
    "initial_plateau",
    "learning_rate",
    "update_plateau",
    "weight_decay_sgd",
]
