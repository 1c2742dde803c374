"""Bundled and generated sets, and finding data by name: the right rows, or one clear sentence."""

import numpy as np
import pytest

from fcnet.data import DataSpec, load
from fcnet.data.generated import FUNCTIONS, GENERATED, XOR_CORNERS, Draw
from fcnet.data.generated import load as load_generated
from fcnet.data.splits import SplitSpec
from fcnet.errors import InputError

BUNDLED_SHAPES = {
    "digits": (1797, 64, 10),
    "iris": (150, 4, 3),
    "wine": (178, 13, 3),
    "breast_cancer": (569, 30, 2),
    "diabetes": (442, 10, 1),
}


@pytest.mark.parametrize("name", sorted(BUNDLED_SHAPES))
def test_bundled_sets(name):
    rows, inputs, outputs = BUNDLED_SHAPES[name]
    dataset = load(DataSpec(name))
    data = dataset.description
    assert (sum(data.rows.values()), data.inputs, data.outputs) == (rows, inputs, outputs)
    assert len(data.features) == inputs
    assert data.rows == {part: len(found.x) for part, found in dataset.parts.items()}


def test_digits_stay_bytes_and_the_rest_is_standardised_on_its_training_part():
    assert load(DataSpec("digits")).train.x.dtype == np.uint8
    wine = load(DataSpec("wine"))
    np.testing.assert_allclose(wine.train.x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(wine.train.x.std(axis=0), 1, rtol=1e-5)
    assert abs(wine.test.x.mean()) > 1e-4


def test_a_regression_target_is_standardised_and_can_be_brought_back():
    dataset = load(DataSpec("diabetes"))
    data = dataset.description
    assert abs(dataset.train.y.mean()) < 1e-6
    back = np.concatenate([part.y for part in dataset.parts.values()]) * data.target_scale + data.target_shift
    assert (round(float(back.min())), round(float(back.max()))) == (25, 346)


def test_parts_do_not_overlap_and_follow_the_split_seed():
    def keys(dataset):
        return {name: {row.tobytes() for row in part.x} for name, part in dataset.parts.items()}

    one, same, other = (load(DataSpec("digits", split=SplitSpec(seed=seed))) for seed in (1, 1, 2))
    parts = keys(one)
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["validation"]
    assert keys(same) == parts != keys(other)


def test_parts_are_left_out_when_asked():
    dataset = load(DataSpec("iris", split=SplitSpec(validation=0, test=0)))
    assert list(dataset.parts) == ["train"]
    assert len(dataset.train.y) == 150


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_generated_sets_repeat_with_their_seed(name):
    one, same, other = (load_generated(name, Draw(samples=40, seed=seed, noise=0.1)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.rows.x, same.rows.x)
    assert not np.array_equal(one.rows.x, other.rows.x)
    assert one.rows.x.shape == (40, len(one.features))
    assert np.isfinite(one.rows.x).all()


def test_generated_laws():
    line = load_generated("line", Draw(samples=1000))
    error = line.rows.y - 2 * line.rows.x
    assert np.abs(error).max() <= 0.5
    assert abs(error.mean()) < 5 * 0.5 / np.sqrt(3 * 1000)
    xor = load_generated("xor", Draw(samples=8, noise=0))
    np.testing.assert_array_equal(xor.rows.x[:4], XOR_CORNERS.x)
    np.testing.assert_array_equal(xor.rows.y, [0, 1, 1, 0, 0, 1, 1, 0])
    for name, function in FUNCTIONS.items():
        drawn = load_generated("function", Draw(samples=50, function=name, interval=(-1, 2)))
        np.testing.assert_allclose(drawn.rows.y, function(drawn.rows.x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (lambda d: DataSpec("digit"), "unknown data 'digit': did you mean digits"),
        (lambda d: DataSpec("Iris"), "did you mean iris"),
        (lambda d: DataSpec("breast-cancer"), "did you mean breast_cancer"),
        (
            lambda d: DataSpec("mnist", data_dir=str(d)),
            r"mnist is not here yet: looked in .*mnist for a prepared set or IDX",
        ),
        (lambda d: DataSpec("cifar10", data_dir=str(d)), "either add --download, or copy the folder of a prepared set"),
        (lambda d: DataSpec(str(d / "no.csv")), "no.csv does not exist"),
        (lambda d: DataSpec("folder/that/is/not/there"), "does not exist: --data takes a set's name"),
        (lambda d: DataSpec(str(d)), "expected the four IDX files"),
        (lambda d: DataSpec("function", draw=Draw(function="sine")), "unknown function 'sine': did you mean sin"),
        (lambda d: DataSpec("xor", draw=Draw(samples=0)), "samples must be at least 1"),
        (lambda d: DataSpec("xor", draw=Draw(noise=-1)), "noise must be a number ≥ 0"),
        (lambda d: DataSpec("function", draw=Draw(interval=(2, 1))), "interval must go upwards"),
        (
            lambda d: DataSpec("function", draw=Draw(function="exp", interval=(0, 1e4))),
            "function is not finite in float32: choose a smaller --noise or --interval",
        ),
        (lambda d: DataSpec("digits", task="clustering"), "unknown task 'clustering'"),
        (lambda d: DataSpec("xor", draw=Draw(samples=4)), "class"),
        (lambda d: DataSpec("iris", split=SplitSpec(test=0.99, validation=0)), "leaves some part without a class"),
    ],
)
def test_refusals(spec, message, tmp_path):
    with pytest.raises(InputError, match=message) as refused:
        load(spec(tmp_path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", GENERATED)
def test_origins_of_generated_sets_are_plain_phrases(name):
    origin = load_generated(name, Draw(samples=20)).origin
    assert origin.startswith("generated: ")
    assert "`" not in origin
    assert not origin.endswith(".")
