"""The whole examination: what is right passes, wrong tensors are found on their own scale, bad input is told."""

import json
from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.contracts import Batch
from fcnet.errors import InputError
from fcnet.gradcheck import as_json, check
from fcnet.gradcheck.examination.verdict import AGREEMENT

from .gradcheck_examples import network_parameters, tanh_network, verdicts


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_network_is_right(dtype, random):
    params = network_parameters(random, dtype=dtype)
    batch = random.normal(size=(7, 5)).astype(dtype), random.integers(0, 3, 7)
    report = check(tanh_network, params, batch)
    assert report.right, report
    assert report.dtype == np.dtype(dtype).name
    assert report.loss == pytest.approx(float(tanh_network(params, *batch)[0]))
    assert {tensor.source for tensor in report.tensors} == {"complex step"}
    assert [tensor.name for tensor in report.tensors] == list(params)
    # both sides round in float64; sums of seven terms and half a dozen functions lose a few of its digits
    assert all(tensor.relative_error < 1e-12 and tensor.checked == np.prod(tensor.shape) for tensor in report.tensors)


MISTAKES = {"all zeros": lambda delta: np.zeros(delta.shape[1]), "averaged": lambda delta: delta.mean(axis=0)}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_a_small_gradient_is_judged_on_its_own_scale(mistake, random, monkeypatch):
    # its cause is found in the tests of the diagnosis
    monkeypatch.setattr(import_module("fcnet.gradcheck.check"), "diagnose", lambda evidence: ())
    params = network_parameters(random, (784, 128, 10), np.float32, scale=0.03)
    batch = random.uniform(size=(16, 784)).astype(np.float32), random.integers(0, 10, 16)
    # few entries of the large tensors are enough here: what is asked is whether the small one is found
    report = check(lambda *at: tanh_network(*at, first_bias=MISTAKES[mistake]), params, batch, budget=300)
    assert verdicts(report) == {"W1": "right", "b1": "wrong", "W2": "right", "b2": "right"}
    assert not report.right
    assert any("entries of W1 were checked" in remark for remark in report.remarks)


def test_a_single_wrong_entry_outside_the_sample_is_hunted_down(random):
    params = network_parameters(random, (60, 40, 3))
    batch = random.normal(size=(4, 60)), random.integers(0, 3, 4)

    def one_off(*at):
        loss, gradients = tanh_network(*at)
        gradients["W1"][17, 23] = 0.0
        return loss, gradients

    report = check(one_off, params, batch, budget=500)
    assert verdicts(report)["W1"] == "wrong"
    worst = next(tensor.worst for tensor in report.tensors if tensor.name == "W1")
    assert worst.index == (17, 23)


def jax_network(params, batch_x, y):
    def loss(params):
        hidden = jax.nn.softplus(batch_x @ params["W"] + jnp.reshape(params["b"], (1, -1)))
        return jnp.mean((jnp.sum(hidden, axis=1) - y) ** 2)

    return jax.value_and_grad(loss)(params)


def test_jax_and_what_autodiff_cannot_see(random):
    params = {"W": jnp.asarray(random.normal(size=(3, 2)), jnp.float32), "b": jnp.zeros(2, jnp.float32)}
    batch = Batch(jnp.asarray(random.normal(size=(4, 3)), jnp.float32), jnp.ones(4, jnp.float32))
    report = check(jax_network, params, batch)
    assert report.right, report
    assert (report.library, report.dtype) == ("jax", "float32")
    assert {tensor.source for tensor in report.tensors} == {"autodiff"}

    @jax.custom_vjp
    def square(w):
        return w**2

    # the derivative that autodiff is told lacks its factor, as the author's does
    square.defvjp(lambda w: (w**2, w), lambda w, upstream: (w * upstream,))
    circular = check(lambda w, x: (jnp.sum(square(w) * x), w * x), params["W"], (params["W"],))
    assert verdicts(circular) == {"params": "wrong"}
    assert circular.tensors[0].source == "central differences"
    assert circular.tensors[0].norm_ratio == pytest.approx(0.5, rel=AGREEMENT)


