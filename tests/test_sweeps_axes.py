"""The words for what a sweep varies: every form, every refusal, and what the command line makes of them."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcnet.contracts import HParams
from fcnet.errors import InputError
from fcnet.sweeps.axes import MOST_VALUES, axis, draw, items
from fcnet.sweeps.fields import FIELDS, read, written
from fcnet.sweeps.words import lift


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("weight_decay", "0,1e-4,1e-3", (0.0, 1e-4, 1e-3)),
        ("learning_rate", " 0.1, 0.2 ", (0.1, 0.2)),
        ("learning_rate", "0.1", (0.1,)),
        ("learning_rate", "log:1e-3:1:4", (0.001, 0.01, 0.1, 1.0)),
        ("dropout", "linear:0:0.5:6", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
        ("bias", "linear:-0.1:0.1:3", (-0.1, 0.0, 0.1)),
        ("bias", "-0.1,0.1", (-0.1, 0.1)),
        ("batch_size", "16,64", (16, 64)),
        ("batch_size", "log:16:64:3", (16, 32, 64)),
        ("depth", "linear:1:4:8", (1, 2, 3, 4)),
        ("epochs", "linear:1:1e1:2", (1, 10)),
        ("activation", "relu,tanh,leaky_relu:slope=0.2", ("relu", "tanh", "leaky_relu:slope=0.2")),
        ("schedule", "cosine,step:every=0.25,factor=0.5", ("cosine", "step:every=0.25,factor=0.5")),
        ("schedule", "step:every=0.25, factor=0.5,linear", ("step:every=0.25, factor=0.5", "linear")),
        ("initializer", "uniform:low=-1,high=1,he_normal", ("uniform:low=-1,high=1", "he_normal")),
        ("hidden", "32,64-64,256-128,none", ((32,), (64, 64), (256, 128), ())),
        ("momentum", "none,0,0.9", (None, 0.0, 0.9)),
        ("decay", "coupled,decoupled", ("coupled", "decoupled")),
        ("seed", "1,5,7", (1, 5, 7)),
    ],
)
def test_words_become_values_of_the_fields_type(name, text, values):
    found = axis(name, text)
    assert (found.name, found.text, found.values) == (name, text, values)
    assert [type(value) for value in found.values] == [type(value) for value in values]
    assert found.kind == (text.split(":")[0] if text.startswith(("log:", "linear:")) and name != "schedule" else "list")


@pytest.mark.parametrize(
    ("name", "text", "low", "high"),
    [("dropout", "uniform:0:0.5", 0.0, 0.5), ("learning_rate", "loguniform:1e-4:1", 1e-4, 1.0)],
)
def test_a_random_axis_has_ends_and_no_values(name, text, low, high):
    found = axis(name, text)
    assert (found.values, found.kind, found.low, found.high) == ((), text.split(":")[0], low, high)
    assert isinstance(axis("batch_size", "loguniform:8:64").low, int)


@given(st.floats(1e-9, 1e3), st.floats(1.01, 1e6), st.integers(2, 40))
def test_log_values_have_one_ratio(low, factor, count):
    high = low * factor
    values = axis("learning_rate", f"log:{low!r}:{high!r}:{count}").values
    assert (values[0], values[-1], len(values)) == (low, high, count)
    # 12 digits are kept: each value may be off by 5e-13, a ratio of two by twice that
    np.testing.assert_allclose(np.diff(np.log(values)), math.log(high / low) / (count - 1), atol=1e-11)


@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e3), st.integers(2, 40))
def test_linear_values_have_one_distance(low, length, count):
    values = axis("bias", f"linear:{low!r}:{low + length!r}:{count}").values
    assert (values[0], values[-1], len(values)) == (low, low + length, count)
    np.testing.assert_allclose(np.diff(values), length / (count - 1), atol=1e-8)


@given(st.lists(st.sampled_from(["relu", "elu:alpha=0.5", "step:every=0.25,factor=0.5", "a:b=1,c=2,d=3"]), min_size=1))
def test_options_stay_with_their_value(words):
    assert items(",".join(words)) == words


@pytest.mark.parametrize("value", [(), (32,), (64, 32)])
def test_hidden_layers_survive_being_written(value):
    assert read("hidden", written(value)) == value


@pytest.mark.parametrize(
    ("name", "given", "values"),
    [
        ("learning_rate", [1, 0.1], (1.0, 0.1)),
        ("learning_rate", np.array([0.1, 0.2]), (0.1, 0.2)),
        ("batch_size", np.array([8, 16]), (8, 16)),
        ("hidden", [(64, 64), [32], 16, "8-4", ()], ((64, 64), (32,), (16,), (8, 4), ())),
        ("dropout", [0.1, (0.2,), (0.1, 0.3)], (0.1, 0.2, (0.1, 0.3))),
        ("activation", ["relu", ("relu", "tanh")], ("relu", ("relu", "tanh"))),
        ("loss", [None, "mse"], (None, "mse")),
    ],
)
def test_values_from_python(name, given, values):
    found = axis(name, given)
    assert found.values == values
    assert [type(value) for value in found.values] == [type(value) for value in values]
    assert found.kind == "list"


def test_a_long_range_of_widths_is_no_matter_of_depth():
    assert axis("width", "log:1:100000:6").values[-1] == 100_000


WRONG = [
    ("learning_rat", "1,2", "unknown axis 'learning_rat': did you mean learning_rate"),
    ("data", "digits,iris", "unknown axis 'data'"),
    ("learning_rate", "", "--learning-rate has an empty value in ''"),
    ("learning_rate", ",", "--learning-rate has an empty value in ','"),
    ("learning_rate", "0.1,,0.2", "--learning-rate has an empty value in '0.1,,0.2'"),
    ("learning_rate", [], "learning_rate has no values"),
    ("learning_rate", "0.1,ten", '--learning-rate: unable to convert "ten" into float.'),
    ("learning_rate", "0.1,1e-1", "--learning-rate 0.1,1e-1 has 0.1 twice"),
    ("hidden", "8,4-4,8", "--hidden 8,4-4,8 has 8 twice"),
    ("learning_rate", [0.1, 0.1], "--learning-rate 0.1,0.1 has 0.1 twice"),
    ("batch_size", "32,64.5", "--batch-size takes whole numbers, got '64.5'"),
    ("batch_size", "32,1e3", "--batch-size takes whole numbers, got '1e3'"),
    ("hidden", "32,64x64", "--hidden takes whole numbers, got '64x64'"),
    ("hidden", "32,64-", "--hidden takes whole numbers, got ''"),
    ("depth", [1, 2.5], "depth: a value must be a whole number, got 2.5"),
    ("learning_rate", [True], "learning_rate: a value must be a number, got True"),
    ("learning_rate", [(0.1, 0.2)], "learning_rate: a value must be one number, got (0.1, 0.2)"),
    ("batch_size", [[8]], "batch_size: a value must be one whole number, got [8]"),
    ("weight_decay", [None], "weight_decay: a value must be a number, got None"),
    ("activation", [3], "activation: a value must be a name, got 3"),
    ("decay", "coupled,both", '--decay: invalid value "both"'),
    ("learning_rate", "log:1e-3:1", "--learning-rate log:1e-3:1: write log:LOW:HIGH:N"),
    ("dropout", "uniform:0:0.5:6", "--dropout uniform:0:0.5:6: write uniform:LOW:HIGH"),
    ("learning_rate", "lgo:1:2:3", "unknown range in --learning-rate lgo:1:2:3: 'lgo': did you mean log"),
    ("learning_rate", "log:a:1:3", "--learning-rate log:a:1:3: 'a' is not a number"),
    ("learning_rate", "log::1:3", "--learning-rate log::1:3: '' is not a number"),
    ("learning_rate", "log:1:1:3", "--learning-rate log:1:1:3: 1 must be below 1"),
    ("learning_rate", "log:1:1e-3:3", "--learning-rate log:1:1e-3:3: 1 must be below 1e-3"),
    ("learning_rate", "uniform:1:0", "--learning-rate uniform:1:0: 1 must be below 0"),
    ("learning_rate", "linear:nan:1:3", "--learning-rate linear:nan:1:3: nan is not a finite number"),
    ("learning_rate", "log:1:inf:3", "--learning-rate log:1:inf:3: inf is not a finite number"),
    ("dropout", "uniform:0:nan", "--dropout uniform:0:nan: nan is not a finite number"),
    ("learning_rate", "log:0:1:3", "--learning-rate log:0:1:3: a logarithmic range must begin above 0"),
    ("learning_rate", "loguniform:-1:1", "--learning-rate loguniform:-1:1: a logarithmic range must begin above 0"),
    ("learning_rate", "log:1e-3:1:0", "--learning-rate log:1e-3:1:0: N must be at least 2, because both ends are"),
    ("learning_rate", "log:1e-3:1:-4", "--learning-rate log:1e-3:1:-4: N must be at least 2, because both ends are"),
    ("learning_rate", "log:1e-3:1:2.5", "--learning-rate log:1e-3:1:2.5: N must be a whole number, got '2.5'"),
    ("learning_rate", "log:1e-3:1:", "--learning-rate log:1e-3:1:: N must be a whole number, got ''"),
    ("learning_rate", f"log:1:2:{MOST_VALUES + 1}", f"N must be at most {MOST_VALUES:,}, got {MOST_VALUES + 1:,}"),
    ("learning_rate", "log:1:2:" + "9" * 5000, "N must be a whole number"),
    ("batch_size", "log:1.5:8:3", "--batch-size log:1.5:8:3: --batch-size takes whole numbers, got 1.5"),
    ("batch_size", "uniform:1:8.5", "--batch-size uniform:1:8.5: --batch-size takes whole numbers, got 8.5"),
    ("dropout", "uniform:0:1", "--dropout uniform:0:1: --dropout must be in [0, 1), got 1.0"),
    ("learning_rate", "linear:0:1:3", "--learning-rate linear:0:1:3: --learning-rate must be a number > 0, got 0.0"),
    ("width", "linear:0:64:3", "--width linear:0:64:3: hidden layer 1 must have at least 1 unit, got 0"),
    ("hidden", "linear:8:64:8", "--hidden linear:8:64:8: hidden layers are listed, 64,128-64; --width and --depth"),
]


@pytest.mark.parametrize(("name", "given", "message"), WRONG)
def test_what_cannot_be_an_axis_is_one_line(name, given, message):
    with pytest.raises(InputError) as caught:
        axis(name, given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_draws_are_joint_seeded_and_begin_alike():
    axes = [axis("dropout", "uniform:0.1:0.5"), axis("learning_rate", "loguniform:1e-4:1")]
    draws = draw(axes, 400, seed=3)
    assert draws[:50] == draw(axes, 50, seed=3)
    assert draws != draw(axes, 400, seed=4)
    dropout, rate = (np.array([one[name] for one in draws]) for name in ("dropout", "learning_rate"))
    assert (dropout.min() >= 0.1) & (dropout.max() < 0.5)
    assert (rate.min() >= 1e-4) & (rate.max() < 1)
    # each quarter of the scale has its quarter of 400: 100 ± 4 standard deviations of √(400·¼·¾) = 8.7
    for unit in ((dropout - 0.1) / 0.4, np.log(rate / 1e-4) / np.log(1e4)):
        assert all(abs(count - 100) < 35 for count in np.histogram(unit, bins=4, range=(0, 1))[0])
    assert abs(np.corrcoef(dropout, np.log(rate))[0, 1]) < 0.2  # 4 / √400


@pytest.mark.parametrize("kind", ["uniform", "loguniform"])
def test_draws_of_whole_numbers_reach_both_ends(kind):
    counts = Counter(one["depth"] for one in draw([axis("depth", f"{kind}:1:4")], 1000, seed=0))
    assert sorted(counts) == [1, 2, 3, 4]
    assert all(isinstance(value, int) for value in counts)
    weights = [math.log((value + 0.5) / (value - 0.5)) if kind == "loguniform" else 1 for value in (1, 2, 3, 4)]
    wanted = 1000 * np.array(weights) / sum(weights)
    # 4 standard deviations of a binomial count are at most 4 √(1000 / 4)
    np.testing.assert_allclose([counts[value] for value in (1, 2, 3, 4)], wanted, atol=64)


@pytest.mark.parametrize(
    ("words", "lifted"),
    [
        (["--epochs", "5", "--quiet"], ["--epochs", "5", "--quiet"]),
        (["show", "run", "--score", "a,b"], ["show", "run", "--score", "a,b"]),
        ([], []),
        (["--learning-rate", "0.1,0.2"], ["--axis", "learning_rate=0.1,0.2", "--learning-rate=0.1"]),
        (["--learning-rate=log:1e-3:1:4"], ["--axis", "learning_rate=log:1e-3:1:4", "--learning-rate=0.001"]),
        (["--bias", "-0.1,0.1"], ["--axis", "bias=-0.1,0.1", "--bias=-0.1"]),
        (["--schedule=step:every=0.25,factor=0.5"], ["--schedule=step:every=0.25,factor=0.5"]),
        (
            ["--schedule=step:every=0.25,factor=0.5,cosine"],
            ["--axis", "schedule=step:every=0.25,factor=0.5,cosine", "--schedule=step:every=0.25,factor=0.5"],
        ),
        (["--activation", "relu", "tanh"], ["--activation", "relu", "tanh"]),
        (["--hidden", "512", "256"], ["--hidden", "512", "256"]),
        (["--hidden", "64-32"], ["--hidden", "64", "32"]),
        (["--hidden", "none,64-32"], ["--axis", "hidden=none,64-32", "--no-hidden"]),
        (["--hidden", "64-32,none"], ["--axis", "hidden=64-32,none", "--hidden", "64", "32"]),
        (["--momentum", "none,0.9"], ["--axis", "momentum=none,0.9"]),
        (["--width", "32,64"], ["--axis", "width=32,64", "--hidden", "32", "32"]),
        (["--depth", "1,2,3"], ["--axis", "depth=1,2,3", "--hidden", "128"]),
        (["--depth", "0,1", "--width", "8"], ["--axis", "depth=0,1", "--hidden", "8"]),
        (["--width", "32", "--depth", "3"], ["--hidden", "32", "32", "32"]),
        (["--depth", "0"], ["--no-hidden"]),
        (["--dropout", "uniform:0.1:0.5"], ["--axis", "dropout=uniform:0.1:0.5", "--dropout=0.1"]),
        (["--seed", "3,5"], ["--axis", "seed=3,5", "--seed=3"]),
        (["--folds", "5", "--fold", "2"], ["--folds", "5", "--fold", "2", "--one-fold"]),
        (["--augment", "shift:pixels=2", "noise"], ["--augment", "shift:pixels=2", "noise"]),
        (["--target", "a,b", "--drop", "c,d"], ["--target", "a,b", "--drop", "c,d"]),
        (["--data", "my,own.csv"], ["--data", "my,own.csv"]),
        (["--learnig-rate", "0.1,0.2"], ["--learnig-rate", "0.1,0.2"]),
    ],
)
def test_axes_are_lifted_out_of_the_words(words, lifted):
    assert lift(words) == lifted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--data digits,iris", "--data digits,iris cannot be swept: what can be is --hidden, --width, --depth, "),
        ("--dtype float32,float64", "--dtype float32,float64 cannot be swept: what can be is --hidden"),
        ("--noise 0.1,0.2", "--noise 0.1,0.2 cannot be swept"),
        ("--gradients=manual,autodiff", "--gradients manual,autodiff cannot be swept"),
        ("--augment shift,noise", "--augment shift,noise cannot be swept"),
        ("--elastic-net 0.1,0.2 0.5", "--elastic-net 0.1,0.2 0.5 cannot be swept: --l1 and --l2 can"),
        ("--decay-all true,false", "--decay-all true,false cannot be swept"),
        ("--folds 5,10", "--folds 5,10 cannot be swept: --folds 5 trains all 5 folds"),
        ("--fold 0,1 --folds 5", "--fold 0,1 cannot be swept: --folds 5 trains all folds, --fold 2 one of them"),
        ("--split-seed 0,1", "--split-seed 0,1 cannot be swept: --splits 3 trains on 3 random splits"),
        ("--learning-rate 0.1,0.2 --learning-rate 0.3", "--learning-rate is given twice"),
        ("--width 8 --width 16", "--width is given twice"),
        ("--width 8 16", "--width takes one word"),
        ("--depth", "--depth takes one word"),
        ("--depth -1", "--depth must be from 0 (a linear model) to 10,000, got -1"),
        ("--depth 1000000000", "--depth must be from 0 (a linear model) to 10,000, got 1000000000"),
        ("--width 8.5", "--width takes whole numbers, got '8.5'"),
        ("--hidden 512 256,128", "--hidden 512 256,128: an axis is one word, 512,256-128"),
        ("--activation relu tanh,gelu", "--activation relu tanh,gelu: an axis is one word, relu,tanh"),
        ("--width 8,16 --hidden 8", "--width builds the hidden layers: leave out --hidden"),
        ("--depth 1,2 --width 8 --no-hidden", "--width and --depth build the hidden layers: leave out --no-hidden"),
        ("--learning-rate log:1:0:3", "--learning-rate log:1:0:3: 1 must be below 0"),
    ],
)
def test_words_that_cannot_be_lifted_are_one_line(words, message):
    with pytest.raises(InputError) as caught:
        lift(words.split())
    assert message in str(caught.value)


def test_every_number_of_a_run_can_be_swept():
    """What is traced in a program, and the two other numbers."""
    numbers = {name for name, field in FIELDS.items() if field.kind is float}
    assert numbers == {*HParams._fields, "bias", "warmup"}
