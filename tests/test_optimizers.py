"""Every optimiser step by step against its recursion in NumPy; where decay enters; clipping; traced values."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fcnet.contracts import HParams
from fcnet.errors import InputError
from fcnet.optimizers import OPTIMIZERS, OptimizerSpec, build, get, weight_decay_sgd
from fcnet.regularizers import add_penalty_gradient, kernel_mask

F32, F64 = jnp.dtype("float32"), jnp.dtype("float64")
ETA, MU, LAM = 0.02, 0.9, 0.3
START = {"kernel": np.array([[1.0, -2.0]]), "bias": np.array([0.5, 3.0])}


def gradient(p, step):
    """Not linear in p and never at rest; the same line in NumPy and JAX."""
    xp = p.__array_namespace__()
    return xp.sin(3 * p + step) + p


def params_of(dtype):
    return {"layer_1": {name: jnp.asarray(value, dtype) for name, value in START.items()}}


def trajectory(spec, hparams, steps=30, dtype=F64, scale=1.0):
    """Kernel and bias after each step, (steps, …) each, compiled as a scan."""
    chain = build(spec, hparams, steps, dtype)

    def one(carry, step):
        params, state = carry
        grads = jax.tree.map(lambda p: scale * gradient(p, step.astype(dtype)), params)
        updates, state = chain.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params["layer_1"]

    params = params_of(dtype)
    return jax.lax.scan(one, (params, chain.init(params)), jnp.arange(steps, dtype=jnp.int32))[1]


def descent(g, memory, t):
    return g


def heavy_ball(g, memory, t, tau=0.0, nesterov=False):
    memory["v"] = g if t == 0 else MU * memory["v"] + (1 - tau) * g
    return g + MU * memory["v"] if nesterov else memory["v"]


def adagrad(g, memory, t, eps=1e-10, kappa=0.0):
    memory["s"] = memory.get("s", 0) + g**2
    return g / (np.sqrt(memory["s"]) + eps) / (1 + t * kappa)


def rmsprop(g, memory, t, alpha=0.99, centered=False):
    memory["s"] = alpha * memory.get("s", 0) + (1 - alpha) * g**2
    memory["m"] = alpha * memory.get("m", 0) + (1 - alpha) * g
    root = np.sqrt(memory["s"] - (memory["m"] ** 2 if centered else 0))
    memory["v"] = MU * memory.get("v", 0) + g / (root + 1e-8)
    return memory["v"]


def adam(g, memory, t, b2=0.999, eps=1e-8, amsgrad=False):
    memory["m"] = MU * memory.get("m", 0) + (1 - MU) * g
    memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g**2
    memory["top"] = np.maximum(memory.get("top", 0), memory["v"])
    v = memory["top"] if amsgrad else memory["v"]
    return memory["m"] / (1 - MU ** (t + 1)) / (np.sqrt(v / (1 - b2 ** (t + 1))) + eps)


def lion(g, memory, t, b2=0.99):
    direction = np.sign(MU * memory.get("m", 0) + (1 - MU) * g)
    memory["m"] = b2 * memory.get("m", 0) + (1 - b2) * g
    return direction


RECURSIONS = [
    ("gd", descent, {}),
    ("sgd", heavy_ball, {}),
    ("sgd:dampening=0.4", heavy_ball, {"tau": 0.4}),
    ("nesterov", heavy_ball, {"nesterov": True}),
    ("weight_decay_sgd", heavy_ball, {}),
    ("weight_decay_sgd:nesterov=true", heavy_ball, {"nesterov": True}),
    ("weight_decay_sgd:dampening=0.4", heavy_ball, {"tau": 0.4}),
    ("adagrad", adagrad, {}),
    ("adagrad:eps=0.1,lr_decay=0.2", adagrad, {"eps": 0.1, "kappa": 0.2}),
    ("rmsprop", rmsprop, {}),
    ("rmsprop:alpha=0.8,centered=true", rmsprop, {"alpha": 0.8, "centered": True}),
    ("adam", adam, {}),
    ("adam:b2=0.9,eps=0.01", adam, {"b2": 0.9, "eps": 0.01}),
    ("adam:b2=0.9,amsgrad=true", adam, {"b2": 0.9, "amsgrad": True}),
    ("adamw", adam, {}),
    ("lion", lion, {}),
    ("lion:b2=0.8", lion, {"b2": 0.8}),
]


def test_every_optimiser_has_a_recursion():
    assert {text.partition(":")[0] for text, _, _ in RECURSIONS} == set(OPTIMIZERS)


def momentum_for(name):
    return MU if get(name).momentum else None


@pytest.mark.parametrize("decay_all", [False, True])
@pytest.mark.parametrize("decay", ["decoupled", "coupled"])
@pytest.mark.parametrize(("name", "rule", "options"), RECURSIONS, ids=[text for text, _, _ in RECURSIONS])
def test_recursion(name, rule, options, decay, decay_all):
    if decay not in OPTIMIZERS[name.partition(":")[0]].decays:
        with pytest.raises(InputError, match="decay of optimiser"):
            OptimizerSpec(name, decay=decay)
        return
    with jax.enable_x64(True):
        spec = OptimizerSpec(name, decay=decay, decay_all=decay_all)
        seen = trajectory(spec, HParams(ETA, momentum_for(name), LAM))
        for leaf, start in START.items():
            lam = LAM if leaf == "kernel" or decay_all else 0.0
            w, memory = start, {}
            for t, after in enumerate(np.asarray(seen[leaf])):
                g = gradient(w, t) + (lam * w if decay == "coupled" else 0)
                d = rule(g, memory, t, **options)
                w = w - ETA * (d + (lam * w if decay == "decoupled" else 0))
                # 30 steps of roundings of 1e-16; a momentum of 0.9 sums ten of them, small roots divide by 1e-2
                np.testing.assert_allclose(after, w, rtol=1e-12, atol=1e-12)


def test_without_momentum():
    with jax.enable_x64(True):
        plain = trajectory(OptimizerSpec("gd"), HParams(ETA))
        for name in ("sgd", "sgd:dampening=0.5", "nesterov", "weight_decay_sgd", "weight_decay_sgd:nesterov=true"):
            jax.tree.map(np.testing.assert_array_equal, trajectory(OptimizerSpec(name), HParams(ETA)), plain)
        jax.tree.map(
            # β₁ᵗ is 0 from the first step on: what is left are roundings
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13),
            trajectory(OptimizerSpec("adam"), HParams(ETA)),
            trajectory(OptimizerSpec("adam"), HParams(ETA, 0.0)),
        )


@pytest.mark.parametrize("nesterov", [False, True])
def test_weight_decay_sgd_is_the_chain_of_its_parts(nesterov):
    with jax.enable_x64(True):
        whole = weight_decay_sgd(LAM, MU, kernel_mask, nesterov=nesterov)
        parts = optax.chain(optax.add_decayed_weights(LAM, kernel_mask), optax.trace(MU, nesterov))
        params = params_of(F64)
        whole_state, parts_state = whole.init(params), parts.init(params)
        for step in range(10):
            grads = jax.tree.map(lambda p, step=step: gradient(p, step), params)
            by_whole, whole_state = whole.update(grads, whole_state, params)
            by_parts, parts_state = parts.update(grads, parts_state, params)
            # the same products and sums, the sums with their terms exchanged: the same bits
            jax.tree.map(np.testing.assert_array_equal, by_whole, by_parts)
            params = optax.apply_updates(params, jax.tree.map(lambda d: -ETA * d, by_whole))


def distance(a, b):
    return float(np.max(np.abs(np.asarray(a["kernel"]) - np.asarray(b["kernel"]))))


def test_where_decay_enters_matters_once_there_is_momentum():
    with jax.enable_x64(True):
        places = [OptimizerSpec("sgd", decay=decay) for decay in ("coupled", "decoupled")]
        assert distance(*(trajectory(spec, HParams(ETA, None, LAM)) for spec in places)) < 1e-13
        coupled, decoupled = (trajectory(spec, HParams(ETA, MU, LAM)) for spec in places)
        # the first step has no past
        np.testing.assert_allclose(coupled["kernel"][0], decoupled["kernel"][0], rtol=1e-14)
        assert distance(coupled, decoupled) > 0.01
        np.testing.assert_array_equal(coupled["bias"], decoupled["bias"])


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_coupled_decay_is_the_gradient_of_the_l2_penalty(name):
    with jax.enable_x64(True):
        params, hparams = params_of(F64), HParams(ETA, MU, LAM)
        grads = jax.tree.map(lambda p: gradient(p, 0), params)
        coupled = build(OptimizerSpec(name, decay="coupled"), hparams, 1, F64)
        plain = build(OptimizerSpec(name), hparams._replace(weight_decay=None), 1, F64)
        penalised = add_penalty_gradient(HParams(ETA, l2=LAM), params, grads)
        by_decay, _ = coupled.update(grads, coupled.init(params), params)
        by_penalty, _ = plain.update(penalised, plain.init(params), params)
        jax.tree.map(np.testing.assert_array_equal, by_decay, by_penalty)


def test_adam_and_adamw_differ_only_with_coupled_decay():
    with jax.enable_x64(True):
        hparams = HParams(ETA, MU, LAM)
        adamw = trajectory(OptimizerSpec("adamw"), hparams)
        jax.tree.map(np.testing.assert_array_equal, trajectory(OptimizerSpec("adam"), hparams), adamw)
        assert distance(trajectory(OptimizerSpec("adam", decay="coupled"), hparams), adamw) > 0.01


def test_adam_keeps_its_digits_in_float32():
    params = {"layer_1": {"kernel": jnp.array([[0.3, -7.0]]), "bias": jnp.array([1e-3, 20.0])}}
    chain = build(OptimizerSpec("adam:eps=1e-30"), HParams(1.0, MU), 1, F32)
    updates, _ = chain.update(params, chain.init(params), params)
    # the first step is m / √v = sign(g) up to a handful of roundings of 6e-8; 1 − 0.999 in float32 is off by 1e-5
    jax.tree.map(lambda u, g: np.testing.assert_allclose(u, -jnp.sign(g), rtol=1e-6), updates, params)


def test_a_centred_gradient_without_variance_is_no_nan():
    params = {"layer_1": {"kernel": jnp.full((1, 1), 0.1), "bias": jnp.full(1, 0.3)}}
    chain = build(OptimizerSpec("rmsprop:alpha=0.1,centered=true"), HParams(1.0), 1, F32)
    state = chain.init(params)
    for _ in range(50):
        updates, state = chain.update(params, state, params)
        assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(updates))


def clipped(hparams, grads):
    params = jax.tree.map(jnp.zeros_like, grads)
    chain = build(OptimizerSpec("sgd"), hparams, 1, F32)
    updates, _ = chain.update(grads, chain.init(params), params)
    return jax.tree.map(jnp.negative, updates)


def test_clipping():
    grads = {"layer_1": {"kernel": jnp.array([[3.0, -4.0]]), "bias": jnp.array([0.0, 12.0])}}  # norm 13
    assert_same = lambda a, b: jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), a, b)  # noqa: E731
    assert_same(clipped(HParams(1.0, clip_value=3.5), grads)["layer_1"], {"kernel": [[3, -3.5]], "bias": [0, 3.5]})
    assert_same(clipped(HParams(1.0, clip_norm=6.5), grads), jax.tree.map(lambda g: g / 2, grads))
    # by value first: (3, −4, 0, 4) has norm √41
    both = clipped(HParams(1.0, clip_value=4.0, clip_norm=1.0), grads)["layer_1"]
    assert_same(both, {"kernel": np.array([[3, -4]]) / np.sqrt(41), "bias": np.array([0, 4]) / np.sqrt(41)})
    jax.tree.map(np.testing.assert_array_equal, clipped(HParams(1.0, clip_norm=13.5, clip_value=12.0), grads), grads)


def test_clipping_comes_before_decay_and_momentum():
    with jax.enable_x64(True):
        seen = trajectory(OptimizerSpec("weight_decay_sgd"), HParams(ETA, MU, LAM, clip_value=0.5), scale=3.0)
        w, v = START["kernel"], 0.0
        for t, after in enumerate(np.asarray(seen["kernel"])):
            v = MU * v + np.clip(3.0 * gradient(w, t), -0.5, 0.5) + LAM * w
            w = w - ETA * v
            np.testing.assert_allclose(after, w, rtol=1e-12)  # as above


FULL = HParams(0.1, 0.9, 0.01, clip_norm=2.0, clip_value=1.5)


def full_for(name):
    return FULL._replace(momentum=momentum_for(name))


@pytest.mark.parametrize(("name", "decay"), [(name, decay) for name in OPTIMIZERS for decay in OPTIMIZERS[name].decays])
def test_another_value_does_not_compile_again(name, decay):
    params = params_of(F32)

    @jax.jit
    def run(hparams):
        chain = build(OptimizerSpec(name, "cosine", 0.1, decay), hparams, 10, F32)
        return chain.update(params, chain.init(params), params)[0]

    first = run(full_for(name))
    second = run(jax.tree.map(lambda value: 0.7 * value, full_for(name)))
    assert run._cache_size() == 1
    assert not jnp.array_equal(first["layer_1"]["kernel"], second["layer_1"]["kernel"])


# without options in the quick suite
@pytest.mark.parametrize(
    "name", [pytest.param(text, marks=pytest.mark.slow if ":" in text else ()) for text, _, _ in RECURSIONS]
)
def test_a_sweep_is_its_solo_runs(name):
    def run(rate, decay):
        hparams = full_for(name)._replace(learning_rate=rate, weight_decay=decay)
        return trajectory(OptimizerSpec(name), hparams, steps=10, dtype=F32)

    rates, decays = jnp.array([0.01, 0.03, 0.05]), jnp.array([0.0, 0.2])
    swept = jax.vmap(lambda rate: jax.vmap(lambda decay: run(rate, decay))(decays))(rates)
    for i, rate in enumerate(rates):
        for j, decay in enumerate(decays):
            solo = run(rate, decay)
            # 10 steps; the compiler may fuse differently, each time by a rounding of 6e-8, and small roots enlarge it
            jax.tree.map(
                lambda row, alone, i=i, j=j: np.testing.assert_allclose(row[i, j], alone, rtol=1e-5, atol=1e-6),
                swept,
                solo,
            )


@pytest.mark.parametrize("name", sorted(text for text, _, _ in RECURSIONS))
def test_dtypes_stay(name):
    # float32 hyper-parameters in a float64 network, and a float32 network where float64 is on
    with jax.enable_x64(True):
        for dtype, given in ((F64, jnp.float32), (F32, jnp.float64), (F32, jnp.float32)):
            hparams = jax.tree.map(lambda value, given=given: jnp.asarray(value, given), full_for(name))
            seen = trajectory(OptimizerSpec(name, "exponential"), hparams, steps=2, dtype=dtype)
            assert {leaf.dtype for leaf in jax.tree.leaves(seen)} == {dtype}


@pytest.mark.parametrize("name", sorted(text for text, _, _ in RECURSIONS))
def test_a_fresh_state_can_be_given_away(name):
    state = build(OptimizerSpec(name), full_for(name), 1, F32).init(params_of(F32))
    # refused where two leaves share one buffer
    jax.jit(lambda state: jax.tree.map(lambda leaf: leaf + 1, state), donate_argnums=0)(state)


def test_what_is_none_is_not_in_the_program():
    def states(hparams):
        return len(jax.tree.leaves(build(OptimizerSpec(), hparams, 1, F32).init(params_of(F32))))

    assert states(HParams(0.1)) == 1  # the count of the learning rate
    assert states(HParams(0.1, 0.9)) == 3  # and a velocity for kernel and bias


def test_only_gradient_descent_takes_the_full_batch():
    assert [name for name in OPTIMIZERS if get(name).full_batch] == ["gd"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "sdg"}, "unknown optimiser 'sdg': did you mean sgd"),
        ({"name": "adam:b3=0.9"}, "unknown option of optimiser adam 'b3'"),
        ({"name": "adam:b2=1"}, r"b2 must be a number in \(0, 1\), got 1"),
        ({"name": "adam:eps=0"}, "eps must be a number > 0"),
        ({"name": "sgd:dampening=-1"}, r"dampening must be a number in \[0, 1\]"),
        ({"name": "gd:dampening=0.1"}, "gd has no options"),
        ({"name": "weight_decay_sgd:nesterov=true,dampening=0.1"}, "nesterov goes with dampening=0 only"),
        ({"schedule": "cosin"}, "did you mean cosine"),
        ({"warmup": 1.0}, r"warmup must be a fraction of the steps in \[0, 1\)"),
        ({"decay": "both"}, "decay must be decoupled or coupled, got 'both'"),
        ({"name": "adamw", "decay": "coupled"}, "decay of optimiser adamw must be decoupled, got coupled"),
        ({"name": "weight_decay_sgd", "decay": "decoupled"}, "must be coupled, got decoupled"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(InputError, match=message):
        OptimizerSpec(**fields)


@pytest.mark.parametrize("name", ["gd", "adagrad"])
def test_no_momentum_where_there_is_none(name):
    with pytest.raises(InputError, match=f"optimiser {name} has no momentum: leave it None"):
        build(OptimizerSpec(name), HParams(0.1, 0.9), 1, F32)
