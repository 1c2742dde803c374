"""An epoch of the lecture's digit network: fcnet by autodiff and by hand, PyTorch, and the matrix products alone.

Goal     784-512-256-10, float32, batch 128, 60,000 rows: faster than PyTorch's SGD(fused=True), the strongest PyTorch
         form found; gradients by hand within 5 % of autodiff's time, same loss curve to rounding.
Command  python experiments/benchmarks/mnist_epoch.py --data FOLDER   (PyTorch's part needs pip install torch==2.13.0)
Time     about 1 minute on 2 CPU cores.

All are timed in turns within one process, so that whatever else the machine does meets all alike. Data lie in memory
as uint8 for fcnet, which scales them in the step, and as float32 for PyTorch, which is spared that work.
"""

import time
from collections.abc import Callable
from importlib import metadata
from itertools import pairwise
from typing import Annotated, Any

import jax
import numpy as np
from cyclopts import Parameter
from record import goal, seconds, write

from fcnet import DataSpec, HParams, MLPSpec, OptimizerSpec, RunSpec, data, fitting, train
from fcnet.cli import script
from fcnet.data.splits import SplitSpec

BATCH, SIZES = 128, (784, 512, 256, 10)
HPARAMS = HParams(learning_rate=0.05, momentum=0.9, weight_decay=1e-4)


def fcnet_epoch(
    dataset: data.Dataset, gradients: str, curve: list[float], dtype: str = "float32"
) -> Callable[[], None]:
    """A function that trains one more epoch and notes its loss."""
    model = MLPSpec(SIZES[0], SIZES[-1], SIZES[1:-1], input_scale=dataset.description.input_scale, dtype=dtype)
    spec = RunSpec(model, "cross_entropy", OptimizerSpec(), BATCH, epochs=64, gradients=gradients)  # type: ignore[arg-type]  # one of two
    hparams, rows = fitting.as_hparams(HPARAMS, model.param_dtype), fitting.on_device(dataset)
    state = train.initial_state(spec, hparams, len(rows.y), key=jax.random.key(0))
    compiled = fitting.compile_run(spec, hparams, rows)

    def epoch() -> None:
        nonlocal state
        state, history = compiled.call(hparams, state, rows, state.epoch + 1)
        curve.append(float(history.train_loss[0]))

    return epoch


def torch_epoch(dataset: data.Dataset) -> Callable[[], None]:
    """The same network and steps in PyTorch, data already floating point, shuffled by randperm."""
    import torch
    from torch import nn

    x = torch.tensor(dataset.train.x).float() / 255
    y = torch.tensor(dataset.train.y).long()
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(SIZES):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    net, loss = nn.Sequential(*layers[:-1]), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4, fused=True)

    def epoch() -> None:
        for rows in torch.randperm(len(y)).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            loss(net(x[rows]), y[rows]).backward()
            optimizer.step()

    return epoch


def products(steps: int, multiply: Callable[[Any, Any], Any], ones: Callable[[int, int], Any]) -> Callable[[], None]:
    """The matrix products of ``steps`` steps and nothing else: a W, aᵀ δ, and δ Wᵀ but for the first layer."""
    shapes = list(pairwise(SIZES))
    a = [ones(BATCH, fan_in) for fan_in, _ in shapes]
    w = [ones(fan_in, fan_out) for fan_in, fan_out in shapes]
    delta = [ones(BATCH, fan_out) for _, fan_out in shapes]

    def epoch() -> None:
        for _ in range(steps):
            for layer in range(len(shapes)):
                multiply(a[layer], w[layer])
                multiply(a[layer].T, delta[layer])
                if layer:
                    multiply(delta[layer], w[layer].T)

    return epoch


def contestants(dataset: data.Dataset, curves: dict[str, list[float]]) -> dict[str, Callable[[], None]]:
    """What takes part, by name; PyTorch's where it is installed."""
    steps = -(-len(dataset.train.y) // BATCH)
    found = {
        "fcnet, autodiff": fcnet_epoch(dataset, "autodiff", curves["autodiff"]),
        "fcnet, by hand": fcnet_epoch(dataset, "manual", curves["manual"]),
        "products alone, NumPy (OpenBLAS)": products(steps, np.matmul, lambda m, n: np.ones((m, n), np.float32)),
    }
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: its part is left out (pip install torch==2.13.0)")
        return found
    found["PyTorch, fused SGD"] = torch_epoch(dataset)
    found["products alone, PyTorch (MKL)"] = products(steps, torch.matmul, torch.ones)
    return found


def float64_curves(dataset: data.Dataset) -> dict[str, list[float]]:
    """One epoch by each in float64, where what training makes of a difference in rounding stays far below any mistake.

    In float32 the same difference grows to some percent of the loss within ten epochs.
    """
    curves: dict[str, list[float]] = {"autodiff": [], "manual": []}
    with jax.enable_x64(True):
        for gradients, curve in curves.items():
            fcnet_epoch(dataset, gradients, curve, "float64")()
    return curves


def part(curves: dict[str, list[float]]) -> float:
    """Relative difference of the first epoch's loss between the two."""
    return abs(curves["manual"][0] / curves["autodiff"][0] - 1)


def main(*, data_set: Annotated[str, Parameter(name="--data")] = "mnist", rounds: int = 9) -> bool:
    """Time one epoch of each in turns.

    Args:
        data_set: "mnist" for a prepared set, or a folder of IDX files.
        rounds: Epochs of each; medians are compared, the first round is not counted.
    """
    dataset = data.load(DataSpec(data_set, split=SplitSpec(validation=0)))
    curves: dict[str, list[float]] = {"autodiff": [], "manual": []}
    took: dict[str, list[float]] = {}
    entrants = contestants(dataset, curves)
    for number in range(rounds + 1):
        for name, epoch in entrants.items():
            started = time.perf_counter()
            epoch()
            if number:
                took.setdefault(name, []).append(time.perf_counter() - started)
    median = {name: float(np.median(samples)) for name, samples in took.items()}
    for name, value in median.items():
        print(f"{name:<34} {value:.3f} s an epoch (median of {rounds})")
    print(f"float32 loss curves part by {part(curves):.0e} in the first epoch")
    apart = part(float64_curves(dataset))
    ratio = median["fcnet, by hand"] / median["fcnet, autodiff"]
    goals = [
        goal("time by hand / by autodiff", ratio, 1.05, at_least=False),
        goal("float64 loss of the first epoch, by hand against autodiff", apart, 1e-9, at_least=False),
    ]
    if "PyTorch, fused SGD" in median:
        faster = median["fcnet, autodiff"] / median["PyTorch, fused SGD"]
        goals.append(goal("time of fcnet / PyTorch's fused SGD", faster, 1.0, at_least=False))
    torch = {"torch": metadata.version("torch")} if "PyTorch, fused SGD" in median else {}
    write(
        "mnist_epoch",
        goals,
        **torch,
        seconds={name: seconds(samples) for name, samples in took.items()},
        loss_curves=curves,
    )
    return all(found["reached"] for found in goals)


if __name__ == "__main__":
    script(main)
