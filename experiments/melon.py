"""A linear neuron recovers the price of a melon from its weight.

Claim    From 100 samples of price = 2 · weight + e, e uniform on (−0.5, 0.5), split 80 : 20, stochastic gradient
         descent recovers slope 2 and intercept 0 as closely as the noise allows.
Source   The lecture on feed-forward networks, task A (batches of 2, learning rate 0.01, 10 epochs). Its code updates
         the bias with the weight's gradient; here each parameter has its own, as the mathematics says.
Command  python experiments/melon.py
Time     3 s on 2 CPU cores: 100 seeds of data and training as one compiled program.
Expected slope 1.9997 ± 0.007 and intercept −0.003 ± 0.007 on average; a single seed strays by 0.035, where least
         squares has σ/√80 = 0.032 (σ² = 1/12).
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from fcnet import HParams, MLPSpec, OptimizerSpec, RunSpec, fitting, plots, train
from fcnet.analysis import intervals
from fcnet.cli import script
from fcnet.data import generated

ROWS, TRAINED_ON = 100, 80


def melons(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and prices of one seed, (100, 1) each, float32."""
    rows = generated.load("line", generated.Draw(samples=ROWS, seed=seed)).rows
    return np.asarray(rows.x), rows.y


def fit_all(x: jax.Array, y: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept that gradient descent finds for each seed; x, y: (seeds, 80, 1)."""
    spec = RunSpec(MLPSpec(1, 1), "mse", OptimizerSpec(), batch_size=2, epochs=10)
    hparams = fitting.as_hparams(HParams(learning_rate=0.01), jnp.dtype("float32"))

    def run(x: jax.Array, y: jax.Array, key: jax.Array) -> train.RunState:
        state = train.initial_state(spec, hparams, TRAINED_ON, key=key)
        return train.run_epochs(spec, hparams, state, train.TrainData(x, y, None), jnp.int32(10), room=10)[0]

    keys = jax.vmap(jax.random.key)(jnp.arange(len(x)))
    layer = jax.jit(jax.vmap(run))(x, y, keys).params["layer_1"]
    return np.asarray(layer["kernel"])[:, 0, 0], np.asarray(layer["bias"])[:, 0]


def main(seeds: int = 100, out: Path = Path("experiments/figures/melon.png")) -> bool:
    """Draw and fit melons from many seeds and say whether the claim holds.

    Args:
        seeds: Data sets, each with its own training.
        out: Figure to leave.
    """
    x, y = (np.stack(arrays) for arrays in zip(*(melons(seed) for seed in range(seeds)), strict=True))
    slopes, intercepts = fit_all(jnp.asarray(x[:, :TRAINED_ON]), jnp.asarray(y[:, :TRAINED_ON]))
    error = np.sqrt(1 / 12 / TRAINED_ON)
    test = y[:, TRAINED_ON:] - (slopes[:, None, None] * x[:, TRAINED_ON:] + intercepts[:, None, None])
    for name, values, truth in (("slope", slopes, 2.0), ("intercept", intercepts, 0.0)):
        mean = intervals.mean(values)
        print(
            f"{name}: {mean.value:.4f} (95 % interval of the mean {mean.low:.4f} to {mean.high:.4f}), truth {truth:g}; "
            f"spread over seeds {values.std(ddof=1):.4f}, least squares would have about {error:.4f}"
        )
    print(f"test error: mean squared {np.square(test).mean():.4f}, the noise alone has {1 / 12:.4f}")
    lines = {
        f"gradient descent: {slopes[0]:.3f} · weight {intercepts[0]:+.3f}": (float(slopes[0]), float(intercepts[0])),
        "truth: 2 · weight": (2.0, 0.0),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    title = "Price of a melon (seed 0)"
    plots.line_fit(x[0, :, 0], y[0, :, 0], lines, names=("weight (standardised)", "price"), title=title, path=out)
    # every seed within five standard errors of least squares, the mean of all within four of its own
    holds = all(
        bool((np.abs(values - truth) < 5 * error).all())
        and bool(abs(values.mean() - truth) < 4 * values.std(ddof=1) / np.sqrt(seeds))
        for values, truth in ((slopes, 2.0), (intercepts, 0.0))
    )
    print(f"figure: {out}")
    print(f"verdict: the claim {'holds' if holds else 'DOES NOT HOLD'}")
    return holds


if __name__ == "__main__":
    script(main)
