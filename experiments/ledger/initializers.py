"""Initialisers: moments of a large kernel beside those of PyTorch's, in standard errors of the difference."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet import initializers

SHAPE = (400, 300)
# The most standard errors by which two right samples may lie apart: once in 1.7 million comparisons.
MOST_ERRORS = 5.0


@dataclass(frozen=True)
class Moments:
    """Mean, variance and kurtosis (fourth moment over squared variance) of the entries, and the share of zeros."""

    mean: float
    variance: float
    kurtosis: float
    zeros: float

    @classmethod
    def of(cls, kernel: np.ndarray) -> "Moments":
        """Of all entries, in float64."""
        entries = np.asarray(kernel, np.float64).reshape(-1)
        variance = float(entries.var()) if np.ptp(entries) else 0.0
        fourth = float(np.mean((entries - entries.mean()) ** 4))
        return cls(
            float(entries.mean()), variance, fourth / variance**2 if variance else 0.0, float(np.mean(entries == 0))
        )

    def apart(self, other: "Moments", entries: int) -> dict[str, float]:
        """How far two samples of ``entries`` entries are apart, in standard errors of the difference.

        The variance of a mean is σ²/n and of a variance (κ − 1) σ⁴/n. The kurtosis of normal entries has the variance
        24/n, of uniform ones less. What is exact, a constant and the share of zeros, is compared as it is.
        """
        if self.variance == 0 or other.variance == 0:
            exact = [(self.mean, other.mean), (self.variance, other.variance)]
            return {"constant": 0.0 if all(abs(a - b) <= 1e-7 for a, b in exact) else float("inf")}
        two = 2 / entries
        return {
            "mean": abs(self.mean - other.mean) / (other.variance * two) ** 0.5,
            "variance": abs(self.variance - other.variance)
            / (max(other.kurtosis - 1, 0.1) * other.variance**2 * two) ** 0.5,
            "kurtosis": abs(self.kurtosis - other.kurtosis) / (24 * max(other.kurtosis / 3, 1) ** 4 * two) ** 0.5,
            "zeros": 0.0 if self.zeros == other.zeros else float("inf"),
        }


# text ↦ what fills a (out, in) weight in PyTorch
TORCH: dict[str, Callable[[Any, Any], Any]] = {
    "he_normal": lambda init, w: init.kaiming_normal_(w),
    "he_normal:mode=fan_out": lambda init, w: init.kaiming_normal_(w, mode="fan_out"),
    "he_uniform": lambda init, w: init.kaiming_uniform_(w),
    "he_uniform:slope=2.23606797749979": lambda init, w: init.kaiming_uniform_(w, a=5**0.5),
    "glorot_normal": lambda init, w: init.xavier_normal_(w),
    "glorot_normal:gain=2": lambda init, w: init.xavier_normal_(w, 2.0),
    "glorot_uniform": lambda init, w: init.xavier_uniform_(w),
    "gaussian:sigma=0.5": lambda init, w: init.normal_(w, std=0.5),
    "uniform:limit=0.5": lambda init, w: init.uniform_(w, -0.5, 0.5),
    "orthogonal": lambda init, w: init.orthogonal_(w),
    "orthogonal:gain=2": lambda init, w: init.orthogonal_(w, 2.0),
    "sparse:sparsity=0.3,sigma=0.5,of=outgoing": lambda init, w: init.sparse_(w, 0.3, 0.5),
    "constant:value=0.1": lambda init, w: init.constant_(w, 0.1),
    "zeros": lambda init, w: init.zeros_(w),
}


def key_of(text: str) -> str:
    """The name of its golden data."""
    return f"initialiser {text}"


def torch_name(text: str) -> str:
    """PyTorch's name for the initialiser."""
    return initializers.get(text).torch.removeprefix("torch.nn.")


def reference(text: str, torch: Any) -> Moments:
    """Moments of what PyTorch draws."""
    torch.manual_seed(0)
    weight = torch.empty(SHAPE[1], SHAPE[0], dtype=torch.float64)
    return Moments.of(TORCH[text](torch.nn.init, weight).numpy())


def ours(text: str, key: jax.Array) -> Moments:
    """Moments of what fcnet draws."""
    return Moments.of(np.asarray(initializers.get(text).function(key, SHAPE, jnp.float32)))
