"""Keras 3 on JAX: ``fit`` with ``jit_compile``, in a process of its own, because Keras reads its backend on import."""

from peers.child import processes
from peers.problem import Contestant, Problem

ENVIRONMENT = {
    "KERAS_BACKEND": "jax",
    # Keras counts on what JAX does by default, and this process may have been told to be strict
    "JAX_NUMPY_DTYPE_PROMOTION": "standard",
    "JAX_NUMPY_RANK_PROMOTION": "allow",
}


def fit(problem: Problem, *, networks: int = 1) -> Contestant:
    """Networks one after the other."""
    return processes(problem, "peers.keras_jax:fit_here", environment=ENVIRONMENT, networks=networks)


def fit_here(problem: Problem, *, networks: int) -> Contestant:
    """The same within a process whose backend is JAX."""
    import keras

    keras.utils.set_random_seed(0)
    x, nets = problem.scaled, []
    for _ in range(networks):
        hidden = [keras.layers.Dense(units, activation="relu") for units in problem.sizes[1:-1]]
        inputs, last = keras.layers.Input((problem.sizes[0],)), keras.layers.Dense(problem.sizes[-1])
        net = keras.Sequential([inputs, *hidden, last])
        net.compile(
            keras.optimizers.SGD(problem.learning_rate, problem.momentum, weight_decay=problem.weight_decay),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=True,
        )
        nets.append(net)
    losses = [float("nan")] * networks

    def epochs(count: int) -> None:
        for number, net in enumerate(nets):
            done = net.fit(x, problem.y, problem.batch_size, epochs=count, verbose=0)
            losses[number] = done.history["loss"][-1]

    return Contestant(networks, epochs, lambda: sum(losses) / networks)
