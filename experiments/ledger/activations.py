"""Activations: values, ∂L/∂z and the gradients of what is learned, over a grid with the awkward points in it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet import activations
from fcnet.catalogue import choose
from ledger.case import Arrays, Case, float32_numbers, generator

# both zeros, kinks and thresholds of every activation, saturation, and the far ends
AWKWARD = (0.0, 1e-3, 0.125, 1 / 3, 0.5, 1.0, 2.0, 2.5, 3.0, 5.0, 6.0, 10.0, 20.0, 20.5, 80.0, 100.0, 1e4)
UNITS = 4


def _grid() -> np.ndarray:
    points = np.array([*AWKWARD, *(-point for point in AWKWARD), *(3 * generator("grid").normal(size=26))])
    return float32_numbers(points.reshape(-1, UNITS))


def _rows(pieces: int) -> np.ndarray:
    """Rows in which units meet: random ones, ties, a far leader, all equal."""
    random = 2 * generator("rows").normal(size=(9, 6 * pieces))
    random[3] = 0.0
    random[4] = -2.5
    random[5, 0] = 1e4
    random[6, -1] = -1e4
    random[7] = 80.0
    return float32_numbers(random)


PLAIN: dict[str, str] = {
    "identity": "identity", "sigmoid": "sigmoid", "tanh": "tanh", "tanhshrink": "tanhshrink",
    "log_sigmoid": "logsigmoid", "silu": "silu", "mish": "mish", "gelu": "gelu", "softsign": "softsign",
    "relu": "relu", "selu": "selu", "relu6": "relu6", "hardsigmoid": "hardsigmoid", "hardswish": "hardswish",
}  # fmt: skip
Torch = Callable[[Any, Any, dict[str, Any]], Any]
WITH_OPTIONS: dict[str, Torch] = {
    "gelu_tanh": lambda F, z, o: F.gelu(z, approximate="tanh"),
    "softplus": lambda F, z, o: F.softplus(z, o["beta"], o["threshold"]),
    "celu": lambda F, z, o: F.celu(z, o["alpha"]),
    "elu": lambda F, z, o: F.elu(z, o["alpha"]),
    "leaky_relu": lambda F, z, o: F.leaky_relu(z, o["slope"]),
    "hardtanh": lambda F, z, o: F.hardtanh(z, o["low"], o["high"]),
    "hardshrink": lambda F, z, o: F.hardshrink(z, o["threshold"]),
    "softshrink": lambda F, z, o: F.softshrink(z, o["threshold"]),
    "threshold": lambda F, z, o: F.threshold(z, o["threshold"], o["value"]),
    "rrelu": lambda F, z, o: F.rrelu(z, o["low"], o["high"], training=False),
    "softmax": lambda F, z, o: F.softmax(z, dim=-1),
    "log_softmax": lambda F, z, o: F.log_softmax(z, dim=-1),
    "glu": lambda F, z, o: F.glu(z, dim=-1),
}
OPTIONS = {
    "softplus": ("beta=3", "beta=0.5,threshold=2"),
    "celu": ("alpha=2.5",),
    "elu": ("alpha=0.5",),
    "leaky_relu": ("slope=0.25", "slope=-0.5"),
    "hardtanh": ("low=-2.5,high=0.5",),
    "hardshrink": ("threshold=0",),
    "softshrink": ("threshold=2",),
    "threshold": ("threshold=1,value=-20",),
    "rrelu": ("low=0.1,high=0.5",),
}
HARDSIGMOID = (
    "PyTorch multiplies by 1/6 rounded to float32, 3e-8 off; ours is 1/6 in the type of z "
    "(mpmath holds it in tests/test_activations.py)"
)


def _torch_name(name: str) -> str:
    others = {"identity": "nn.Identity", "gelu_tanh": "F.gelu(approximate='tanh')"}
    return others.get(name, f"F.{PLAIN.get(name, name)}")


def _reference(text: str) -> Callable[[Arrays, Any], Arrays]:
    record, options = choose("activation", text, activations.ACTIVATIONS)

    def compute(inputs: Arrays, torch: Any) -> Arrays:
        functional = torch.nn.functional
        z = torch.tensor(inputs["z"], requires_grad=True)
        if record.name in PLAIN:
            value = z * 1 if record.name == "identity" else getattr(functional, PLAIN[record.name])(z)
        else:
            value = WITH_OPTIONS[record.name](functional, z, options)
        (towards,) = torch.autograd.grad(value, z, torch.tensor(inputs["upstream"]))
        return {"value": value.detach().numpy(), "∂z": towards.numpy()}

    return compute


def _ours(text: str) -> Callable[[Arrays, bool], Arrays]:
    activation = activations.get(text)

    def compute(inputs: Arrays, by_hand: bool) -> Arrays:
        z, upstream = jnp.asarray(inputs["z"]), jnp.asarray(inputs["upstream"])
        extras = {name: jnp.asarray(value) for name, value in inputs.items() if name not in ("z", "upstream")}
        drawn = {"slope": extras.pop("noise")} if "noise" in extras else {}
        if by_hand:
            value, pullback = activation.by_hand(z, **extras, **drawn)
            towards_z, shares = pullback(upstream)
            towards = {name: jnp.sum(of_rows, axis=0) for name, of_rows in shares.items()}
        else:
            value, pull = jax.vjp(lambda z, extras: activation.function(z, **extras, **drawn), z, extras)
            towards_z, towards = pull(upstream)
        return {"value": value, "∂z": towards_z} | {f"∂{name}": found for name, found in towards.items()}

    return compute


def _inputs(text: str) -> Callable[[], Arrays]:
    pieces = activations.get(text).pieces()

    def make() -> Arrays:
        rowwise = text in ("softmax", "log_softmax", "glu")
        z = _rows(pieces) if rowwise else _grid()
        shape = (z.shape[0], z.shape[1] // pieces)
        return {"z": z, "upstream": float32_numbers(generator(text).normal(size=shape))}

    return make


def _prelu(per_unit: bool) -> Case:
    text = f"prelu:per_unit={str(per_unit).lower()}"

    def inputs() -> Arrays:
        slope = [0.25, -0.5, 0.0, 1.5] if per_unit else [0.25]
        return {**_inputs("relu")(), "slope": np.array(slope)}

    def reference(inputs: Arrays, torch: Any) -> Arrays:
        z, slope = (torch.tensor(inputs[name], requires_grad=True) for name in ("z", "slope"))
        value = torch.nn.functional.prelu(z, slope)
        towards = torch.autograd.grad(value, (z, slope), torch.tensor(inputs["upstream"]))
        return {"value": value.detach().numpy(), "∂z": towards[0].numpy(), "∂slope": towards[1].numpy()}

    return Case("activation", text, "", "F.prelu", inputs, reference, _ours(text))


def _rrelu_in_training() -> Case:
    text = "rrelu:low=0.1,high=0.5"

    def reference(inputs: Arrays, torch: Any) -> Arrays:
        torch.manual_seed(0)
        z = torch.tensor(inputs["z"], requires_grad=True)
        value = torch.nn.functional.rrelu(z, 0.1, 0.5, training=True)
        (slope,) = torch.autograd.grad(value, z, torch.ones_like(z), retain_graph=True)
        (towards,) = torch.autograd.grad(value, z, torch.tensor(inputs["upstream"]))
        # the slopes PyTorch drew, which ours then takes; rounded to float32 like every other input
        inputs["noise"] = slope.numpy()
        return {"value": value.detach().numpy(), "∂z": towards.numpy()}

    return Case("activation", text, "in training", "F.rrelu", _inputs("relu"), reference, _ours(text))


def _step() -> Case:
    def reference(inputs: Arrays, torch: Any) -> Arrays:
        return {"value": torch.heaviside(torch.tensor(inputs["z"]), torch.tensor(1.0).double()).numpy()}

    def ours(inputs: Arrays, by_hand: bool) -> Arrays:
        return {"value": _ours("step")(inputs, by_hand)["value"]}

    return Case("activation", "step", "", "torch.heaviside", _inputs("relu"), reference, ours, has_gradients=False)


def cases() -> list[Case]:
    """Every activation that PyTorch has, with its options."""
    found = []
    for name in (*PLAIN, *WITH_OPTIONS):
        for text in (name, *(f"{name}:{options}" for options in OPTIONS.get(name, ()))):
            differs = {"∂z": HARDSIGMOID} if name == "hardsigmoid" else {}
            found.append(
                Case("activation", text, "", _torch_name(name), _inputs(text), _reference(text), _ours(text), differs)
            )
    return [*found, _step(), _prelu(False), _prelu(True), _rrelu_in_training()]
