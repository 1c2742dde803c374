"""Small sets drawn from a known law, so that the right answer is known too."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fcnet.contracts import CLASSIFICATION, REGRESSION
from fcnet.data.dataset import Rows, Source
from fcnet.errors import require, unknown

# The four corners, in the order 00, 01, 10, 11, and the exclusive or of each.
XOR_CORNERS = Rows(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0, 1, 1, 0], np.int32))

FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sin": np.sin,
    "cos": np.cos,
    "abs": np.abs,
    "square": np.square,
    "cube": lambda x: x**3,
    "exp": np.exp,
    "sinc": np.sinc,
    "step": lambda x: np.heaviside(x, 0.5),
}


@dataclass(frozen=True)
class Draw:
    """How a generated set is drawn.

    ``samples``: rows. ``noise``: what it means depends on the set (see ``GENERATED``). ``seed``: of the draw.
    ``function``, ``interval``: for the set "function" only.

    Raises:
        InputError: no rows, negative noise, an empty interval, or a function that is not known.
    """

    samples: int = 500
    noise: float | None = None
    seed: int = 0
    function: str = "sin"
    interval: tuple[float, float] = (-3.0, 3.0)

    def __post_init__(self) -> None:
        require(self.samples > 0, f"samples must be at least 1, got {self.samples}")
        ok = self.noise is None or (self.noise >= 0 and np.isfinite(self.noise))
        require(ok, f"noise must be a number ≥ 0, got {self.noise}")
        low, high = self.interval
        require(bool(np.isfinite([low, high]).all()) and low < high, f"interval must go upwards, got {low} to {high}")
        if self.function not in FUNCTIONS:
            raise unknown("function", self.function, FUNCTIONS)


def xor(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """Points around the corners of the unit square, Gaussian σ = noise (0.1); class = exclusive or of the corner."""
    random = np.random.default_rng(draw.seed)
    corner = np.arange(draw.samples) % 4
    sigma = 0.1 if draw.noise is None else draw.noise
    return XOR_CORNERS.x[corner] + random.normal(0, sigma, (draw.samples, 2)), XOR_CORNERS.y[corner]


def line(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """price = 2 · weight + e, weight from N(0, 1), e uniform on ±noise (0.5): the lecture's melons."""
    random = np.random.default_rng(draw.seed)
    weight = random.normal(0, 1, (draw.samples, 1))
    half_width = 0.5 if draw.noise is None else draw.noise
    return weight, 2 * weight + random.uniform(-half_width, half_width, (draw.samples, 1))


def moons(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles, Gaussian σ = noise (0.1): scikit-learn's make_moons."""
    from sklearn.datasets import make_moons

    return make_moons(draw.samples, noise=0.1 if draw.noise is None else draw.noise, random_state=draw.seed)


def spirals(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """Two arms r = t, angle 2π · 1.5 · t (+ π for the second), t uniform on (0.1, 1), Gaussian σ = noise (0.02)."""
    random = np.random.default_rng(draw.seed)
    label = np.arange(draw.samples) % 2
    t = random.uniform(0.1, 1.0, draw.samples)
    angle = 3 * np.pi * t + np.pi * label
    points = np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1)
    return points + random.normal(0, 0.02 if draw.noise is None else draw.noise, points.shape), label


def function(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """y = f(x) + e, x uniform on the interval, e from N(0, noise²) (0)."""
    random = np.random.default_rng(draw.seed)
    x = random.uniform(*draw.interval, (draw.samples, 1))
    return x, FUNCTIONS[draw.function](x) + random.normal(0, draw.noise or 0.0, x.shape)


@dataclass(frozen=True)
class Law:
    """One generated set: how it is drawn, what its columns and classes are called."""

    draw: Callable[[Draw], tuple[np.ndarray, np.ndarray]]
    features: tuple[str, ...]
    target: str
    classes: tuple[str, ...] = ()


GENERATED = {
    "xor": Law(xor, ("x1", "x2"), "xor", ("0", "1")),
    "line": Law(line, ("weight",), "price"),
    "moons": Law(moons, ("x1", "x2"), "moon", ("upper", "lower")),
    "spirals": Law(spirals, ("x1", "x2"), "arm", ("first", "second")),
    "function": Law(function, ("x",), "y"),
}


def load(name: str, draw: Draw) -> Source:
    """One of ``GENERATED``, used as drawn: nothing is standardised, so that the law's own numbers can be recovered.

    Raises:
        InputError: the function is not finite somewhere on its interval.
    """
    law = GENERATED[name]
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        x, y = law.draw(draw)
        rows = Rows(x.astype(np.float32), y.astype(np.int32 if law.classes else np.float32))
    finite = bool(np.isfinite(rows.x).all() and np.isfinite(rows.y).all())
    low, high = draw.interval
    require(finite, f"{name} is not finite in float32: choose a smaller --noise or --interval than {low:g} {high:g}")
    task = CLASSIFICATION if law.classes else REGRESSION
    origin = f"generated: {' '.join((law.draw.__doc__ or '').split()).removesuffix('.')}"
    return Source(name, task, rows, law.features, origin, law.classes, law.target)
