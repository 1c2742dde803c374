"""Every way in which a function is no gradient function, told in one line."""

import contextlib
import sys
import threading
import time

import numpy as np
import pytest

from fcnet.gradcheck import check
from fcnet.gradcheck.examination.calls import TimeUp, time_limit


def linear(params, x, y):
    """Least squares with a bias, and its gradients."""
    error = x @ params["W"] + params["b"] - y
    return np.sum(error**2) / 2, {"W": x.T @ error, "b": error.sum(axis=0)}


@pytest.fixture
def arguments(random):
    params = {"W": random.normal(size=(4, 3)), "b": random.normal(size=3)}
    return params, (random.normal(size=(6, 4)), random.normal(size=(6, 3)))


def problems(function, arguments, **options):
    params, batch = arguments
    report = check(function, params, batch, **options)
    for problem in report.problems:
        assert "\n" not in problem.message
    return report, {problem.kind: problem for problem in report.problems}


def changed(**replaced):
    """``linear`` with some gradients replaced by functions of (gradients, error, params)."""

    def function(params, x, y):
        loss, gradients = linear(params, x, y)
        error = x @ params["W"] + params["b"] - y
        return loss, gradients | {name: make(gradients, error, params) for name, make in replaced.items()}

    return function


def test_nothing_to_say_of_a_right_function(arguments):
    report, found = problems(linear, arguments)
    assert report.right
    assert not found


def test_raises_with_the_authors_own_line(arguments):
    def function(params, x, y):
        return np.linalg.norm(x @ params["b"], axis=7)  # the author's own line

    report, found = problems(function, arguments)
    assert found["raises"].fatal
    assert not report.tensors
    assert "ValueError" in found["raises"].message
    assert "the author's own line" in found["raises"].message
    assert f"line {function.__code__.co_firstlineno + 1}" in found["raises"].message


def test_leaves_python_or_raises_elsewhere(arguments):
    def leaves(params, x, y):
        raise SystemExit(3)

    assert "SystemExit: 3" in problems(leaves, arguments)[1]["raises"].message

    start = arguments[0]["W"].copy()

    def only_here(params, x, y):
        if not np.allclose(params["W"], start, atol=1e-12):
            raise RuntimeError("not here")
        return linear(params, x, y)

    assert "at parameters other than those given" in problems(only_here, arguments)[1]["raises"].message


def test_loops(arguments):
    def function(params, x, y):
        while True:
            with contextlib.suppress(Exception):  # as careless code does
                time.sleep(0.01)

    assert "did not end within 0.2 seconds" in problems(function, arguments, seconds=0.2)[1]["loops"].message


def test_the_time_limit_gives_an_outer_timer_back_and_lets_other_threads_be():
    with pytest.raises(TimeUp), time_limit(0.05):
        time.sleep(5)
    seen = []

    def elsewhere():
        with time_limit(1e-3):
            time.sleep(0.02)
            seen.append("unlimited")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == ["unlimited"]


def test_random_loss_and_what_is_kept_between_calls(arguments):
    source = np.random.default_rng()
    report, found = problems(lambda *at: (linear(*at)[0] + source.normal(), linear(*at)[1]), arguments)
    assert found["nondeterministic"].fatal
    assert "the loss" in found["nondeterministic"].message
    noisy = changed(b=lambda g, error, params: g["b"] + source.normal())
    report, found = problems(noisy, arguments)
    assert "differ in b" in found["nondeterministic"].message
    assert {tensor.name: tensor.verdict for tensor in report.tensors} == {"W": "right", "b": "wrong"}
    kept = {}

    def stale(params, x, y):
        loss, gradients = linear(params, x, y)
        last = kept.get("gradients", gradients)
        kept["gradients"] = gradients
        return loss, last

    report, found = problems(stale, arguments)
    assert "an earlier call is kept" in found["nondeterministic"].message
    assert {tensor.verdict for tensor in report.tensors} == {"wrong"}


def test_mutates_and_the_callers_arrays_stay(arguments):
    def function(params, x, y):
        answer = linear(params, x, y)
        params["W"] -= 0.1 * answer[1]["W"]
        params["cache"] = x
        x *= 2
        return answer

    before = arguments[0]["W"].copy(), arguments[1][0].copy()
    report, found = problems(function, arguments)
    assert [word in found["mutates"].message for word in ("W is changed", "cache is added", "batch/0")] == [True] * 3
    assert "batch/1" not in found["mutates"].message
    np.testing.assert_array_equal(before[0], arguments[0]["W"])
    np.testing.assert_array_equal(before[1], arguments[1][0])
    assert {tensor.verdict for tensor in report.tensors} == {"right"}


def test_prints(arguments, capsys):
    def function(params, x, y):
        sys.stdout.write("eight!!\n")
        return linear(params, x, y)

    report, found = problems(function, arguments)
    assert "prints 8 characters" in found["prints"].message
    assert capsys.readouterr().out == ""
    assert {tensor.verdict for tensor in report.tensors} == {"right"}
    assert report.right  # it is told, and harms nothing


def test_warnings_are_remarks(arguments):
    def function(params, x, y):
        np.log(np.zeros(1))
        return linear(params, x, y)

    report, _ = problems(function, arguments)
    assert report.right
    assert any("divide by zero" in remark for remark in report.remarks)


