"""Losses: values and the gradients towards every input, for each option, reduction and weighting."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet import losses, objective
from fcnet.backprop.gradients import output_gradient
from fcnet.catalogue import choose
from fcnet.contracts import CLASSIFICATION, Batch, HParams
from fcnet.spec import MLPSpec
from ledger.case import Arrays, Case, float32_numbers, generator

CLASSES = 4
# errors at, beside and between the bends of smooth L1, Huber and the hinges, both zeros, and the far ends
ERRORS = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 0.25, 1e-3, -1e-3, 3.0, -7.0, 100.0, 1e4, -1e4)
CLASS_WEIGHTS = (0.5, 2.0, 0.0, 1.25)
IGNORED = 1


def _numbers() -> Arrays:
    targets = float32_numbers(generator("targets").integers(-8, 9, (len(ERRORS) // 2, 2)) / 4)
    return {"outputs": targets + float32_numbers(ERRORS).reshape(-1, 2), "targets": targets}


def _counts() -> Arrays:
    random = generator("counts")
    targets = np.array([0, 1, 2, 3, 5, 12, 40, 0, 1, 7, 100, 2], float).reshape(-1, 2)
    outputs = random.normal(size=targets.shape)
    outputs[0], outputs[1] = (0.0, -0.0), (5.0, -20.0)
    return {"outputs": float32_numbers(outputs), "targets": targets}


def _rates() -> Arrays:
    return _counts() | {"outputs": float32_numbers(np.abs(_counts()["outputs"]) + 0.25)}


def _logits() -> np.ndarray:
    """Random rows, all equal, two equal, a far leader in front and behind, margins of exactly 1, tiny differences."""
    logits = 2 * generator("logits").normal(size=(12, CLASSES))
    logits[1] = 0.0
    logits[2] = [1.5, 1.5, -1.0, 0.0]
    logits[3] = [1e4, 0.0, -1e4, 0.0]
    logits[4] = [-1e4, 0.0, 0.0, 0.0]
    logits[5] = [1.0, 0.0, 2.0, 1.0]
    logits[6] = [80.0, -80.0, 79.0, 80.0]
    logits[7] = [1e-3, -1e-3, 0.0, -0.0]
    return float32_numbers(logits)


def _classes() -> Arrays:
    return {"outputs": _logits(), "targets": np.arange(12.0) % CLASSES}


def _soft() -> Arrays:
    targets = float32_numbers(generator("soft").dirichlet(np.ones(CLASSES), 12))
    targets[0] = [1, 0, 0, 0]
    targets[1] = 1 / CLASSES
    return {"outputs": _logits(), "targets": targets}


def _memberships() -> Arrays:
    targets = generator("memberships").integers(0, 2, (12, CLASSES)).astype(float)
    targets[0], targets[1] = 0.0, 1.0
    return {"outputs": _logits(), "targets": targets}


def _near_memberships() -> Arrays:
    return _memberships() | {"outputs": np.clip(_logits(), -80, 80)}


def _probabilities() -> Arrays:
    outputs = generator("probabilities").uniform(0.01, 0.99, (12, CLASSES))
    outputs[0], outputs[1], outputs[2] = (0, 1, 0, 1), 0.5, (1e-3, 0.999, 1e-6, 0.25)
    return {"outputs": float32_numbers(outputs), "targets": _memberships()["targets"]}


def _log_probabilities() -> Arrays:
    outputs = np.log(generator("log").dirichlet(np.ones(CLASSES), 12))
    outputs[1] = -np.log(CLASSES)
    outputs[3, 0] = -1e4
    return _soft() | {"outputs": float32_numbers(outputs)}


def _log_targets() -> Arrays:
    return _log_probabilities() | {"targets": float32_numbers(np.log(_soft()["targets"] + 0.01))}


def _one_class() -> Arrays:
    return {"outputs": _logits()[:, :1].copy(), "targets": np.zeros(12)}


def _label_lists(torch: Any, memberships: Any) -> Any:
    """Multi-hot rows as PyTorch's multilabel_margin_loss wants them: class indices, then −1."""
    rows = [[*np.flatnonzero(row), *[-1] * int((row == 0).sum())] for row in memberships.numpy()]
    return torch.tensor(rows)


