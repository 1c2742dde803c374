"""Losses of outputs and targets: values and gradients for each option, reduction and weighting."""

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


def numbers() -> Arrays:
    """Predicted and true numbers with the awkward errors between them."""
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


def log_targets() -> Arrays:
    """Log-probabilities on both sides."""
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
    "mse": ("F.mse_loss", lambda F, o, t, q, w: F.mse_loss(o, t, reduction="none"), numbers, ()),
    "mae": ("F.l1_loss", lambda F, o, t, q, w: F.l1_loss(o, t, reduction="none"), numbers, ()),
    "smooth_l1": (
        "F.smooth_l1_loss",
        lambda F, o, t, q, w: F.smooth_l1_loss(o, t, beta=q["beta"], reduction="none"),
        numbers,
        ("beta=0.25", "beta=2"),
    ),
    "huber": (
        "F.huber_loss",
        lambda F, o, t, q, w: F.huber_loss(o, t, delta=q["delta"], reduction="none"),
        numbers,
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
        loss, wanted = losses.get(text), objective.targets(spec, hparams, batch.y, outputs)
        weights, upstream = objective.class_weights(spec, outputs), jnp.asarray(inputs["upstream"])
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


def cases() -> list[Case]:
    """Every loss of outputs and targets that PyTorch has, with its options, reductions and weights."""
    return _plain_cases()
