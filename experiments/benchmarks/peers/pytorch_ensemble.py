"""PyTorch's ensembles: ``torch.func`` with ``vmap(grad)`` over stacked networks, and momentum by hand.

Source: PyTorch's tutorial on model ensembling.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

from peers.problem import Contestant, Problem
from peers.pytorch import network

Step = Callable[[torch.Tensor], None]


def ensemble(
    problem: Problem,
    networks: int,
    *,
    shared_order: bool = False,
    threads: int = 2,
    compiled: bool = False,
    device: str = "cpu",
    dtype: str = "float32",
    graph: bool = False,
) -> Contestant:
    """All networks take each step at once.

    Args:
        shared_order: all see the same rows in a step; else each has an order of its own.
        compiled: a step's gradients and update through ``torch.compile``.
        dtype: of the products; parameters stay in float32.
        graph: record a whole step as a CUDA graph and replay it.
    """
    torch.manual_seed(0)
    x, y = torch.tensor(problem.scaled, device=device), torch.tensor(problem.y, device=device).long()
    nets = [network(problem).to(device) for _ in range(networks)]
    stacked, _ = stack_module_state(nets)
    names, params = list(stacked), [leaf.detach() for leaf in stacked.values()]
    velocity = [torch.zeros_like(leaf) for leaf in params]
    shape, computed = nets[0], getattr(torch, dtype)

    def loss_of(params: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        logits = functional_call(shape, {name: leaf.to(computed) for name, leaf in params.items()}, (x.to(computed),))
        return nn.functional.cross_entropy(logits.float(), y)

    rows_of = None if shared_order else 0
    gradients = vmap(grad(loss_of), in_dims=(0, rows_of, rows_of))

    def update(x: torch.Tensor, y: torch.Tensor) -> None:
        found = gradients(dict(zip(names, params, strict=True)), x, y)
        grads = [found[name] for name in names]
        torch._foreach_add_(grads, params, alpha=problem.weight_decay)
        torch._foreach_mul_(velocity, problem.momentum)
        torch._foreach_add_(velocity, grads)
        torch._foreach_add_(params, velocity, alpha=-problem.learning_rate)

    ready = torch.compile(update, dynamic=False) if compiled else update

    def step(rows: torch.Tensor) -> None:
        ready(x[rows], y[rows])

    steps: dict[int, Step] = {}

    def recorded(rows: torch.Tensor) -> None:
        """Each size of a batch is recorded once; its rows are copied to where the record reads them."""
        size = rows.shape[-1]
        if size not in steps:
            steps[size] = _record(step, rows, [*params, *velocity])
        steps[size](rows)

    take = recorded if graph else step

    def epochs(count: int) -> None:
        torch.set_num_threads(threads)
        for _ in range(count):
            orders = 1 if shared_order else networks
            order = torch.rand(orders, len(y), device=device).argsort(dim=1)
            for rows in (order[0] if shared_order else order).split(problem.batch_size, dim=-1):
                take(rows)
        if device != "cpu":
            torch.cuda.synchronize()

    def loss() -> float:
        each = vmap(loss_of, in_dims=(0, None, None))
        with torch.no_grad():
            return float(each(dict(zip(names, params, strict=True)), x, y).mean())

    return Contestant(networks, epochs, loss)


def _record(step: Step, rows: torch.Tensor, changed: list[torch.Tensor]) -> Step:
    """``step`` as a CUDA graph; the steps that recording needs are undone in ``changed``."""
    place, before = rows.clone(), [leaf.clone() for leaf in changed]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):  # what the libraries set up on first use is no part of a step
            step(place)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(place)
    torch._foreach_copy_(changed, before)

    def replay(rows: torch.Tensor) -> None:
        place.copy_(rows)
        graph.replay()

    return replay
