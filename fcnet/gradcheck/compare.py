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

# Gradients below this share of the largest one are judged on that scale; what rounding explains grows by as much.
FLOOR = 1e-3


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


def compare(grads: Params, reference: Params, *, floor: float = 0.0) -> tuple[TensorComparison, ...]:
    """Tensor by tensor, in float64 on the host.

    Args:
        floor: the smallest scale of a tensor, as a share of the largest norm of all; 0 judges each on its own alone.

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
    largest = max((float(np.linalg.norm(np.asarray(oracle, np.float64))) for _, oracle in expected), default=0.0)
    for (path, value), (_, oracle) in zip(got, expected, strict=True):
        name = "/".join(step.key for step in path)
        g, r = np.asarray(value, np.float64), np.asarray(oracle, np.float64)
        require(g.shape == r.shape, f"gradient of {name} has shape {g.shape}, the reference has {r.shape}")
        scale = max(float(np.linalg.norm(g)), float(np.linalg.norm(r)), floor * largest)
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
    """This very network's gradients by hand against ``jax.grad``, on one batch, both in float64.

    The check is of formulas, not of narrow arithmetic: in float64 what rounding leaves is far below any mistake, also
    in a gradient that is a small difference of large terms, as a norm's is. A tensor whose gradient is 0 but for
    rounding, such as a bias that batch norm cancels, is judged on the scale of ``FLOOR`` times the largest tensor.
    """
    wide = replace(spec, model=replace(spec.model, dtype="float64"))

    def widened(tree: Any) -> Any:
        is_narrow = lambda leaf: jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating)  # noqa: E731
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64) if is_narrow(leaf) else leaf, tree)

    with jax.enable_x64(True):

        @jax.jit
        def both(
            hparams: HParams, params: Params, batch: Batch, state: ModelState, key: jax.Array
        ) -> tuple[Params, Params]:
            by_hand = backprop.manual(wide, hparams)(params, batch, state=state, key=key)
            automatic = objective.autodiff(wide, hparams)(params, batch, state=state, key=key)
            return by_hand.grads, automatic.grads

        # x comes as stored: pixels stay pixels
        arguments = (*widened((hparams, params)), batch, widened(state), key)
        tensors = compare(*both(*arguments), floor=FLOOR)
    longest_sum = max(batch.x.shape[0], *(layer.columns for layer in wide.model.layers), wide.model.inputs)
    rounding = tolerance("float64", longest_sum, len(wide.model.layer_names))
    return Comparison(tensors, rounding / FLOOR, "float64")