SHAPES = {
    "a row of shape (1, 3)": lambda g, error, params: g["b"][None],
    "a column of shape (3, 1)": lambda g, error, params: g["b"][:, None],
    "not summed over the batch": lambda g, error, params: error,
    "has shape (2,), the parameter has (3,)": lambda g, error, params: g["b"][:2],
    "has shape (), the parameter has (3,)": lambda g, error, params: 0.0,
}


@pytest.mark.parametrize("sentence", sorted(SHAPES))
def test_shapes(sentence, arguments):
    report, found = problems(changed(b=SHAPES[sentence]), arguments)
    assert sentence in found["shape"].message
    assert not found["shape"].fatal
    assert {tensor.name: tensor.verdict for tensor in report.tensors} == {"W": "right", "b": "wrong"}
    causes = [(cause.mistake, cause.tensors) for cause in report.causes]
    assert causes == ([("bias_not_summed", ("b",))] if "batch" in sentence else [])


def test_transposed_by_its_shape(arguments):
    report, found = problems(changed(W=lambda g, error, params: g["W"].T), arguments)
    assert "transposed: (3, 4) instead of (4, 3)" in found["shape"].message
    assert [(cause.mistake, cause.where) for cause in report.causes] == [("transposed", "W")]


@pytest.mark.parametrize("pattern", ["d{}", "grad_{}", "{}_grad"])
def test_gradients_called_as_courses_call_them(pattern, arguments):
    def renamed(params, x, y):
        loss, gradients = linear(params, x, y)
        return loss, {pattern.format(name): value for name, value in gradients.items()}

    report, found = problems(renamed, arguments)
    assert found == {}
    assert [tensor.name for tensor in report.tensors if tensor.verdict == "right"] == ["W", "b"]


def test_missing_extra_and_hints(arguments):
    def renamed(params, x, y):
        loss, gradients = linear(params, x, y)
        return loss, {"W": gradients["W"], "db": gradients["b"]}

    report, found = problems(renamed, arguments)
    assert "of b is missing" in found["missing"].message
    assert "db" in found["extra"].message
    assert {tensor.name: tensor.verdict for tensor in report.tensors} == {"W": "right", "b": "wrong"}
    assert problems(lambda *at: (linear(*at)[0], {}), arguments)[1]["missing"].fatal


def test_not_finite(arguments):
    def spoilt(g, error, params):
        return np.where(np.arange(12).reshape(4, 3) < 5, np.nan, g["W"])

    report, found = problems(changed(W=spoilt), arguments)
    assert "5 of 12 entries of the gradient of W are NaN" in found["not_finite"].message
    assert {tensor.name: tensor.verdict for tensor in report.tensors} == {"W": "wrong", "b": "right"}
    assert problems(lambda *at: (np.nan, linear(*at)[1]), arguments)[1]["not_finite"].fatal


def test_aliased(arguments):
    params, batch = arguments
    params["c"] = params["b"].copy()

    def shared(params, x, y):
        loss, gradients = linear({**params, "b": params["b"] + params["c"]}, x, y)
        return loss, gradients | {"c": gradients["b"]}

    report, found = problems(shared, (params, batch))
    assert "b and c share memory" in found["aliased"].message
    assert {tensor.verdict for tensor in report.tensors} == {"right"}
    report, found = problems(lambda params, x: ((params["W"] ** 2).sum() / 2, params), ({"W": params["W"]}, batch[:1]))
    assert "shares memory with the parameter W" in found["aliased"].message


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda loss, gradients: gradients, "returned a dict"),
        (lambda loss, gradients: (loss, gradients, 1), "tuple of 3 values"),
        (lambda loss, gradients: None, "NoneType"),
        (lambda loss, gradients: (gradients, loss), "turned round"),
        (lambda loss, gradients: (np.ones(3), gradients), "shape (3,)"),
        (lambda loss, gradients: (np.full((1, 1), loss), gradients), "shape (1, 1)"),
        (lambda loss, gradients: ("much", gradients), "must be one real number"),
        (lambda loss, gradients: (loss + 1j, gradients), "must be one real number"),
    ],
)
def test_no_gradients_at_all(answer, sentence, arguments):
    report, found = problems(lambda *at: answer(*linear(*at)), arguments)
    assert sentence in found["not_gradients"].message
    assert not report.right


def test_dtypes(arguments):
    params, batch = arguments
    narrow = {name: value.astype(np.float32) for name, value in params.items()}
    data = tuple(value.astype(np.float32) for value in batch)
    report, found = problems(changed(b=lambda g, error, params: g["b"].astype(np.float16)), (narrow, data))
    assert "b is float16 where the parameter is float32" in found["dtype"].message
    whole = changed(b=lambda g, error, params: np.round(g["b"]).astype(int))
    assert "b is int64" in problems(whole, (narrow, data))[1]["dtype"].message
    # a wider one is only worth a remark
    report, found = problems(changed(b=lambda g, error, params: g["b"].astype(np.float64)), (narrow, data))
    assert report.right
    assert any("float64" in remark for remark in report.remarks)
