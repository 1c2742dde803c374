"""Losses that PyTorch gives several inputs – pairs, triplets, variances, sequences: the gradient towards each."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet import losses
from fcnet.catalogue import choose
from ledger.case import Arrays, Case, float32_numbers, generator
from ledger.losses import Torch, log_targets, numbers


def _vectors(key: str, count: int, width: int = 3) -> list[np.ndarray]:
    random = generator(key)
    made = [float32_numbers(random.normal(size=(8, width))) for _ in range(count)]
    for array in made[1:]:
        array[0] = made[0][0]  # equal vectors
        array[1] = -made[0][1]  # opposite ones
    return made


def _signs() -> np.ndarray:
    return np.array([1.0, -1.0] * 4)


def _pair(name: str) -> Arrays:
    x1, x2 = _vectors(name, 2)
    return {"x1": x1, "x2": x2, "y": _signs()}


def _scores() -> Arrays:
    x1 = float32_numbers([0.0, 0.0, 1.0, 2.0, 1.5, -1e4, 0.25, 3.0])
    x2 = float32_numbers([0.0, -0.0, 1.5, 1.5, 1.5, 1e4, 0.5, 0.0])
    return {"x1": x1, "x2": x2, "y": _signs()}


def _distances() -> Arrays:
    return {"x": float32_numbers([0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 30.0, 30.0]), "y": _signs()}


def _triplet() -> Arrays:
    anchor, positive, negative = _vectors("triplet", 3)
    return {"anchor": anchor, "positive": positive, "negative": negative}


def _gaussian() -> Arrays:
    inputs = numbers()
    variance = float32_numbers(generator("variance").uniform(0.25, 4, inputs["targets"].shape))
    return {"mean": inputs["outputs"], "targets": inputs["targets"], "variance": variance}


def _alignment() -> Arrays:
    logits = 2 * generator("ctc").normal(size=(4, 6, 5))
    logits[1] = 0.0
    return {
        "logits": float32_numbers(logits),
        "labels": np.array([[1, 2, 3], [1, 1, 4], [2, 2, 2], [3, 0, 0]], float),
        "frame_lengths": np.array([6.0, 5, 6, 4]),
        "label_lengths": np.array([3.0, 3, 3, 1]),
    }


def _ctc_in_torch(F: Any, logits: Any, labels: Any, frames: Any, lengths: Any, **q: Any) -> Any:
    log_probabilities = F.log_softmax(logits.swapaxes(0, 1), dim=-1)
    return F.ctc_loss(log_probabilities, labels.long(), frames.long(), lengths.long(), reduction="none")


def _triplet_distance_in_torch(F: Any, a: Any, p: Any, n: Any, **q: Any) -> Any:
    distances = {
        "euclidean": F.pairwise_distance,
        "manhattan": lambda x, y: F.pairwise_distance(x, y, p=1),
        "squared": lambda x, y: ((x - y) ** 2).sum(-1),
        "cosine": lambda x, y: 1 - F.cosine_similarity(x, y),
    }
    chosen = distances[q["distance"]]
    return F.triplet_margin_with_distance_loss(
        a, p, n, distance_function=chosen, margin=q["margin"], swap=q["swap"], reduction="none"
    )


# text ↦ PyTorch's name and function, inputs, those that have gradients
OF_INPUTS: dict[str, tuple[str, Torch, Callable[[], Arrays], tuple[str, ...]]] = {}


def _of_inputs(text: str, torch_name: str, function: Torch, make: Callable[[], Arrays], *towards: str) -> None:
    OF_INPUTS[text] = (torch_name, function, make, towards)


for _text in ("margin_ranking", "margin_ranking:margin=0.5"):
    _of_inputs(
        _text,
        "F.margin_ranking_loss",
        lambda F, x1, x2, y, **q: F.margin_ranking_loss(x1, x2, y, q["margin"], reduction="none"),
        _scores,
        "x1",
        "x2",
    )
for _text in ("hinge_embedding", "hinge_embedding:margin=0.5"):
    _of_inputs(
        _text,
        "F.hinge_embedding_loss",
        lambda F, x, y, **q: F.hinge_embedding_loss(x, y, q["margin"], reduction="none"),
        _distances,
        "x",
    )
for _text in ("cosine_embedding", "cosine_embedding:margin=0.25"):
    _of_inputs(
        _text,
        "F.cosine_embedding_loss",
        lambda F, x1, x2, y, **q: F.cosine_embedding_loss(x1, x2, y, q["margin"], reduction="none"),
        lambda: _pair("cosine"),
        "x1",
        "x2",
    )
for _text in ("triplet_margin", "triplet_margin:margin=0.25,p=1", "triplet_margin:swap=true", "triplet_margin:p=3"):
    _of_inputs(
        _text,
        "F.triplet_margin_loss",
        lambda F, anchor, positive, negative, *, margin, p, eps, swap: F.triplet_margin_loss(
            anchor, positive, negative, margin, p, eps, swap=swap, reduction="none"
        ),
        _triplet,
        "anchor",
        "positive",
        "negative",
    )
for _text in ("euclidean", "manhattan", "squared", "cosine"):
    for _swap in ("false", "true"):
        _of_inputs(
            f"triplet_distance:distance={_text},swap={_swap}",
            "F.triplet_margin_with_distance_loss",
            _triplet_distance_in_torch,
            _triplet,
            "anchor",
            "positive",
            "negative",
        )
for _text in ("gaussian_nll", "gaussian_nll:full=true,eps=0.5"):
    _of_inputs(
        _text,
        "F.gaussian_nll_loss",
        lambda F, mean, t, v, **q: F.gaussian_nll_loss(mean, t, v, q["full"], q["eps"], reduction="none"),
        _gaussian,
        "mean",
        "variance",
    )
_of_inputs(
    "kl_divergence:log_target=true",
    "F.kl_div",
    lambda F, o, t, **q: F.kl_div(o, t, reduction="none", log_target=True),
    log_targets,
    "outputs",
)
_of_inputs("ctc", "F.ctc_loss", _ctc_in_torch, _alignment, "logits")


def _of_inputs_case(text: str) -> Case:
    torch_name, function, make, towards = OF_INPUTS[text]
    loss = losses.get(text)
    _, options = choose("loss", text, losses.LOSSES)
    whole = {"labels", "frame_lengths", "label_lengths"}

    def reference(inputs: Arrays, torch: Any) -> Arrays:
        tensors = {name: torch.tensor(value, requires_grad=name in towards) for name, value in inputs.items()}
        value = function(torch.nn.functional, *tensors.values(), **options)
        # what comes from above is another number for each loss
        inputs["upstream"] = float32_numbers(generator(text).normal(size=tuple(value.shape)))
        wanted = [tensors[name] for name in towards]
        found = torch.autograd.grad(value, wanted, torch.tensor(inputs["upstream"]))
        gradients = {f"∂{name}": t.numpy() for name, t in zip(towards, found, strict=True)}
        return {"value": value.detach().numpy()} | gradients

    def ours(inputs: Arrays, by_hand: bool) -> dict[str, Any]:
        given = {
            name: jnp.asarray(value, jnp.int32) if name in whole else jnp.asarray(value)
            for name, value in inputs.items()
            if name != "upstream"
        }
        upstream = jnp.asarray(inputs["upstream"])
        of_inputs, of_inputs_by_hand = loss.of_inputs, loss.of_inputs_by_hand
        assert of_inputs is not None
        assert of_inputs_by_hand is not None
        if by_hand:
            value, pullback = of_inputs_by_hand(*given.values())
            found = pullback(upstream)
        else:

            def compute(*chosen: jax.Array) -> jax.Array:
                return of_inputs(*(given | dict(zip(towards, chosen, strict=True))).values())

            value, pull = jax.vjp(compute, *(given[name] for name in towards))
            found = pull(upstream)
        return {"value": value} | {f"∂{name}": t for name, t in zip(towards, found, strict=True)}

    return Case("loss", text, "of its inputs", torch_name, make, reference, ours)


def cases() -> list[Case]:
    """Every loss of several inputs that PyTorch has, with its options, unreduced."""
    return [_of_inputs_case(text) for text in OF_INPUTS]