def test_torch(random):
    torch = pytest.importorskip("torch")

    def function(params, x, y):
        (weight, bias), wrong = params["layer"], params["factor"]
        error = torch.tanh(x @ weight + bias).sum(1) - y
        loss = (error**2).mean()
        back = (2 * error / len(y))[:, None] * (1 - torch.tanh(x @ weight + bias) ** 2)
        return loss, {"layer": [x.T @ back, wrong * back.sum(0)]}

    params = {"layer": (torch.randn(3, 2), torch.randn(2)), "factor": 1}
    batch = torch.randn(4, 3), torch.randn(4)
    report = check(function, params, batch)
    assert report.right, report
    assert [tensor.name for tensor in report.tensors] == ["layer/0", "layer/1"]
    assert report.library == "torch"
    assert {tensor.source for tensor in report.tensors} == {"autodiff"}
    assert verdicts(check(function, {**params, "factor": 2}, batch)) == {"layer/0": "right", "layer/1": "wrong"}

    def detached(params, x, y):
        loss, gradients = function(params, x, y)
        return loss.item(), gradients

    by_differences = check(detached, params, batch)
    assert by_differences.right, by_differences
    assert {tensor.source for tensor in by_differences.tensors} == {"central differences"}


def test_a_function_that_computes_in_float32_whatever_it_is_given(random):
    def narrow(params, x, y):
        loss, gradients = tanh_network({k: v.astype(np.float32) for k, v in params.items()}, x.astype(np.float32), y)
        return np.float32(loss), {name: value.astype(np.float32) for name, value in gradients.items()}

    params = network_parameters(random)
    batch = random.normal(size=(7, 5)), random.integers(0, 3, 7)
    report = check(narrow, params, batch)
    assert all(tensor.verdict in {"right", "undecided"} for tensor in report.tensors), report
    assert any("float32 whatever it is given" in remark for remark in report.remarks)
    doubled = check(lambda *at: (narrow(*at)[0], narrow(*at)[1] | {"W2": 2 * narrow(*at)[1]["W2"]}), params, batch)
    assert verdicts(doubled)["W2"] == "wrong"


def test_the_report_in_plain_values(random):
    def one_missing(params, x, y):
        loss, gradients = tanh_network(params, x, y)
        gradients.pop("b2")
        return loss, gradients

    params = network_parameters(random)
    report = check(one_missing, params, (random.normal(size=(7, 5)), random.integers(0, 3, 7)))
    plain = json.loads(json.dumps(as_json(report), allow_nan=False))
    assert plain["right"] is False
    assert [tensor["verdict"] for tensor in plain["tensors"]] == ["right", "right", "right", "wrong"]
    assert plain["problems"][0]["kind"] == "missing"
    assert np.shape(plain["errors"]["W1"]) == (5, 4)


def test_bad_input_is_told(random):
    with pytest.raises(InputError, match="no floating-point array"):
        check(tanh_network, {"W": np.arange(3)}, (np.ones(3),))
    with pytest.raises(InputError, match="must be a tuple"):
        check(tanh_network, np.ones(3), np.ones(3))
    with pytest.raises(InputError, match="not finite"):
        check(tanh_network, np.array([np.nan]), (np.ones(3),))


def test_what_is_kept_from_the_first_call_of_all_is_found(random):
    kept = {}

    def function(params, x, y):
        error = x @ params["w"] - y
        used = kept.setdefault("error", error)
        return np.sum(error**2) / 2, {"w": x.T @ used}

    batch = random.normal(size=(6, 4)), random.normal(size=6)
    report = check(function, {"w": random.normal(size=4)}, batch)
    assert not report.right
    assert [(cause.mistake, cause.tensors) for cause in report.causes] == [("stale", ("w",))]


