"""Losses of the error e = z − y of predicted numbers, entry by entry: outputs and targets (batch, k) ↦ (batch, k)."""

import jax
import jax.numpy as jnp
import optax

from fcnet.arrays import AnyArray, absolute, namespace, sign
from fcnet.catalogue import Option, table
from fcnet.contracts import REGRESSION
from fcnet.losses.record import Loss, from_slope, outputs_themselves


def mse(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The squared error, (z − y)²; both (batch, k) ↦ (batch, k)."""
    return optax.squared_error(outputs, targets)


def _mse(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    error = outputs - targets
    return error * error, 2 * error


def half_mse(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Half the squared error, ½ (z − y)², whose derivative is the error; both (batch, k) ↦ (batch, k)."""
    return optax.l2_loss(outputs, targets)


def _half_mse(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    error = outputs - targets
    return 0.5 * error * error, error


def mae(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The absolute error, |z − y|; both (batch, k) ↦ (batch, k). Its derivative at z = y is 0."""
    return absolute(outputs - targets)


def _mae(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    error = outputs - targets
    return xp.abs(error), sign(error)


def smooth_l1(outputs: jax.Array, targets: jax.Array, *, beta: float) -> jax.Array:
    """½ e² / β where |e| < β, else |e| − ½ β, with e = z − y; both (batch, k) ↦ (batch, k).

    It is Huber's loss divided by its δ = β, and the absolute error for β = 0.
    """
    return mae(outputs, targets) if beta == 0 else optax.huber_loss(outputs, targets, delta=beta) / beta


def _smooth_l1(outputs: AnyArray, targets: AnyArray, *, beta: float) -> tuple[AnyArray, AnyArray]:
    if beta == 0:
        return _mae(outputs, targets)
    value, slope = _huber(outputs, targets, delta=beta)
    return value / beta, slope / beta


def huber(outputs: jax.Array, targets: jax.Array, *, delta: float) -> jax.Array:
    """½ e² where |e| ≤ δ, else δ (|e| − ½ δ), with e = z − y; both (batch, k) ↦ (batch, k)."""
    return optax.huber_loss(outputs, targets, delta=delta)


def _huber(outputs: AnyArray, targets: AnyArray, *, delta: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    error = outputs - targets
    slope = xp.clip(error, -delta, delta)
    # the part of the error within δ counts by its square, the part beyond by its size
    return 0.5 * slope * slope + delta * (xp.abs(error) - xp.abs(slope)), slope


def tukey(outputs: jax.Array, targets: jax.Array, *, c: float) -> jax.Array:
    """Tukey's biweight, K (1 − (1 − (e/c)²)³) where |e| ≤ c, else K = c²/6, with e = z − y; (batch, k) ↦ (batch, k).

    Errors beyond c count alike and no longer pull. Computed as K u² (3 − 3u² + u⁴), u = e/c, which keeps its digits
    at small errors and has slope 0 at u = ±1, where u is clipped.
    """
    square = jnp.square(jnp.clip((outputs - targets) / c, -1.0, 1.0))
    return c * c / 6 * square * (3 - 3 * square + jnp.square(square))


def _tukey(outputs: AnyArray, targets: AnyArray, *, c: float) -> tuple[AnyArray, AnyArray]:
    share = namespace(outputs).clip((outputs - targets) / c, -1.0, 1.0)
    square = share * share
    inner = 1 - square
    return c * c / 6 * square * (1 + inner + inner * inner), c * share * inner * inner


ERRORS = table(
    Loss(
        name="mse",
        task=REGRESSION,
        function=mse,
        by_hand=from_slope(_mse),
        formula="(z − y)²",
        derivative_formula="2 (z − y)",
        targets="numbers",
        predict=outputs_themselves,
        torch="torch.nn.MSELoss",
        source="Legendre 1805, Nouvelles méthodes pour la détermination des orbites des comètes",
    ),
    Loss(
        name="half_mse",
        task=REGRESSION,
        function=half_mse,
        by_hand=from_slope(_half_mse),
        formula="½ (z − y)²",
        derivative_formula="z − y",
        targets="numbers",
        predict=outputs_themselves,
        source="Bishop 2006, Pattern recognition and machine learning, equation 1.2",
    ),
    Loss(
        name="mae",
        task=REGRESSION,
        function=mae,
        by_hand=from_slope(_mae),
        formula="|z − y|",
        derivative_formula="sign(z − y)",
        targets="numbers",
        predict=outputs_themselves,
        kinks="z = y: 0",
        torch="torch.nn.L1Loss",
        source="Laplace 1793, Sur quelques points du système du monde",
    ),
    Loss(
        name="smooth_l1",
        task=REGRESSION,
        function=smooth_l1,
        by_hand=from_slope(_smooth_l1),
        formula="½ e² / β if |e| < β else |e| − ½ β, e = z − y",
        derivative_formula="clip(e / β, −1, 1)",
        targets="numbers",
        predict=outputs_themselves,
        kinks="z = y if β = 0: 0",
        options={"beta": Option(1.0, "β: where it turns from quadratic to linear", low=0)},
        torch="torch.nn.SmoothL1Loss",
        source="Girshick 2015, Fast R-CNN",
    ),
    Loss(
        name="huber",
        task=REGRESSION,
        function=huber,
        by_hand=from_slope(_huber),
        formula="½ e² if |e| ≤ δ else δ (|e| − ½ δ), e = z − y",
        derivative_formula="clip(e, −δ, δ)",
        targets="numbers",
        predict=outputs_themselves,
        options={"delta": Option(1.0, "δ: where it turns from quadratic to linear", low=0, open_low=True)},
        torch="torch.nn.HuberLoss",
        source="Huber 1964, Robust estimation of a location parameter",
    ),
    Loss(
        name="tukey",
        task=REGRESSION,
        function=tukey,
        by_hand=from_slope(_tukey),
        formula="K (1 − (1 − (e/c)²)³) if |e| ≤ c else K, K = c²/6, e = z − y",
        derivative_formula="e (1 − (e/c)²)² if |e| ≤ c else 0",
        targets="numbers",
        predict=outputs_themselves,
        options={"c": Option(4.685, "c: beyond it an error no longer pulls", low=0, open_low=True)},
        source="Beaton & Tukey 1974, The fitting of power series, meaning polynomials",
    ),
)
