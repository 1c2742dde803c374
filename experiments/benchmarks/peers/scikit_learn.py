"""scikit-learn: ``MLPClassifier``, the networks spread over processes by joblib."""

import warnings

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from peers.problem import Contestant, Problem


def _fit(problem: Problem, x: np.ndarray, epochs: int, seed: int) -> float:
    """The loss of the last epoch of a network trained from its beginning."""
    net = MLPClassifier(
        problem.sizes[1:-1],
        solver="sgd",
        # its penalty is ½ alpha ‖W‖² over the rows of the batch
        alpha=problem.weight_decay * problem.batch_size,
        batch_size=problem.batch_size,
        learning_rate_init=problem.learning_rate,
        momentum=problem.momentum,
        nesterovs_momentum=False,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs + 1,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # that many epochs were wanted
        net.fit(x, problem.y)
    return float(net.loss_)


def classifier(problem: Problem, networks: int = 1, *, processes: int = 1) -> Contestant:
    """Each network by itself; every call of ``epochs`` begins anew, because ``fit`` does."""
    x = problem.scaled
    losses: list[float] = []

    def epochs(count: int) -> None:
        losses[:] = Parallel(n_jobs=processes)(delayed(_fit)(problem, x, count, seed) for seed in range(networks))

    return Contestant(networks, epochs, lambda: float(np.mean(losses)))
