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

from fcnet import backprop, data, gradcheck, models, objective
from fcnet.contracts import Batch, GradFn, Gradients, HParams, Params
from fcnet.data import DataSpec
from fcnet.errors import InputError
from fcnet.fitting import Outcome, fit
from fcnet.models import MLPSpec
from fcnet.optimizers import OptimizerSpec
from fcnet.predictor import Predictor, load
from fcnet.train import RunSpec

__version__ = "0.1.0"

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
    "backprop",
    "data",
    "fit",
    "gradcheck",
    "load",
    "models",
    "objective",
]