# (torch.nn.functional, outputs, targets, options, class weights or None) ↦ losses, unreduced
Torch = Callable[..., Any]


def _cross_entropy(F: Any, o: Any, t: Any, options: dict[str, Any], w: Any) -> Any:
    return F.cross_entropy(o, t.long() if t.ndim == 1 else t, weight=w, reduction="none")


PLAIN: dict[str, tuple[str, Torch, Callable[[], Arrays], tuple[str, ...]]] = {
    "mse": ("F.mse_loss", lambda F, o, t, q, w: F.mse_loss(o, t, reduction="none"), _numbers, ()),
    "mae": ("F.l1_loss", lambda F, o, t, q, w: F.l1_loss(o, t, reduction="none"), _numbers, ()),
    "smooth_l1": (
        "F.smooth_l1_loss",
        lambda F, o, t, q, w: F.smooth_l1_loss(o, t, beta=q["beta"], reduction="none"),
        _numbers,
        ("beta=0.25", "beta=2"),
    ),
    "huber": (
        "F.huber_loss",
        lambda F, o, t, q, w: F.huber_loss(o, t, delta=q["delta"], reduction="none"),
        _numbers,
        ("delta=0.5", "delta=3"),
    ),
    "poisson_nll": (
        "F.poisson_nll_loss",
        lambda F, o, t, q, w: F.poisson_nll_loss(o, t, q["log_input"], q["full"], eps=q["eps"], reduction="none"),
        _counts,
        ("full=true",),
    ),
    "cross_entropy": ("F.cross_entropy", _cross_entropy, _classes, ()),
    "nll": (
        "F.nll_loss",
        lambda F, o, t, q, w: F.nll_loss(o, t.long(), weight=w, reduction="none"),
        lambda: _log_probabilities() | {"targets": np.arange(12.0) % CLASSES},
        (),
    ),
    "binary_cross_entropy": (
        "F.binary_cross_entropy_with_logits",
        lambda F, o, t, q, w: F.binary_cross_entropy_with_logits(o, t, weight=w, reduction="none"),
        _memberships,
        (),
    ),
    "binary_cross_entropy_probability": (
        "F.binary_cross_entropy",
        lambda F, o, t, q, w: F.binary_cross_entropy(o, t, reduction="none"),
        _probabilities,
        (),
    ),
    "kl_divergence": (
        "F.kl_div",
        lambda F, o, t, q, w: F.kl_div(o, t, reduction="none", log_target=q["log_target"]),
        _log_probabilities,
        (),
    ),
    "multi_margin": (
        "F.multi_margin_loss",
        lambda F, o, t, q, w: F.multi_margin_loss(o, t.long(), q["p"], q["margin"], w, reduction="none"),
        _classes,
        ("p=2,margin=0.5",),
    ),
    "multilabel_margin": (
        "F.multilabel_margin_loss",
        lambda F, o, t, q, w: F.multilabel_margin_loss(o, q["labels"](t), reduction="none"),
        _memberships,
        (),
    ),
    "soft_margin": (
        "F.soft_margin_loss",
        lambda F, o, t, q, w: F.soft_margin_loss(o, 2 * t - 1, reduction="none"),
        _near_memberships,
        (),
    ),
    "multilabel_soft_margin": (
        "F.multilabel_soft_margin_loss",
        lambda F, o, t, q, w: F.multilabel_soft_margin_loss(o, t, weight=w, reduction="none"),
        _memberships,
        (),
    ),
}
SOFT_MARGIN = (
    "PyTorch's exp(−y z) overflows beyond |z| = 709 in float64 and its value is ∞ there; ours is the limit, |z|"
)


