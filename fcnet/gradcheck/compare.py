"""Two sets of gradients side by side, each tensor on its own scale."""

from dataclasses import dataclass, replace
from math import isfinite, sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet import backprop, objective
from fcnet.contracts import Batch, HParams, ModelState, Params
from fcnet.errors import require


@dataclass(frozen=True)
class TensorComparison:
    """One tensor: its name ("layer_2/kernel"), shape, and ‖g − r‖ / max(‖g‖, ‖r‖), 0 where both vanish."""

    name: str
    shape: tuple[int, ...]
    relative_difference: float


@dataclass(frozen=True)
class Comparison:
    """All tensors of a network, first layer to last, and the difference that rounding alone explains."""

    tensors: tuple[TensorComparison, ...]
    tolerance: float
    dtype: str

    @property
    def worst(self) -> TensorComparison:
        """The tensor that differs most; a difference that is not a number counts as the largest."""
        return max(self.tensors, key=lambda t: (not isfinite(t.relative_difference), t.relative_difference))

    def summary(self) -> dict[str, Any]:
        """The verdict and the worst tensor as plain values for JSON; a difference that is not a number is None."""
        difference = self.worst.relative_difference
        return {
            "agrees": self.agrees,
            "worst_tensor": self.worst.name,
            "worst_relative_difference": difference if isfinite(difference) else None,
            "tolerance": self.tolerance,
        }

    @property
    def agrees(self) -> bool:
        """Whether every tensor is within the tolerance."""
        return isfinite(self.worst.relative_difference) and self.worst.relative_difference <= self.tolerance


def tolerance(dtype: str, longest_sum: int, depth: int) -> float:
    """4 · depth · (ε + √n ε₊): what rounding alone explains.

    Every layer rounds its results once more (ε) and adds up sums of n terms whose errors grow like √n (ε₊).

    Args:
        dtype: of the products: its machine epsilon is ε (2⁻²³ for float32, 2⁻⁷ for bfloat16). Sums are kept in
            the same type, but never in less than float32, hence ε₊.
        longest_sum: n, the most terms that any product of the pass adds up.
        depth: layers passed.

    Source: Higham 2002, Accuracy and Stability of Numerical Algorithms, §3.1 and the statistical rule of §2.8.
    """
    epsilon = float(jnp.finfo(dtype).eps)
    sum_epsilon = min(epsilon, float(jnp.finfo(jnp.float32).eps))
    return 4 * depth * (epsilon + sqrt(longest_sum) * sum_epsilon)


def compare(grads: Params, reference: Params) -> tuple[TensorComparison, ...]:
    """Tensor by tensor, in float64 on the host.

    Raises:
        InputError: the trees or the shapes differ.
    """
    # layer_10 comes after layer_2, and where the layer is the same the kernel before the bias
    rows = []
    got, expected = jax.tree.leaves_with_path(grads), jax.tree.leaves_with_path(reference)
    require(
        [path for path, _ in got] == [path for path, _ in expected],
        f"gradients are for {_names(got)}, the reference is for {_names(expected)}",
    )
    for (path, value), (_, oracle) in zip(got, expected, strict=True):
        name = "/".join(step.key for step in path)
        g, r = np.asarray(value, np.float64), np.asarray(oracle, np.float64)
        require(g.shape == r.shape, f"gradient of {name} has shape {g.shape}, the reference has {r.shape}")
        scale = max(float(np.linalg.norm(g)), float(np.linalg.norm(r)))
        difference = float(np.linalg.norm(g - r))
        rows.append(TensorComparison(name, g.shape, difference / scale if scale else difference))
    return tuple(sorted(rows, key=lambda row: (len(row.name.split("/")[0]), row.name.split("/")[0], -len(row.shape))))


def _names(leaves: list[tuple[Any, jax.Array]]) -> str:
    return ", ".join("/".join(step.key for step in path) for path, _ in leaves)


def compare_manual_with_autodiff(
    spec: objective.ObjectiveSpec,
    hparams: HParams,
    params: Params,
    batch: Batch,
    *,
    state: ModelState,
    key: jax.Array,
) -> Comparison:
    """This very network's gradients by hand against ``jax.grad``, on one batch, in at least full float32.

    The check is of formulas, not of narrow arithmetic: a bfloat16 network is compared in float32, the type of its
    parameters, because a bias gradient whose terms cancel would keep too few of 8 bits to be judged.
    """
    if spec.model.dtype == "bfloat16":
        spec = replace(spec, model=replace(spec.model, dtype="float32"))
    # likewise an accelerator's default float32 product may round to 10 bits
    with jax.default_matmul_precision("highest"):

        @jax.jit
        def both(hparams: HParams, params: Params, batch: Batch, key: jax.Array) -> tuple[Params, Params]:
            by_hand = backprop.manual(spec, hparams)(params, batch, state=state, key=key)
            automatic = objective.autodiff(spec, hparams)(params, batch, state=state, key=key)
            return by_hand.grads, automatic.grads

        tensors = compare(*both(hparams, params, batch, key))
    longest_sum = max(batch.x.shape[0], *spec.model.sizes)
    return Comparison(tensors, tolerance(spec.model.dtype, longest_sum, len(spec.model.layer_names)), spec.model.dtype)