def test_digits_are_compared_at_one_place_only(random):
    """What is kept is found 1 % away, where the right gradients are other numbers than at the parameters given."""
    kept = {}

    def function(params, x, y):
        error = x @ params["w"] + params["b"] - y
        return np.sum(error**2) / 2, {"w": x.T @ kept.setdefault("error", error), "b": np.sum(error, keepdims=True)}

    params = {"w": random.normal(size=4).astype(np.float32), "b": np.ones(1, np.float32)}
    batch = random.normal(size=(6, 4)).astype(np.float32), random.normal(size=6).astype(np.float32)
    report = check(function, params, batch)
    assert verdicts(report) == {"w": "wrong", "b": "right"}
    assert not [remark for remark in report.remarks if "digits" in remark]


def test_gradients_that_are_added_up_are_named(random):
    total = np.zeros(4)

    def function(params, x, y):
        error = x @ params["w"] - y
        total[:] += x.T @ error
        return np.sum(error**2) / 2, {"w": total.copy()}

    batch = random.normal(size=(6, 4)), random.normal(size=6)
    report = check(function, {"w": random.normal(size=4)}, batch)
    assert "added up over calls" in report.problems[0].message
    assert report.causes[0].mistake == "stale"


def test_a_wrong_entry_is_found_however_little_time_there_is(random):
    def function(params, x, y):
        error = x @ params["w"] - y
        gradient = x.T @ error
        gradient[7, 3] *= 2
        return np.sum(error**2) / 2, {"w": gradient}

    batch = random.normal(size=(6, 40)), random.normal(size=(6, 50))
    report = check(function, {"w": random.normal(size=(40, 50))}, batch, budget=40)
    (tensor,) = report.tensors
    assert tensor.checked < 100
    assert tensor.verdict == "wrong"
    assert tensor.worst.index == (7, 3)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_sixteen_bits_are_too_few_to_judge(dtype, random):
    def function(params, x, y):
        narrow = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
        error = x.astype(dtype) @ narrow["w"] - y.astype(dtype)
        return jnp.sum(error**2) / 2, {"w": x.astype(dtype).T @ error}

    batch = jnp.asarray(random.normal(size=(6, 9)), jnp.float32), jnp.asarray(random.normal(size=6), jnp.float32)
    report = check(function, {"w": jnp.asarray(random.normal(size=9), jnp.float32)}, batch)
    assert not report.right
    assert [problem.kind for problem in report.problems if problem.fatal] == ["dtype"]
    assert report.causes == ()


def test_a_last_layer_of_zeros_hides_nothing(random):
    def function(params, x, y):
        a = np.maximum(x @ params["v"], 0)
        error = a @ params["w"] - y
        return np.sum(error**2) / 2, {"v": x.T @ (error @ params["w"].T), "w": a.T @ error}  # f′ is missing

    params = {"v": random.normal(size=(4, 5)), "w": np.zeros((5, 2))}
    report = check(function, params, (random.normal(size=(9, 4)), random.normal(size=(9, 2))))
    assert [tensor.verdict for tensor in report.tensors] == ["wrong", "right"]
    assert report.causes[0].mistake == "derivative_missing"


def test_a_function_that_ignores_its_parameters_is_told_so(random):
    w, x, y = random.normal(size=3), random.normal(size=(5, 3)), random.normal(size=5)

    def function(params, *batch):
        error = x @ w - y
        return np.sum(error**2) / 2, {"w": x.T @ error}

    report = check(function, {"w": w}, (x, y))
    assert "does it use the params that it is given?" in report.problems[0].message
    assert report.causes == ()


def test_two_tensors_of_one_name_are_refused(random):
    params = {"a/b": np.ones(2), "a": {"b": np.ones(3)}}
    with pytest.raises(InputError, match="two tensors are called a/b"):
        check(lambda p, x, y: (0.0, p), params, (np.ones(2), np.ones(2)))
