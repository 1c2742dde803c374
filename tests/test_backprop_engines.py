"""Runs whose gradients NumPy or PyTorch computes: the same curves as JAX's own, and one line where that cannot be."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.backprop import manual, manual_on
from fcnet.contracts import HParams
from fcnet.errors import InputError
from fcnet.fitting import fit
from fcnet.models import MLPSpec
from fcnet.objective import ObjectiveSpec
from fcnet.train import RunSpec

from .backprop_oracles import wrong
from .backprop_problems import LIBRARIES, problem, spec_for

OTHERS = LIBRARIES[1:]
MODEL = MLPSpec(4, 3, (6,), "gelu", norm="batch", dropout="alpha")
HPARAMS = HParams(0.05, 0.9, 1e-3, l2=1e-3, dropout=0.2, label_smoothing=0.1, hidden_noise=0.05)


def run(engine, **more):
    fields = {"batch_size": 10, "epochs": 4, "gradients": "manual", "engine": engine} | more
    return RunSpec(MODEL, "cross_entropy", **fields)


def test_the_same_history_as_jax(blobs):
    expected = fit(run("jax"), HPARAMS, blobs, seed=3)
    for engine in OTHERS:
        hold_to(expected, fit(run(engine), HPARAMS, blobs, seed=3))


def hold_to(expected, found):
    for name, mine, theirs in zip(expected.history._fields, found.history, expected.history, strict=True):
        # 20 steps, each with a few dozen roundings of 6e-8 that the next ones carry along
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, err_msg=name)
    assert found.history.train_loss[-1] < found.history.train_loss[0]
    for mine, theirs in zip(jax.tree.leaves(found.state.params), jax.tree.leaves(expected.state.params), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
    # what batch norm carries along comes back, too
    kept = found.state.model_state["layer_1"]["mean"]
    assert np.any(kept)
    np.testing.assert_allclose(kept, expected.state.model_state["layer_1"]["mean"], atol=1e-4)


@pytest.fixture
def float64():
    """For the whole process, as ``fit`` asks for it: JAX calls the host from threads of its own."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.parametrize("engine", OTHERS)
def test_one_step_gives_all_that_a_grad_fn_gives(engine, key, random, float64):
    goal = ObjectiveSpec(spec_for("multi_margin", (6, 5), "splash", norm="batch", dropout="classic"), "multi_margin")
    here = problem(goal, random, l1=0.01, dropout=0.3, input_noise=0.1)
    _, hparams, point = here.on("jax")

    @partial(jax.jit, static_argnums=0)
    def step(build, hparams, point):
        return build(goal, hparams)(point.params, point.batch, state=point.state, key=key)

    expected = step(manual, hparams, point)
    found = step(manual_on(engine, "float64"), hparams, point)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for mine, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert mine.dtype == theirs.dtype
        # a dozen terms a sum, three layers and a norm
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("engine", OTHERS)
def test_members_under_vmap_have_their_own_gradients(engine, key, random):
    goal = ObjectiveSpec(spec_for("mse", (5,), "tanh"), "mse")
    _, hparams, point = problem(goal, random, l2=0.1, dropout=0.3).on("numpy", "float32")
    goal = ObjectiveSpec(MLPSpec(5, 3, (5,), "tanh"), "mse")
    scales = jnp.asarray([1.0, 2.0, -1.0])
    params, batch, hparams = jax.tree.map(jnp.asarray, (point.params, point.batch, hparams))

    def gradients(build, scale):
        scaled = jax.tree.map(lambda leaf: leaf * scale, params)
        own = hparams._replace(l2=scale * hparams.l2)
        return build(goal, own)(scaled, batch, state={}, key=key).grads

    together = jax.vmap(partial(gradients, manual_on(engine, "float32")))(scales)
    expected = jax.vmap(partial(gradients, manual))(scales)
    # √12 roundings of 6e-8 a sum, two layers, and as much on the other side
    assert wrong(together, expected, 2e-6, 0) == {}


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: manual_on("cupy", "float32"), "unknown engine 'cupy': .*known: jax, numpy, torch"),
        (lambda: manual_on("nunpy", "float32"), "did you mean numpy"),
        (lambda: manual_on("numpy", "bfloat16"), "bfloat16 is for --engine jax: choose float32 or float64 for numpy"),
        (lambda: run("numpy", gradients="autodiff"), "--gradients manual --engine numpy"),
        (lambda: run("cupy"), "unknown engine 'cupy'"),
    ],
    ids=["unknown", "misspelt", "bfloat16", "autodiff", "in a run"],
)
def test_what_cannot_be_is_one_line(build, words):
    with pytest.raises(InputError, match=words) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_an_engine_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"^--engine torch needs PyTorch: pip install torch$"):
        manual_on("torch", "float32")
    with pytest.raises(InputError, match="needs PyTorch"):
        run("torch")


def test_bfloat16_runs_on_jax():
    assert manual_on("jax", "bfloat16") is manual
