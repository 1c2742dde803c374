"""What the recognition tries, likeliest first: activations, losses behind output activations, and the ε of norms."""

from dataclasses import dataclass

COMMON = ("relu", "tanh", "sigmoid", "identity", "leaky_relu", "gelu", "silu", "elu", "softplus")
OTHERS = (
    *("gelu_tanh", "selu", "mish", "softsign", "scaled_tanh", "leaky_relu:slope=0.2", "leaky_relu:slope=0.1"),
    *("leaky_relu:slope=0.3", "leaky_relu:slope=0.02", "leaky_relu:slope=0.05", "relu6", "hardtanh", "hardsigmoid"),
    *("hardswish", "log_sigmoid", "tanhshrink", "softshrink", "hardshrink", "rrelu", "threshold", "step", "softmax"),
    *("elu:alpha=0.5", "elu:alpha=2", "celu:alpha=0.5", "celu:alpha=2", "softplus:beta=2", "softplus:beta=5"),
)
Pair = tuple[str, str]
# Losses with the output activation in front of them, common ones first.
USUAL = (
    ("cross_entropy", "identity"),
    ("mse", "identity"),
    ("binary_cross_entropy", "identity"),
    ("mse", "sigmoid"),
    ("mse", "tanh"),
    ("mse", "softmax"),
)
UNUSUAL = (
    ("mae", "identity"),
    ("huber", "identity"),
    ("binary_cross_entropy_probability", "softmax"),
    ("nll", "log_sigmoid"),
    *(("mse", name) for name in ("relu", "softplus", "leaky_relu", "elu", "gelu", "silu")),
    *(("mae", name) for name in ("sigmoid", "tanh", "softmax", "relu")),
    *(("huber", name) for name in ("sigmoid", "tanh")),
    *((name, "identity") for name in ("huber:delta=0.5", "huber:delta=2", "smooth_l1:beta=0.5", "smooth_l1:beta=2")),
    *((name, "identity") for name in ("multi_margin", "multi_margin:p=2", "multilabel_margin", "margin_ranking")),
    *((name, "identity") for name in ("soft_margin", "tukey", "poisson_nll")),
    ("poisson_nll:log_input=false", "softplus"),
    ("kl_divergence", "log_softmax"),
    ("cross_entropy", "softmax"),
    ("cross_entropy", "sigmoid"),
    *(("cross_entropy", name) for name in ("tanh", "relu")),
    *(("binary_cross_entropy", name) for name in ("tanh", "relu", "sigmoid")),
)
EPSILONS = (1e-5, 1e-8, 1e-3, 1e-6, 1e-7, 1e-12, 1e-10, 1e-4)


@dataclass(frozen=True)
class Sweep:
    """One round of the search: the cheap and likely first. ``mixed``: layers of different activations."""

    names: tuple[str, ...]
    pairs: tuple[Pair, ...]
    epsilons: tuple[float, ...]
    mixed: bool = False
    bare_norms: bool = False


SWEEPS = (
    Sweep(COMMON, USUAL, EPSILONS),
    Sweep((*COMMON, *OTHERS), (*USUAL, *UNUSUAL), EPSILONS[:1]),
    Sweep((), USUAL, EPSILONS[:1], mixed=True),
    Sweep(COMMON, USUAL, EPSILONS[:4], bare_norms=True),
)
