"""Layers: dense, the norms in training and evaluation, dropout with PyTorch's own masks, the max-norm projection."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet import regularizers
from fcnet.backprop.backward import affine_gradients, delta_through_kernel
from fcnet.backprop.forward import LayerCache
from fcnet.contracts import HParams
from fcnet.layers import DROPOUTS, norms
from ledger.case import Arrays, Case, float32_numbers, generator

ROWS, UNITS = 6, 8
RATE = 0.375


def _features(key: str, kind: str) -> np.ndarray:
    z = generator(f"{key} features").normal(size=(ROWS, UNITS))
    return float32_numbers({"random": z, "large": 1e4 * z + 1e3, "small": 1e-3 * z}[kind])


def _norm_inputs(text: str, kind: str) -> Callable[[], Arrays]:
    norm = norms.get(text)

    def make() -> Arrays:
        random = generator(text)
        inputs = {"z": _features(text, kind), "upstream": random.normal(size=(ROWS, UNITS))}
        if norm.parameters():
            inputs |= {name: random.normal(size=norm.width(UNITS)) for name in ("scale", "shift")}
        if norm.over_batch:
            inputs |= {"mean": random.normal(size=UNITS), "variance": random.uniform(0.5, 2, UNITS)}
        return {name: float32_numbers(value) for name, value in inputs.items()}

    return make


def _norm_reference(text: str, training: bool) -> Callable[[Arrays, Any], Arrays]:
    norm = norms.get(text)
    options = norm.given

    def compute(inputs: Arrays, torch: Any) -> Arrays:
        functional = torch.nn.functional
        z = torch.tensor(inputs["z"], requires_grad=True)
        learned = [torch.tensor(inputs[name], requires_grad=True) for name in ("scale", "shift") if name in inputs]
        scale, shift = learned or (None, None)
        results = {}
        if norm.name == "batch":
            mean, variance = (torch.tensor(inputs[name]) for name in ("mean", "variance"))
            momentum = options["momentum"]
            value = functional.batch_norm(z, mean, variance, scale, shift, training, momentum, options["eps"])
            results = {"running mean": mean.numpy(), "running variance": variance.numpy()}
        elif norm.name == "layer":
            value = functional.layer_norm(z, (UNITS,), scale, shift, options["eps"])
        elif norm.name == "group":
            value = functional.group_norm(z, options["groups"], scale, shift, options["eps"])
        else:
            cut = z.reshape(ROWS, options["channels"], -1)
            value = functional.instance_norm(cut, weight=scale, bias=shift, eps=options["eps"]).reshape(ROWS, UNITS)
        towards = torch.autograd.grad(value, (z, *learned), torch.tensor(inputs["upstream"]))
        results |= {"value": value.detach().numpy(), "∂z": towards[0].numpy()}
        return results | {f"∂{name}": t.numpy() for name, t in zip(("scale", "shift"), towards[1:], strict=False)}

    return compute


def _norm_ours(text: str, training: bool) -> Callable[[Arrays, bool], Arrays]:
    norm = norms.get(text)

    def compute(inputs: Arrays, by_hand: bool) -> dict[str, Any]:
        arrays = {name: jnp.asarray(value) for name, value in inputs.items()}
        z, upstream = arrays["z"], arrays["upstream"]
        learned = {name: arrays[name] for name in norm.parameters()}
        kept: dict[str, Any] = {name: arrays[name] for name in ("mean", "variance") if name in arrays}
        if by_hand:
            found, pullback = norms.by_hand(norm, z, learned)
            towards_z, shares = pullback(upstream)
            towards = {name: jnp.sum(of_rows, axis=0) for name, of_rows in shares.items()}
        else:

            def value(z: jax.Array, learned: dict[str, jax.Array]) -> tuple[jax.Array, norms.Normalised]:
                answer = norms.function(norm, z, learned, kept, training=training)
                return answer.value, answer

            _, pull, found = jax.vjp(value, z, learned, has_aux=True)
            towards_z, towards = pull(upstream)
        results = {"value": found.value, "∂z": towards_z} | {f"∂{name}": t for name, t in towards.items()}
        if kept:
            after = norms.running(norm, kept, found.mean, found.variance, ROWS) if training else kept
            results |= {f"running {name}": value for name, value in after.items()}
        return results

    return compute


def _norm_case(text: str, kind: str, training: bool = True) -> Case:
    norm = norms.get(text)
    where = kind if training else f"{kind}, in evaluation"
    name = {"batch": "F.batch_norm", "layer": "F.layer_norm", "group": "F.group_norm", "instance": "F.instance_norm"}
    reference, ours = _norm_reference(text, training), _norm_ours(text, training)
    # in evaluation batch norm is an affine map, which the hand-written backward pass never meets
    if not training:
        ours = partial(_without_hand, ours)
    return Case("norm", text, where, name[norm.name], _norm_inputs(text, kind), reference, ours, mixes=True)


def _without_hand(ours: Callable[[Arrays, bool], Arrays], inputs: Arrays, by_hand: bool) -> Arrays:
    return ours(inputs, False)


def _dense() -> Case:
    def inputs() -> Arrays:
        random = generator("dense")
        shapes = {"a": (ROWS, 5), "kernel": (5, UNITS), "bias": (UNITS,), "upstream": (ROWS, UNITS)}
        return {name: float32_numbers(random.normal(size=shape)) for name, shape in shapes.items()}

    def reference(inputs: Arrays, torch: Any) -> Arrays:
        a, kernel, bias = (torch.tensor(inputs[name], requires_grad=True) for name in ("a", "kernel", "bias"))
        value = torch.nn.functional.linear(a, kernel.T, bias)
        towards = torch.autograd.grad(value, (a, kernel, bias), torch.tensor(inputs["upstream"]))
        gradients = {f"∂{name}": t.numpy() for name, t in zip(("a", "kernel", "bias"), towards, strict=True)}
        return {"value": value.detach().numpy()} | gradients

    def ours(inputs: Arrays, by_hand: bool) -> dict[str, Any]:
        a, kernel, bias, upstream = (jnp.asarray(inputs[name]) for name in ("a", "kernel", "bias", "upstream"))
        value, pull = jax.vjp(lambda a, kernel, bias: a @ kernel + bias.reshape(1, -1), a, kernel, bias)
        if not by_hand:
            return {"value": value} | dict(zip(("∂a", "∂kernel", "∂bias"), pull(upstream), strict=True))
        towards = affine_gradients(LayerCache(a, kernel, None, True, (), None), upstream)
        gradients = {f"∂{name}": t for name, t in towards.items()}
        return {"value": value, "∂a": delta_through_kernel(upstream, kernel)} | gradients

    return Case("layer", "dense", "", "F.linear", inputs, reference, ours)


def _dropout(name: str) -> Case:
    torch_name = {"inverted": "dropout", "alpha": "alpha_dropout"}[name]

    def inputs() -> Arrays:
        random = generator(name)
        arrays = {"a": random.normal(size=(ROWS, UNITS)), "upstream": random.normal(size=(ROWS, UNITS))}
        return {key: float32_numbers(value) for key, value in arrays.items()}

    def reference(inputs: Arrays, torch: Any) -> Arrays:
        torch.manual_seed(0)
        a = torch.tensor(inputs["a"], requires_grad=True)
        value = getattr(torch.nn.functional, torch_name)(a, RATE, training=True)
        (towards,) = torch.autograd.grad(value, a, torch.tensor(inputs["upstream"]))
        inputs["kept"] = (towards != 0).double().numpy()  # what PyTorch drew, which ours then takes
        return {"value": value.detach().numpy(), "∂a": towards.numpy()}

    def ours(inputs: Arrays, by_hand: bool) -> dict[str, Any]:
        a, upstream = jnp.asarray(inputs["a"]), jnp.asarray(inputs["upstream"])
        rate = jnp.asarray(RATE, a.dtype)
        multiplier, addend = DROPOUTS[name].affine(jnp.asarray(inputs["kept"] == 1), rate, a.dtype)

        def drop(a: jax.Array) -> jax.Array:
            return a * multiplier if addend is None else a * multiplier + addend

        value, pull = jax.vjp(drop, a)
        return {"value": value, "∂a": upstream * multiplier if by_hand else pull(upstream)[0]}

    return Case("dropout", name, f"p = {RATE}", f"F.{torch_name}", inputs, reference, ours)


def _max_norm() -> Case:
    def inputs() -> Arrays:
        kernel = generator("max norm").normal(size=(5, UNITS))
        kernel[:, 0] = 0
        kernel[:, 1] *= 1e-3
        kernel[:, 2] *= 1e4
        return {"kernel": float32_numbers(kernel)}

    def reference(inputs: Arrays, torch: Any) -> Arrays:
        return {"value": torch.renorm(torch.tensor(inputs["kernel"]).T, 2, 0, 1.5).T.contiguous().numpy()}

    def ours(inputs: Arrays, by_hand: bool) -> dict[str, Any]:
        kernel = jnp.asarray(inputs["kernel"])
        hparams = HParams(0.0, max_norm=jnp.asarray(1.5, kernel.dtype))
        return {"value": regularizers.constrain(hparams, {"layer_1": {"kernel": kernel}})["layer_1"]["kernel"]}

    why = "PyTorch divides by the norm + 1e-7, so that its result stays inside the ball by that much; ours lies on it"
    return Case(
        "constraint",
        "max_norm",
        "c = 1.5",
        "torch.renorm",
        inputs,
        reference,
        ours,
        {"value": why},
        has_gradients=False,
    )


def cases() -> list[Case]:
    """Dense, norms, dropout and the max-norm constraint."""
    normed = ["batch", "batch:momentum=0.4,eps=0.001,affine=false", "layer", "layer:affine=false", "group:groups=2"]
    normed += ["group:groups=4,eps=0.1", "instance:channels=2", "instance:channels=2,affine=true"]
    training = [_norm_case(text, "random") for text in normed]
    hard = [_norm_case(text, kind) for text in ("batch", "layer", "group:groups=2") for kind in ("large", "small")]
    return [
        _dense(),
        *training,
        *hard,
        _norm_case("batch", "random", training=False),
        _dropout("inverted"),
        _dropout("alpha"),
        _max_norm(),
    ]
