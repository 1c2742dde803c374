"""Everyone else, by name: those who train one network after the other train one, as the time of each is compared."""

import importlib.util
from importlib import metadata

from peers import flax_loop, scikit_learn
from peers.child import processes
from peers.problem import Contestant, Problem

PACKAGES = {"torch": "torch", "keras": "keras", "sklearn": "scikit-learn", "joblib": "joblib"}
ORDERS = {"own orders": False, "shared order": True}


def installed(module: str) -> bool:
    """Whether a peer is there; says so where it is not."""
    found = importlib.util.find_spec(module) is not None
    if not found:
        print(f"{module} is not installed: its part is left out (pip install '.[benchmarks]')")
    return found


def versions() -> dict[str, str]:
    """Of the peers that are installed."""
    return {name: metadata.version(name) for module, name in PACKAGES.items() if importlib.util.find_spec(module)}


def on_cores(problem: Problem, networks: int, cores: int, *, compiled: bool) -> dict[str, Contestant]:
    """All peers on a processor.

    Args:
        networks: of an ensemble.
        compiled: also through ``torch.compile``.
    """
    found = {
        "Flax, compiled step in a Python loop": flax_loop.loop(problem),
        "scikit-learn": scikit_learn.classifier(problem),
        f"scikit-learn, {cores} processes": scikit_learn.classifier(problem, cores, processes=cores),
    }
    if installed("keras"):
        from peers import keras_jax

        found["Keras on JAX"] = keras_jax.fit(problem)
    if not installed("torch"):
        return found
    from peers import pytorch
    from peers.pytorch_ensemble import ensemble

    found[f"PyTorch, {cores} processes"] = processes(problem, "peers.pytorch:loop", cores, bind=True)
    for threads in sorted({1, cores}):
        found[f"PyTorch, threads: {threads}"] = pytorch.loop(problem, threads=threads)
        for order, shared in ORDERS.items():
            name = f"PyTorch, torch.func, {order}, threads: {threads}"
            found[name] = ensemble(problem, networks, shared_order=shared, threads=threads)
    if compiled:
        found["PyTorch, torch.compile"] = pytorch.loop(problem, compiled=True)
        for order, shared in ORDERS.items():
            name = f"PyTorch, torch.func, torch.compile, {order}"
            found[name] = ensemble(problem, networks, shared_order=shared, threads=cores, compiled=True)
        build, share = "peers.pytorch_ensemble:ensemble", max(networks // cores, 1)
        name = f"PyTorch, torch.func, torch.compile, own orders, {cores} processes"
        found[name] = processes(problem, build, cores, bind=True, networks=share, threads=1, compiled=True)
    return found


def on_accelerator(problem: Problem, networks: int, *, compiled: bool, dtype: str = "float32") -> dict[str, Contestant]:
    """PyTorch's ensembles on its first CUDA device, or on the processor where it has none.

    Args:
        compiled: also through ``torch.compile``.
        dtype: of the products.
    """
    if not installed("torch"):
        return {}
    import torch

    from peers.pytorch_ensemble import ensemble

    torch.set_float32_matmul_precision("high")  # what JAX does unless told otherwise
    cuda = torch.cuda.is_available()
    ways = {"": {}, "CUDA graph, ": {"graph": True}, "torch.compile, ": {"compiled": True}}
    wanted = [""] + ["CUDA graph, "] * cuda + ["torch.compile, "] * compiled
    return {
        f"PyTorch, torch.func, {way}{order}": ensemble(
            problem, networks, shared_order=shared, dtype=dtype, device="cuda" if cuda else "cpu", **ways[way]
        )
        for way in wanted
        for order, shared in ORDERS.items()
    }
