"""How well the defaults of ``fcnet train`` read scikit-learn's digits.

Goal     mean test accuracy over 5 seeds ≥ 97.5 %.
Command  python experiments/benchmarks/digits_accuracy.py
Time     about 10 s on 2 CPU cores.
"""

import numpy as np
from record import goal, write

from fcnet import data, fit
from fcnet.analysis import intervals, report
from fcnet.cli import script
from fcnet.config import TrainConfig


def main(seeds: int = 5) -> bool:
    """Train with the defaults from several seeds and judge each on the test part.

    Args:
        seeds: Runs; the split stays the same.
    """
    config = TrainConfig()
    dataset = data.load(config.data.spec())
    spec, hparams = config.run_spec(dataset.description), config.hparams(dataset.description)
    accuracies = []
    for seed in range(seeds):
        outcome = fit(spec, hparams, dataset, seed=seed)
        score = report(spec.objective, outcome.params, outcome.model_state, {"test": dataset.parts["test"]})[
            "test"
        ].score
        accuracies.append(score.value)
        print(f"seed {seed}: test accuracy {score.value:.2%} ({score.low:.2%} to {score.high:.2%})")
    mean = intervals.mean(np.array(accuracies))
    reached = goal(f"mean test accuracy over {seeds} seeds", mean.value, 0.975, at_least=True)
    write("digits_accuracy", [reached], accuracies=accuracies, interval=[mean.low, mean.high])
    return bool(reached["reached"])


if __name__ == "__main__":
    script(main)
