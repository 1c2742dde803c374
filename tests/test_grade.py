"""The exercise is graded function by function: full marks, none, and what lies between, each with its feedback."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from fcnet.cli import run
from fcnet.commands import grade as command
from fcnet.errors import InputError
from fcnet.gradcheck.diagnosis.layer_mistakes import LAYER_MISTAKES
from fcnet.gradcheck.exercise import solution as exercise_solution
from fcnet.gradcheck.exercise.cases import PARTS, SEED, cases_of
from fcnet.gradcheck.exercise.grading import grade, grade_function
from fcnet.gradcheck.exercise.mistakes import ACTED_OUT
from fcnet.gradcheck.exercise.parts import answers_of, close
from fcnet.gradcheck.sandbox import outcome
from fcnet.gradcheck.sandbox.outcome import Limits, Outcome

TEMPLATE = Path(__file__).parents[1] / "colab" / "exercise_backprop.py"

# Written for the tests in loops and sums, not as fcnet's own solution is.
SOLVED = """
import numpy as np

def matmul_forward(x, kernel):
    return np.einsum("ni,ik->nk", x, kernel), (x, kernel)

def matmul_backward(upstream, cache):
    x, kernel = cache
    return np.einsum("nk,ik->ni", upstream, kernel), np.einsum("ni,nk->ik", x, upstream)

def relu_forward(z):
    return np.where(z < 0, 0, z), z

def relu_backward(upstream, cache):
    return np.where(cache < 0, 0, upstream)

def softmax_forward(z):
    a = np.zeros_like(z)
    for i, row in enumerate(z):
        for j in range(len(row)):
            a[i, j] = 1 / np.exp(np.clip(row - row[j], None, 700)).sum()
    return a, a

def softmax_backward(upstream, cache):
    rows = []
    for u, a in zip(upstream, cache):
        rows.append((np.diag(a) - np.outer(a, a)) @ u)
    return np.array(rows)

def log_forward(p):
    return np.log(p), p

def log_backward(upstream, cache):
    return upstream * cache**-1.0

def loss_forward(log_p, labels):
    return sum(-row[label] for row, label in zip(log_p, labels)) / len(labels), (log_p, labels)

def loss_backward(upstream, cache):
    log_p, labels = cache
    grad = np.zeros_like(log_p)
    for i, label in enumerate(labels):
        grad[i, label] = -upstream / len(labels)
    return grad

def network_loss_and_grads(params, x, labels):
    z1 = x @ params["W1"] + params["b1"]
    a1 = np.where(z1 > 0, z1, 0)
    z2 = a1 @ params["W2"] + params["b2"]
    p = np.exp(z2) / np.exp(z2).sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(len(x)), labels]))
    delta = p.copy()
    delta[np.arange(len(x)), labels] -= 1
    delta /= len(x)
    below = (delta @ params["W2"].T) * (z1 > 0)
    return loss, {"W1": x.T @ below, "b1": below.sum(0), "W2": a1.T @ delta, "b2": delta.sum(0)}
