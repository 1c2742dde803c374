"""fcnet: a laboratory for fully-connected networks.

Train one from Python:

    dataset = fcnet.data.load(fcnet.DataSpec("digits"))
    data = dataset.description
    model = fcnet.MLPSpec(data.inputs, data.outputs, hidden=(128, 64), input_scale=data.input_scale)
    outcome = fcnet.fit(fcnet.RunSpec(model, "cross_entropy"), fcnet.HParams(learning_rate=0.05), dataset)

or use one trained by ``fcnet train``:

    trained = fcnet.load("runs/digits")
    probabilities = trained.predict(trained.params, x)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fcnet import backprop, data, gradcheck, models, objective
from fcnet.config import TrainConfig
from fcnet.contracts import Batch, GradFn, Gradients, HParams, Params
from fcnet.data import DataSpec
from fcnet.errors import InputError
from fcnet.fitting import Outcome, fit
from fcnet.models import MLPSpec
from fcnet.optimizers import OptimizerSpec
from fcnet.predictor import Predictor, load
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.results import SweepResults
from fcnet.train import RunSpec

__version__ = "0.1.0"


def sweep(
    train: TrainConfig | None = None,
    axes: Mapping[str, str | Sequence[Any]] | None = None,
    *,
    out: str | Path | None = None,
    **options: Any,
) -> SweepResults:
    """Train seeds × hyper-parameters × folds as few compiled programs; what ``fcnet sweep`` does.

        results = fcnet.sweep(axes={"learning_rate": "log:1e-3:1:8", "weight_decay": [0, 1e-4]}, seeds=16)
        results.members.to_pandas()

    Args:
        train: what all members have in common; without, ``TrainConfig()``.
        axes: what is varied, by field: text such as "log:1e-3:1:8", or a sequence of values.
        out: a new folder for the results, runs/NAME-sweep-TIME without.
        options: see ``fcnet.sweeps.config.SweepOptions``: seeds, splits, mode, search, …

    Raises:
        InputError: something that cannot be, in one line.
    """
    from fcnet.commands import sweep as command
    from fcnet.sweeps import results

    config = SweepConfig.of(train or TrainConfig(), axes, **options)
    return results.read(command.sweep(config, out=None if out is None else Path(out), silent=True))


__all__ = [
    "Batch",
    "DataSpec",
    "GradFn",
    "Gradients",
    "HParams",
    "InputError",
    "MLPSpec",
    "OptimizerSpec",
    "Outcome",
    "Params",
    "Predictor",
    "RunSpec",
    "SweepConfig",
    "SweepResults",
    "TrainConfig",
    "backprop",
    "data",
    "fit",
    "gradcheck",
    "load",
    "models",
    "objective",
    "sweep",
]
