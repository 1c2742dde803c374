"""One layer at a time: right ones pass in every library, and wrong ones are told what was done."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.errors import InputError
from fcnet.gradcheck.diagnosis.layer_mistakes import LAYER_MISTAKES, layer_mistakes
from fcnet.gradcheck.layers import check_layer


def tanh(z):
    return np.tanh(z), z


def softmax(z):
    grown = np.exp(z - z.max(axis=1, keepdims=True))
    a = grown / grown.sum(axis=1, keepdims=True)
    return a, a


def affine(x, kernel, bias):
    return x @ kernel + bias, (x, kernel)


def affine_backward(upstream, cache):
    x, kernel = cache
    return upstream @ kernel.T, x.T @ upstream, upstream.sum(0)


def picked(log_p, labels):
    return -log_p[range(len(labels)), labels].mean(), (log_p, labels)


def picked_backward(upstream, cache):
    log_p, labels = cache
    return -upstream * np.eye(log_p.shape[1])[labels] / len(labels)


SOFTMAX_BACKWARD = lambda u, a: a * (u - (u * a).sum(1, keepdims=True))  # noqa: E731


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("forward", "backward", "shapes", "names"),
    [
        (tanh, lambda u, z: u * (1 - np.tanh(z) ** 2), [(4, 3)], ["z"]),
        (softmax, SOFTMAX_BACKWARD, [(4, 3)], ["z"]),
        (affine, affine_backward, [(5, 4), (4, 3), (3,)], ["x", "kernel", "bias"]),
        (affine, lambda u, cache: list(affine_backward(u, cache)), [(1, 4), (4, 1), (1,)], ["x", "kernel", "bias"]),
    ],
)
def test_right_layers(forward, backward, shapes, names, dtype, random):
    report = check_layer(forward, backward, [random.normal(size=shape).astype(dtype) for shape in shapes])
    assert report.right
    assert sorted(tensor.name for tensor in report.tensors) == sorted(names)
    assert report.causes == ()


def test_labels_have_no_gradient(random):
    report = check_layer(picked, picked_backward, (random.normal(size=(5, 3)), np.array([0, 2, 1, 1, 2])))
    assert report.right
    assert [tensor.name for tensor in report.tensors] == ["log_p"]


@pytest.mark.parametrize(
    ("forward", "backward", "mistake"),
    [
        (tanh, lambda u, z: u, "derivative_missing"),
        (tanh, lambda u, z: 1 - np.tanh(z) ** 2, "upstream_missing"),
        (tanh, lambda u, z: u * (1 - np.tanh(np.tanh(z)) ** 2), "derivative_at_activation"),
        (tanh, lambda u, z: u / np.cosh(z / 2) ** 2 / 4, "derivative_of_another"),  # the logistic function's
        (softmax, lambda u, a: u * a * (1 - a), "softmax_off_diagonal"),
        (softmax, lambda u, a: u, "derivative_missing"),
        (tanh, lambda u, z: -u * (1 - np.tanh(z) ** 2), "sign"),
    ],
)
def test_wrong_layers_are_told_what_was_done(forward, backward, mistake, random):
    report = check_layer(forward, backward, (random.normal(size=(4, 3)),), name="mine")
    assert not report.right
    assert report.causes[0].mistake == mistake
    assert report.causes[0].tensors == ("z",)


def test_the_wrong_input_is_named(random):
    def backward(upstream, cache):
        towards_x, kernel, bias = affine_backward(upstream, cache)
        return towards_x, kernel, bias / len(upstream)

    inputs = [random.normal(size=shape) for shape in ((5, 4), (4, 3), (3,))]
    report = check_layer(affine, backward, inputs)
    assert {tensor.name for tensor in report.tensors if tensor.verdict == "wrong"} == {"bias"}


def test_jax(random):
    def backward(upstream, z):
        return upstream * (1 - jnp.tanh(z) ** 2)

    inputs = (jnp.asarray(random.normal(size=(4, 3)), jnp.float32),)
    assert check_layer(lambda z: (jnp.tanh(z), z), backward, inputs).right
    wrong = check_layer(lambda z: (jnp.tanh(z), z), lambda u, z: u, inputs)
    assert wrong.causes[0].mistake == "derivative_missing"
    assert isinstance(inputs[0], jax.Array)


def test_torch(random):
    torch = pytest.importorskip("torch")
    inputs = (torch.tensor(random.normal(size=(4, 3)), dtype=torch.float32),)
    right = check_layer(lambda z: (torch.tanh(z), z), lambda u, z: u * (1 - torch.tanh(z) ** 2), inputs)
    assert right.right
    wrong = check_layer(lambda z: (torch.tanh(z), z), lambda u, z: u, inputs)
    assert wrong.causes[0].mistake == "derivative_missing"


@pytest.mark.parametrize(
    ("forward", "inputs", "message"),
    [
        (lambda labels: (labels, None), (np.arange(3),), "none of its inputs is a floating array"),
        (
            lambda z: z,
            (np.ones(3),),
            r"forward must return \(output, cache\), the output a floating array; it returned",
        ),
        (lambda z: (z, z, z), (np.ones(3),), ".* it returned .ndarray, ndarray, ndarray"),
    ],
)
def test_what_is_no_layer(forward, inputs, message):
    with pytest.raises(InputError, match=f"mine: {message}"):
        check_layer(forward, lambda u, cache: u, inputs, name="mine")


def test_too_few_gradients_are_a_problem_that_is_named(random):
    inputs = [random.normal(size=shape) for shape in ((5, 4), (4, 3), (3,))]
    report = check_layer(affine, lambda u, cache: affine_backward(u, cache)[:2], inputs, name="mine")
    assert not report.right
    assert "backward must return 3 gradients, one for each floating input in order; it returned 2" in (
        report.problems[0].message
    )


def test_a_mistake_that_changes_nothing_explains_nothing(random):
    """Of z ↦ z, f′ = 1: leaving it out is right, and taking the gradient times 3 is not that."""
    z, u = random.normal(size=(2, 4, 3))
    assert layer_mistakes(lambda z: z, z, u, u, tensor="z", where="mine") == ()
    assert layer_mistakes(lambda z: z, z, u, 3 * u, tensor="z", where="mine") == ()


def test_every_cause_has_its_derivation(random):
    z, u = random.normal(size=(2, 4, 3))
    (cause,) = layer_mistakes(np.tanh, z, u, u, tensor="z", where="mine")
    assert cause.derivation == LAYER_MISTAKES[cause.mistake].derivation
    assert cause.where == "mine"
    assert layer_mistakes(np.tanh, z, u, random.normal(size=(4, 3)), tensor="z", where="mine") == ()
    assert layer_mistakes(np.tanh, np.ones((40, 40)), u, u, tensor="z", where="mine") == ()


def test_a_forward_that_changes_its_input_does_not_hide_a_wrong_backward(random):
    def forward(z):
        z[z < 0] = 0
        return z, z

    z = random.normal(size=(4, 3))
    before = z.copy()
    report = check_layer(forward, lambda upstream, cache: upstream, (z,))
    assert not report.right
    np.testing.assert_array_equal(z, before)


def test_a_forward_that_raises_is_told_in_one_line(random):
    with pytest.raises(InputError, match=r"relu: forward raises ZeroDivisionError.*1 / 0"):
        check_layer(lambda z: 1 / 0, lambda upstream, cache: upstream, (random.normal(size=(2, 2)),), name="relu")