"""


def answers(text, name):
    """What a function of ``text`` answers, as the worker would hand it over, without a process."""
    module = {}
    exec(text, module)
    found = []
    for case in cases_of(PARTS[name], SEED):
        named = answers_of(name, module[name](*case.inputs), case.answers)
        found.append({answer: outcome.encode(np.asarray(value)) for answer, value in named.items()})
    return Outcome("finished", json.loads(json.dumps(found)))


def graded(name, *changes):
    text = SOLVED
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with np.errstate(all="ignore"):
        return grade_function(PARTS[name], answers(text, name), SEED)


def test_the_points_are_a_hundred_and_divide_evenly():
    assert sum(part.points for part in PARTS.values()) == 100
    for part in PARTS.values():
        names = {name for case in cases_of(part, SEED) for name in case.answers}
        assert part.points % len(names) == 0


def test_the_solution_against_differences():
    """What is compared with is right: ∂(Σ u ⊙ forward)/∂input by central differences."""
    for name, part in PARTS.items():
        if not name.endswith("_backward"):
            continue
        forward = PARTS[name.replace("_backward", "_forward")].solution
        for case in cases_of(part, SEED):
            upstream, cache = case.inputs
            inputs = [np.array(value) for value in (cache if isinstance(cache, tuple) else (cache,))]
            if name == "softmax_backward":  # whose cache is its output: log a has that softmax
                inputs = [np.log(cache)]
            named = answers_of(name, part.solution(upstream, cache), case.answers)
            for value, grad in zip(inputs, named.values(), strict=False):
                for place in np.ndindex(value.shape):
                    ends = []
                    for step in (1e-6, -1e-6):
                        kept, value[place] = value[place], value[place] + step
                        ends.append(np.sum(upstream * forward(*inputs)[0]))
                        value[place] = kept
                    # h² and ε/h are 1e-12 and 1e-10 on numbers of order 1 to 100
                    np.testing.assert_allclose((ends[0] - ends[1]) / 2e-6, grad[place], atol=1e-6)


def test_the_networks_solution_against_differences():
    for case in cases_of(PARTS["network_loss_and_grads"], SEED):
        params, x, labels = case.inputs
        _, grads = exercise_solution.network_loss_and_grads(params, x, labels)
        for name, value in params.items():
            for place in np.ndindex(value.shape):
                ends = []
                for step in (1e-6, -1e-6):
                    kept, value[place] = value[place], value[place] + step
                    ends.append(exercise_solution.network_loss_and_grads(params, x, labels)[0])
                    value[place] = kept
                np.testing.assert_allclose((ends[0] - ends[1]) / 2e-6, grads[name][place], atol=1e-6)


@pytest.mark.parametrize("name", PARTS)
def test_acted_out_mistakes_are_mistakes(name):
    """None gives the right answers, or they would be called wrong for a right file."""
    part = PARTS[name]
    cases = cases_of(part, SEED)
    right = [answers_of(name, part.solution(*case.inputs), case.answers) for case in cases]
    for mistake, function in ACTED_OUT.get(name, ()):
        given = [answers_of(name, function(*case.inputs), case.answers) for case in cases]
        assert any(not close(g[n], r[n]) for g, r in zip(given, right, strict=True) for n in r), mistake


@pytest.mark.parametrize("name", PARTS)
def test_a_right_function_earns_all(name):
    found = graded(name)
    assert (found.earned, found.status, found.feedback) == (PARTS[name].points, "right", "")


@pytest.mark.parametrize("name", PARTS)
def test_float32_is_right_too(name):
    value = answers(SOLVED, name).value
    narrow = [
        {key: outcome.encode(outcome.decode(array).astype(np.float32)) for key, array in case.items()} for case in value
    ]
    assert grade_function(PARTS[name], Outcome("finished", narrow), SEED).status == "right"


RELU, LOSS = "np.where(cache < 0, 0, upstream)", "-upstream / len(labels)"
NETWORK = "network_loss_and_grads"


@pytest.mark.parametrize(
    ("name", "old", "new", "earned", "answers", "mistake"),
    [
        ("matmul_backward", '"ni,nk->ik"', '"ni,nk->ki"', 7, "gradient towards kernel", "transposed"),
        (
            "matmul_backward",
            'np.einsum("nk,ik->ni", upstream, kernel), np.einsum("ni,nk->ik", x, upstream)',
            "x.T @ upstream, upstream @ kernel.T",
            0,
            "gradient towards x, gradient towards kernel",
            "swapped",
        ),
        ("matmul_backward", "x, upstream)", "x, upstream) / len(x)", 7, "gradient towards kernel", "extra_mean"),
        ("relu_backward", RELU, "upstream", 0, "gradient towards z", "derivative_missing"),
        ("relu_backward", RELU, "1.0 * (cache > 0)", 0, "gradient towards z", "upstream_missing"),
        ("relu_backward", RELU, f"-{RELU}", 0, "gradient towards z", "sign"),
        ("relu_backward", RELU, f"{RELU} * 2", 0, "gradient towards z", "doubled"),
        (
            "softmax_backward",
            "np.diag(a) - np.outer(a, a)",
            "np.diag(a * (1 - a))",
            0,
            "gradient towards z",
            "softmax_off_diagonal",
        ),
        (
            "log_backward",
            "upstream * cache**-1.0",
            "upstream / np.log(cache)",
            0,
            "gradient towards p",
            "derivative_at_activation",
        ),
        ("loss_backward", LOSS, "-upstream", 0, "gradient towards log_p", "missing_mean"),
        ("loss_backward", "grad[i, label]", "grad[i, label - 1]", 0, "gradient towards log_p", "label_off_by_one"),
        ("loss_backward", LOSS, "-1 / len(labels)", 0, "gradient towards log_p", "upstream_missing"),
        ("loss_forward", "/ len(labels), (", ", (", 0, "output", "missing_mean"),
        (NETWORK, " * (z1 > 0)", "", 12, "W1, b1", "derivative_missing"),
        (NETWORK, "below.sum(0)", "below.mean(0)", 16, "b1", "bias_averaged"),
        (NETWORK, "below.sum(0)", "below", 16, "b1", "bias_not_summed"),
        (NETWORK, "delta /= len(x)", "", 4, "W1, b1, W2, b2", "missing_mean"),
        (NETWORK, "x.T @ below", "0 * params['W1']", 16, "W1", "missing"),
        (NETWORK, "a1.T @ delta", "z1.T @ delta", 16, "W2", "cache_of_another_layer"),
    ],
)
def test_mistakes_are_named(name, old, new, earned, answers, mistake):
    found = graded(name, (old, new))
    assert (found.earned, found.status) == (earned, "partly_right" if earned else "wrong")
    assert found.feedback == f"{PARTS[name].layer}: {answers}: {said_of(mistake)}"


def said_of(mistake):
    return f"{LAYER_MISTAKES[mistake].title}: {LAYER_MISTAKES[mistake].hint}"


def test_two_mistakes_are_named_apart():
    found = graded(NETWORK, (" * (z1 > 0)", ""), ("delta.sum(0)", "-delta.sum(0)"))
    assert found.earned == 8
    assert found.feedback == f"network: W1, b1: {said_of('derivative_missing')}; b2: {said_of('sign')}"


def test_what_is_no_known_mistake_is_said_with_its_shapes():
    found = graded("relu_forward", ("np.where(z < 0, 0, z), z", "z**2, z"))
    assert found.feedback == (
        "relu: output: is off in every case, first for inputs of shapes (6, 3); no known mistake fits"
    )


def test_feedback_gives_no_numbers_and_no_formula():
    """Hints and titles, shapes and counts: no derivation, and nothing of the expected values."""
    for name, mistakes in ACTED_OUT.items():
        for _, function in mistakes:
            value = [
                {k: outcome.encode(np.asarray(v)) for k, v in answers_of(name, answer, case.answers).items()}
                for case in cases_of(PARTS[name], SEED)
                for answer in [function(*case.inputs)]
            ]
            said = grade_function(PARTS[name], Outcome("finished", value), SEED).feedback
            assert said
            assert not any(mistake.derivation in said for mistake in LAYER_MISTAKES.values())


def test_softmax_that_overflows_keeps_half():
    new = "np.exp(row[j]) / np.exp(row).sum()"
    found = graded("softmax_forward", ("1 / np.exp(np.clip(row - row[j], None, 700)).sum()", new))
    assert (found.earned, found.possible, found.status) == (3, 6, "partly_right")
    assert "output for large z: is NaN or infinite for inputs of shapes (6, 3)" in found.feedback


def test_only_the_batch_of_one_is_wrong():
    found = graded(
        "relu_forward", ("return np.where(z < 0, 0, z), z", "return np.where(z < 0, 0, z) * (len(z) > 1), z")
    )
    assert "in 1 of 5 cases, first for inputs of shapes (1, 2)" in found.feedback


@pytest.mark.parametrize(
    "value",
    [None, [], [{}] * 5, [{"output": 3}] * 5, [{"output": {"dtype": "O", "shape": [], "bytes": ""}}] * 5],
)
def test_forged_answers_earn_nothing(value):
    found = grade_function(PARTS["relu_forward"], Outcome("finished", value), SEED)
    assert (found.earned, found.status) == (0, "wrong")


def test_the_template_asks_for_every_function_and_holds_no_answer():
    functions = {node.name: node for node in ast.parse(TEMPLATE.read_text()).body if isinstance(node, ast.FunctionDef)}
    assert [name for name in functions if name != "example"] == list(PARTS)
    for name in PARTS:
        _, only = functions[name].body
        assert ast.get_docstring(functions[name])
        assert isinstance(only, ast.Raise)


def test_the_command_on_the_template_and_the_solution(tmp_path, capsys):
    assert run(["grade", str(TEMPLATE)]) == 1
    printed = capsys.readouterr().out
    assert printed.count("not done yet") == len(PARTS)
    assert "0 / 100" in printed
    solved = tmp_path / "solved.py"
    solved.write_text(SOLVED)
    assert run(["grade", str(solved), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["total", "points", "functions"]
    assert (found["total"], found["points"]) == (100, 100)
    assert [list(function) for function in found["functions"]] == [
        ["name", "earned", "possible", "status", "feedback"]
    ] * len(PARTS)


def test_one_that_loops_or_crashes_costs_itself_alone(tmp_path, capsys):
    text = SOLVED
    for old, new in (
        ("return np.where(z < 0, 0, z), z", "while True: pass"),
        ("return np.log(p), p", "return np.ones(2**29), p"),
        ("return upstream * cache**-1.0", "raise ValueError('[red]no[/red]')"),
        ("return np.where(cache < 0, 0, upstream)", "return [[1, 2], [3]]"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    text = "print('[bold]loud[/bold]')\n" + text.replace("import numpy as np", "import numpy as np, jax")
    file = tmp_path / "mine.py"
    file.write_text(text)
    found = grade(file, limits=Limits(seconds=3.0, memory_gib=1.5))
    status = {function.name: function.status for function in found.functions}
    assert {name: kind for name, kind in status.items() if kind != "right"} == {
        "relu_forward": "timed_out",
        "relu_backward": "wrong",
        "log_forward": "out_of_memory",
        "log_backward": "raised",
    }
    assert found.points == 100 - 4 - 10 - 3 - 8
    feedback = {function.name: function.feedback for function in found.functions}
    assert (
        "log: raised ValueError: [red]no[/red] (called with shapes (6, 3), (6, 3)) in line" in feedback["log_backward"]
    )
    assert "return 1 gradient, not 2" in feedback["relu_backward"]
    # what the author wrote is shown as written, not taken for colours
    command.Reporter().console.print(command.grade_table(found))
    assert "[red]no[/red]" in capsys.readouterr().out
    assert found.printed.startswith("[bold]loud[/bold]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", "mine.py: is not Python: invalid syntax in line 1: def f(:"),
        ("import a_library_of_the_future", "mine.py: cannot import what it needs: No module named"),
    ],
)
def test_a_file_that_cannot_be_used(text, message, tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(text)
    assert run(["grade", str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_a_file_that_imports_the_answers_is_refused(tmp_path):
    file = tmp_path / "copied.py"
    file.write_text("from fcnet.gradcheck.exercise.solution import *\n")
    with pytest.raises(InputError, match="imports fcnet in line 1: the exercise is to be solved without it"):
        grade(file)
