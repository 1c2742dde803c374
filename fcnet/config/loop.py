"""The flags of the training loop."""

from dataclasses import dataclass
from typing import Literal

from fcnet.backprop import Engine
from fcnet.config.groups import TRAINING
from fcnet.config.words import Switch
from fcnet.errors import require


@TRAINING
@dataclass(frozen=True)
class LoopConfig:
    """How long, in what portions, from which seed."""

    batch_size: int | None = None
    """Rows a step. [default: 32; all rows with --optimizer gd]"""
    epochs: int = 60
    """The most passes over the training rows."""
    patience: int = 20
    """Stop after this many epochs without a better validation score; 0 never stops early."""
    seed: int = 0
    """Of initial parameters, batch order and dropout."""
    gradients: Literal["autodiff", "manual"] = "autodiff"
    """Who computes them: JAX, or the backpropagation written by hand."""
    engine: Engine = "jax"
    """The library that runs the backpropagation written by hand: the same lines on jax, numpy or torch."""
    data_parallel: Switch = False
    """Share the rows of each step over all devices; on a CPU every core is one."""
    stream: Switch = False
    """Read the rows in blocks while the device trains, with the same result; done anyway where they do not fit it."""

    def __post_init__(self) -> None:
        for flag, size in (("batch-size", self.batch_size), ("epochs", self.epochs)):
            require(size is None or size > 0, f"--{flag} must be at least 1, got {size}")
        require(self.patience >= 0, f"--patience must be 0 (off) or more, got {self.patience}")
        require(0 <= self.seed < 2**32, f"--seed must be in [0, 2³²), got {self.seed}")
        require(
            not self.data_parallel or self.engine == "jax",
            f"--data-parallel is for --engine jax: {self.engine} computes on one device",
        )