def _spec(text: str, outputs: int, dtype: Any, **fields: Any) -> objective.ObjectiveSpec:
    answers = objective.output_activation_for(text)
    model = MLPSpec(1, outputs, dtype=np.dtype(dtype).name, output_activation=answers)
    return objective.ObjectiveSpec(model, text, **fields)


def _batch(text: str, inputs: Arrays) -> Batch:
    targets = jnp.asarray(inputs["targets"])
    by_index = losses.get(text).task == CLASSIFICATION and targets.ndim == 1
    weight = jnp.asarray(inputs["weight"]) if "weight" in inputs else None
    return Batch(jnp.zeros((len(targets), 1)), targets.astype(jnp.int32) if by_index else targets, weight)


def _plain_case(
    name: str,
    text: str,
    what: str = "mean",
    make: Callable[[], Arrays] | None = None,
    *,
    weighted: bool = False,
    smoothing: float | None = None,
    differs: dict[str, str] | None = None,
    **fields: Any,
) -> Case:
    """A loss of outputs and targets under one reduction.

    ``weighted``: with sample weights, some of them 0. ``fields``: of the objective: reduction, class weights, ignored.
    """
    torch_name, torch_loss, default, _ = PLAIN[name]
    _, options = choose("loss", text, losses.LOSSES)
    reduction = fields.get("reduction", "mean")

    def inputs() -> Arrays:
        found = (make or default)()
        random = generator(f"{text} {what}")
        if reduction == "none":
            shape = found["outputs"].shape if name in ELEMENTWISE else found["outputs"].shape[:1]
            found["upstream"] = float32_numbers(random.normal(size=shape))
        if weighted:
            found["weight"] = float32_numbers(random.integers(0, 4, len(found["outputs"])))
        return found

    def reference(inputs: Arrays, torch: Any) -> Arrays:
        functional = torch.nn.functional
        o, t = torch.tensor(inputs["outputs"], requires_grad=True), torch.tensor(inputs["targets"])
        w = None if fields.get("class_weights") is None else torch.tensor(fields["class_weights"]).double()
        if name == "cross_entropy":
            labels = t.long() if t.ndim == 1 else t
            extra = {"weight": w, "label_smoothing": smoothing or 0.0, "ignore_index": fields.get("ignored", -100)}
            compute = lambda how: functional.cross_entropy(o, labels, reduction=how, **extra)  # noqa: E731
        elif name == "nll":
            extra = {"weight": w, "ignore_index": fields.get("ignored", -100)}
            compute = lambda how: functional.nll_loss(o, t.long(), reduction=how, **extra)  # noqa: E731
        else:
            given = options | {"labels": lambda rows: _label_lists(torch, rows)}
            unreduced = torch_loss(functional, o, t, given, w)
            how_to = {"none": lambda x: x, "mean": lambda x: x.mean(), "sum": lambda x: x.sum()}
            how_to["batchmean"] = lambda x: x.sum() / len(o)
            compute = lambda how: how_to[how](unreduced)  # noqa: E731
        if weighted:
            rows, none = torch.tensor(inputs["weight"]), compute("none")
            column = rows.reshape(-1, *[1] * (none.ndim - 1))
            value = (column * none).sum() / (column * torch.ones_like(none)).sum()
        else:
            value = compute(reduction)
        upstream = torch.tensor(inputs["upstream"]) if reduction == "none" else None
        (towards,) = torch.autograd.grad(value, o, upstream)
        return {"value": value.detach().numpy(), "∂outputs": towards.numpy()}

    def ours(inputs: Arrays, by_hand: bool) -> dict[str, Any]:
        outputs, batch = jnp.asarray(inputs["outputs"]), _batch(text, inputs)
        hparams = HParams(0.0, label_smoothing=None if smoothing is None else jnp.asarray(smoothing, outputs.dtype))
        kept = fields | {"reduction": "mean" if reduction == "none" else reduction}
        spec = _spec(text, outputs.shape[1], outputs.dtype, **kept)
        if reduction != "none":
            if by_hand:
                value, _, towards = output_gradient(spec, hparams, outputs, batch)
            else:
                value, towards = jax.value_and_grad(lambda o: objective.value(spec, hparams, o, batch))(outputs)
            return {"value": value, "∂outputs": towards}
        loss, wanted = losses.get(text), objective.targets(spec, hparams, batch.y)
        weights, upstream = objective.class_weights(spec, outputs.dtype), jnp.asarray(inputs["upstream"])
        if by_hand:
            value, pullback = loss.by_hand(outputs, wanted, **weights)
            return {"value": value, "∂outputs": pullback(upstream)}
        value, pull = jax.vjp(lambda o: loss.function(o, wanted, **weights), outputs)
        return {"value": value, "∂outputs": pull(upstream)[0]}

    return Case("loss", text, what, torch_name, inputs, reference, ours, differs or {})


