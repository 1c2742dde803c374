"""Normalisation of feature vectors: ẑ = (z − mean) / √(variance + ε), then γ ẑ + β, each with its pullback by hand.

The four norms differ only in what is averaged. Over the batch: one mean for each unit, with running averages for
evaluation. Within a row: over all its units (layer), over groups of them (group), or over the positions of each channel
(instance). Variances divide by n, the running variance by n − 1, as in PyTorch; statistics are in float32 at least.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fcnet.arrays import AnyArray, namespace, widened
from fcnet.catalogue import Entry, Option, Options, choose, table
from fcnet.errors import require

Parameters = Mapping[str, AnyArray]
# {"mean": (units,), "variance": (units,)}, {} for norms that remember nothing
Statistics = Mapping[str, AnyArray]
# ∂L/∂output ↦ (∂L/∂z, {"scale": what each row adds to ∂L/∂γ, (batch, entries of γ), "shift": likewise})
Pullback = Callable[[AnyArray], tuple[AnyArray, dict[str, AnyArray]]]


def _whole_row(units: int, options: Options) -> int:
    return 1


def _groups(units: int, options: Options) -> int:
    return int(options["groups"])


def _channels(units: int, options: Options) -> int:
    return int(options["channels"])


@dataclass(frozen=True, kw_only=True)
class Norm(Entry):
    """One norm, with its options filled in by ``get``.

    ``over_batch``: whether means are over the rows of the batch; else within a row.
    ``groups``: (units, options) ↦ into how many stretches of equal length a row is cut, each normalised by itself.
    ``per_group``: whether γ and β are one for each stretch, as instance norm has them for channels, or for each unit.
    """

    over_batch: bool = False
    groups: Callable[[int, Options], int] = _whole_row
    per_group: bool = False
    derivative_formula: str = "δz = γ/s (δ − mean(δ) − ẑ mean(δ ẑ)), s = √(variance + ε), δ ⊙ γ averaged like z"
    chosen: tuple[tuple[str, Any], ...] = ()

    @property
    def given(self) -> Options:
        """The value of every option."""
        return dict(self.chosen)

    def check(self, units: int) -> None:
        """Refuse a layer of ``units`` units that it cannot normalise.

        Raises:
            InputError: groups that do not divide the units, or of a single unit, which would always be 0.
        """
        if self.over_batch:
            return
        groups = self.groups(units, self.given)
        require(
            units % groups == 0 and units // groups > 1,
            f"norm {self.name} of {units} units in {groups} groups: the groups must divide the units, two or more each",
        )

    def parameters(self) -> dict[str, float]:
        """The learned parameters and what they start from: γ = 1 ("scale") and β = 0 ("shift"); none without affine."""
        return {"scale": 1.0, "shift": 0.0} if self.given["affine"] else {}

    def width(self, units: int) -> int:
        """Entries of γ and of β."""
        return self.groups(units, self.given) if self.per_group else units


_EPSILON = Option(1e-5, "ε: keeps the division finite", low=0, open_low=True)
_AFFINE = Option(True, "whether γ and β are learned")
NORMS = table(
    Norm(
        name="batch",
        formula="γ (z − µ)/√(σ² + ε) + β, µ and σ² over the batch; running averages of them in evaluation",
        over_batch=True,
        options={
            "momentum": Option(0.1, "share of the newest batch in the running averages", low=0, high=1, open_low=True),
            "eps": _EPSILON,
            "affine": _AFFINE,
        },
        torch="torch.nn.BatchNorm1d",
        source="Ioffe & Szegedy 2015, Batch normalization",
    ),
    Norm(
        name="layer",
        formula="γ (z − µ)/√(σ² + ε) + β, µ and σ² over the units of a row",
        options={"eps": _EPSILON, "affine": _AFFINE},
        torch="torch.nn.LayerNorm",
        source="Ba et al. 2016, Layer normalization",
    ),
    Norm(
        name="group",
        formula="γ (z − µ)/√(σ² + ε) + β, µ and σ² over each of g equal stretches of a row",
        groups=_groups,
        options={"groups": Option(2, "g, which must divide the units", low=1), "eps": _EPSILON, "affine": _AFFINE},
        torch="torch.nn.GroupNorm",
        source="Wu & He 2018, Group normalization",
    ),
    Norm(
        name="instance",
        formula="(z − µ)/√(σ² + ε), µ and σ² over the positions of each channel of a row; γ and β a channel if affine",
        groups=_channels,
        per_group=True,
        options={
            "channels": Option(1, "into which the units of a row are cut", low=1),
            "eps": _EPSILON,
            "affine": Option(False, "whether γ and β are learned, one of each a channel"),
        },
        torch="torch.nn.InstanceNorm1d",
        source="Ulyanov et al. 2016, Instance normalization",
    ),
)


@cache
def get(text: str) -> Norm:
    """The norm that ``text`` names, its options filled in: "batch", "group:groups=4".

    Raises:
        InputError: no such norm, option or value; the nearest ones are listed.
    """
    record, options = choose("norm", text, NORMS)
    return replace(record, chosen=tuple(options.items()))


def initial_statistics(norm: Norm, units: int, dtype: jnp.dtype) -> dict[str, jax.Array]:
    """What evaluation uses before anything was seen: mean 0 and variance 1 of each unit."""
    if not norm.over_batch:
        return {}
    return {"mean": jnp.zeros(units, dtype), "variance": jnp.ones(units, dtype)}


def running(norm: Norm, before: Statistics, mean: AnyArray, variance: AnyArray, rows: int) -> dict[str, AnyArray]:
    """Running averages after one more batch: (1 − m) · old + m · new, the new variance made unbiased by n / (n − 1).

    Args:
        before: the averages so far; not looked at where the norm keeps none, and then the answer is {}.
        mean: (units,) of the batch of ``rows`` rows; ``variance`` likewise, divided by n.

    Raises:
        InputError: a single row, which has no variance.
    """
    if not norm.over_batch:
        return {}
    require(rows > 1, "norm batch needs at least 2 rows a step, got 1")
    m = norm.given["momentum"]
    new = {"mean": mean, "variance": variance * (rows / (rows - 1))}
    xp = namespace(mean)
    return {name: (1 - m) * before[name] + m * xp.astype(value, before[name].dtype) for name, value in new.items()}


class Normalised(NamedTuple):
    """The normalised values, and the mean and variance (units,) of the batch, None within rows and in evaluation."""

    value: AnyArray
    mean: AnyArray | None
    variance: AnyArray | None


def _spread(norm: Norm, parameter: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """γ or β as it meets z cut into groups: (1, groups, length or 1)."""
    xp = namespace(parameter)
    return xp.reshape(parameter, (1, shape[1], 1) if norm.per_group else (1, shape[1], shape[2]))


def _cut(norm: Norm, z: AnyArray) -> tuple[AnyArray, int]:
    """z as (batch, groups, length), in float32 at least, and the axis to average over."""
    units = z.shape[-1]
    groups = units if norm.over_batch else norm.groups(units, norm.given)
    return namespace(z).reshape(widened(z), (z.shape[0], groups, units // groups)), 0 if norm.over_batch else 2


def function(norm: Norm, z: jax.Array, parameters: Parameters, statistics: Statistics, *, training: bool) -> Normalised:
    """z ↦ γ (z − µ)/√(σ² + ε) + β in JAX, for autodiff.

    Args:
        z: (batch, units).
        parameters: {"scale": γ, "shift": β}, or {}.
        statistics: the running averages, used in evaluation where the norm keeps them.
    """
    cut, axis = _cut(norm, z)
    from_batch = training or not statistics
    if from_batch:
        mean = jnp.mean(cut, axis=axis, keepdims=True)
        variance = jnp.mean(jnp.square(cut - mean), axis=axis, keepdims=True)
    else:
        mean, variance = (statistics[name].reshape(1, -1, 1).astype(cut.dtype) for name in ("mean", "variance"))
    value = (cut - mean) * jax.lax.rsqrt(variance + norm.given["eps"])
    if parameters:
        scale, shift = (_spread(norm, parameters[name].astype(cut.dtype), cut.shape) for name in ("scale", "shift"))
        value = value * scale + shift
    flat = value.reshape(z.shape).astype(z.dtype)
    if norm.over_batch and from_batch:
        return Normalised(flat, mean.reshape(-1), variance.reshape(-1))
    return Normalised(flat, None, None)


def by_hand(norm: Norm, z: AnyArray, parameters: Parameters) -> tuple[Normalised, Pullback]:
    """The training form of ``function`` in the array API, and its pullback through the mean and the variance.

    With ẑ = (z − µ)/s, s = √(σ² + ε) and g = γ δ:

        δz = (g − mean(g) − ẑ mean(g ẑ)) / s,   ∂L/∂γ = Σ δ ẑ,   ∂L/∂β = Σ δ,

    means over what z was averaged over, sums over all that share γ or β; the sum over the rows is left to the caller.
    """
    xp = namespace(z)
    cut, axis = _cut(norm, z)
    mean = xp.mean(cut, axis=axis, keepdims=True)
    centred = cut - mean
    variance = xp.mean(centred * centred, axis=axis, keepdims=True)
    spread = xp.sqrt(variance + norm.given["eps"])
    standard = centred / spread
    learned = {name: _spread(norm, xp.astype(value, cut.dtype), cut.shape) for name, value in parameters.items()}
    value = standard * learned["scale"] + learned["shift"] if learned else standard

    def pullback(upstream: AnyArray) -> tuple[AnyArray, dict[str, AnyArray]]:
        delta = xp.reshape(xp.astype(upstream, cut.dtype), cut.shape)
        towards = {
            name: xp.sum(term, axis=2) if norm.per_group else xp.reshape(term, z.shape)
            for name, term in (("scale", delta * standard), ("shift", delta))
            if name in parameters
        }
        g = delta * learned["scale"] if learned else delta
        along = xp.mean(g * standard, axis=axis, keepdims=True)
        # ẑ has mean 0, so this is mean(g); taken last, it also takes out what rounding left in ẑ's
        rest = g - standard * along
        towards_z = (rest - xp.mean(rest, axis=axis, keepdims=True)) / spread
        return xp.astype(xp.reshape(towards_z, z.shape), z.dtype), towards

    flat = xp.astype(xp.reshape(value, z.shape), z.dtype)
    if norm.over_batch:
        return Normalised(flat, xp.reshape(mean, (-1,)), xp.reshape(variance, (-1,))), pullback
    return Normalised(flat, None, None), pullback
