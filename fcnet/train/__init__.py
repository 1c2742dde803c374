"""One run as a pure function: a step, an epoch, a chunk of epochs.

A chunk is one compiled program. It holds the data on the device as it came, shuffles, steps, evaluates, keeps the best
parameters, and stops by itself when patience runs out or the loss is no longer finite. How many epochs a call runs is
traced, so the cuts between chunks change neither the program nor a bit of the result.
"""

from fcnet.train.chunk import is_finished, run_epochs
from fcnet.train.epoch import batch_order, end_epoch, epoch_keys, run_epoch
from fcnet.train.spec import RunSpec, steps_per_epoch
from fcnet.train.state import Best, History, RunState, TrainData, abstract_hparams, abstract_state, initial_state
from fcnet.train.step import Carry, run_block

__all__ = [
    "Best",
    "Carry",
    "History",
    "RunSpec",
    "RunState",
    "TrainData",
    "abstract_hparams",
    "abstract_state",
    "batch_order",
    "end_epoch",
    "epoch_keys",
    "initial_state",
    "is_finished",
    "run_block",
    "run_epoch",
    "run_epochs",
    "steps_per_epoch",
]