ELEMENTWISE = {
    "mse", "mae", "smooth_l1", "huber", "poisson_nll", "binary_cross_entropy", "binary_cross_entropy_probability",
    "kl_divergence", "soft_margin",
}  # fmt: skip


def _plain_cases() -> list[Case]:
    found = []
    for name, (_, _, _, options) in PLAIN.items():
        found += [_plain_case(name, text) for text in (name, *(f"{name}:{given}" for given in options))]
        found += [_plain_case(name, name, reduction, reduction=reduction) for reduction in ("none", "sum")]
        found.append(_plain_case(name, name, "mean, sample weights", weighted=True))
    far = {"value": SOFT_MARGIN, "∂outputs": SOFT_MARGIN}
    found.append(_plain_case("soft_margin", "soft_margin", "mean, |z| = 10⁴", _memberships, differs=far))
    found.append(_plain_case("kl_divergence", "kl_divergence", "batchmean", reduction="batchmean"))
    found.append(_plain_case("poisson_nll", "poisson_nll:log_input=false", make=_rates))
    found.append(_plain_case("poisson_nll", "poisson_nll:log_input=false,full=true,eps=0.01", make=_rates))
    for name in ("cross_entropy", "nll", "binary_cross_entropy", "multi_margin", "multilabel_soft_margin"):
        for reduction in ("mean", "sum"):
            what = f"{reduction}, class weights"
            found.append(_plain_case(name, name, what, reduction=reduction, class_weights=CLASS_WEIGHTS))
    for name in ("cross_entropy", "nll"):
        found.append(_plain_case(name, name, "mean, ignored class", ignored=IGNORED))
        what = "mean, ignored class, class weights"
        found.append(_plain_case(name, name, what, ignored=IGNORED, class_weights=CLASS_WEIGHTS))
        why = {"value": "PyTorch divides 0 by 0 and answers NaN; ours is 0, and training goes on"}
        everything = partial(_all_ignored, name)
        found.append(_plain_case(name, name, "all rows ignored", everything, ignored=IGNORED, differs=why))
    entropy = "cross_entropy"
    found.append(_plain_case(entropy, entropy, "mean, soft targets", _soft))
    found.append(_plain_case(entropy, entropy, "mean, soft targets, class weights", _soft, class_weights=CLASS_WEIGHTS))
    found.append(_plain_case(entropy, entropy, "mean, smoothing 0.1", smoothing=0.1))
    found.append(_plain_case(entropy, entropy, "mean, soft targets, smoothing 0.1", _soft, smoothing=0.1))
    what = "mean, smoothing 0.1, class weights, ignored class"
    found.append(_plain_case(entropy, entropy, what, smoothing=0.1, class_weights=CLASS_WEIGHTS, ignored=IGNORED))
    found.append(_plain_case(entropy, entropy, "mean, one class", _one_class))
    return found


def _all_ignored(name: str) -> Arrays:
    return PLAIN[name][2]() | {"targets": np.full(12, float(IGNORED))}


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
    inputs = _numbers()
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
    _log_targets,
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
    """Every loss that PyTorch has, with its options, reductions and weights."""
    return [*_plain_cases(), *(_of_inputs_case(text) for text in OF_INPUTS)]
