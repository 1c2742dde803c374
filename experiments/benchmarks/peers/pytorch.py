"""PyTorch's plain loop with the fused optimiser."""

import torch
from torch import nn

from peers.problem import Contestant, Problem


def network(problem: Problem) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in problem.layers:
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def loop(problem: Problem, *, threads: int = 1, compiled: bool = False, device: str = "cpu") -> Contestant:
    """One network in the loop of every tutorial, with ``SGD(fused=True)``, the fastest of its forms.

    Args:
        threads: of PyTorch's own; small networks are faster with one.
        compiled: network and loss through ``torch.compile``.
    """
    torch.manual_seed(0)
    x, y = torch.tensor(problem.scaled, device=device), torch.tensor(problem.y, device=device).long()
    net = network(problem).to(device)

    def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(net(x), y)

    forward = torch.compile(loss_of, dynamic=False) if compiled else loss_of
    optimizer = torch.optim.SGD(
        net.parameters(), problem.learning_rate, problem.momentum, weight_decay=problem.weight_decay, fused=True
    )

    def epochs(count: int) -> None:
        torch.set_num_threads(threads)
        for _ in range(count):
            for rows in torch.randperm(len(y), device=device).split(problem.batch_size):
                optimizer.zero_grad(set_to_none=True)
                forward(x[rows], y[rows]).backward()
                optimizer.step()
        if device != "cpu":
            torch.cuda.synchronize()

    def loss() -> float:
        with torch.no_grad():
            return float(loss_of(x, y))

    return Contestant(1, epochs, loss)
