"""The flags' dataclasses: what they turn into, and that they survive the disk."""

import json
from dataclasses import replace

import pytest

from fcnet import losses
from fcnet.config import (
    AugmentConfig,
    DataConfig,
    LoopConfig,
    NetworkConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
from fcnet.data import DataSpec, load
from fcnet.errors import InputError


def test_survives_json():
    config = TrainConfig(
        DataConfig("wine", drop=("ash",), interval=(0.0, 1.0)),
        NetworkConfig((7, 5), ("relu", "glu"), dropout=(0.3, 0.1)),
        ObjectiveConfig("cross_entropy", 0.1),
        OptimizerConfig("adam"),
        LoopConfig(seed=9),
    )
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json())), "here") == config


def test_defaults_follow_the_task():
    for name, loss, dropout, rate in (
        ("digits", "cross_entropy", 0.2, 0.05),
        ("diabetes", "mse", None, 0.01),
    ):
        data = load(DataSpec(name)).description
        assert TrainConfig().run_spec(data).loss == loss
        assert TrainConfig().hparams(data).dropout == dropout
        assert TrainConfig().hparams(data).learning_rate == rate


def test_zero_is_left_out_of_the_program():
    data = load(DataSpec("iris")).description
    nothing = TrainConfig(
        network=NetworkConfig(dropout=(0.0,)), optimizer=OptimizerConfig(momentum=0, weight_decay=0)
    ).hparams(data)
    assert [name for name, value in nothing._asdict().items() if value is not None] == ["learning_rate"]


def test_patience_rests_without_validation():
    data = load(DataConfig("iris", validation=0).spec()).description
    assert TrainConfig().run_spec(data).patience == 0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: NetworkConfig(dropout=(-0.1,)), r"--dropout must be in \[0, 1\)"),
        (lambda: NetworkConfig(bias=float("nan")), "--bias must be a number"),
        (lambda: OptimizerConfig(learning_rate=float("inf")), "--learning-rate must be a number > 0"),
        (lambda: LoopConfig(seed=2**32), "--seed must be in"),
        (lambda: DataConfig(data=""), "data must name a set"),
    ],
)
def test_checked_when_built(build, message):
    with pytest.raises(InputError, match=message):
        build()


@pytest.fixture(scope="module")
def digits():
    return load(DataSpec("digits")).description


@pytest.fixture(scope="module")
def iris():
    return load(DataSpec("iris")).description


@pytest.fixture(scope="module")
def diabetes():
    return load(DataSpec("diabetes")).description


# Fields that exclude others, or that say where data are.
LEFT_AT_DEFAULTS = {"target", "sample_weight", "task", "data_dir", "download", "validation", "test", "split_seed"}
LEFT_AT_DEFAULTS |= {"samples", "function", "l1", "l2", "data_parallel"}


def test_every_field_survives_json():
    config = TrainConfig(
        DataConfig("wine", drop=("ash",), interval=(0.0, 1.0), folds=3, fold=1, noise=0.2),
        NetworkConfig(
            (8, 4),
            ("relu", "leaky_relu:slope=0.2"),
            "identity",
            ("batch:momentum=0.2", "none"),
            "after",
            "sparse:sparsity=0.5",
            1.5,
            0.1,
            (0.3, 0.1),
            "connect",
            0.1,
            0.2,
            "bfloat16",
        ),
        ObjectiveConfig(
            "cross_entropy", "batchmean", ("1", "2", "3"), "class_0", 0.1, elastic_net=(0.1, 0.5), max_norm=3.0
        ),
        OptimizerConfig("adam:b2=0.99", 0.1, 0.5, 0.0, "coupled", True, 1.0, 2.0, "plateau:patience=3", 0.1),
        LoopConfig(7, 9, 2, 5, "manual", "numpy", stream=True),
        AugmentConfig(("shift:pixels=2", "noise"), True),
    )
    again = TrainConfig.from_json(json.loads(json.dumps(config.to_json())), "here")
    assert again == config
    assert hash(again) == hash(config)  # lists have become tuples again
    for part, values in config.to_json().items():
        default = getattr(TrainConfig(), part)
        same = [name for name, value in values.items() if value == getattr(default, name)]
        # a field of a new name is set above, too, so that one which is not carried is noticed
        assert set(same) <= LEFT_AT_DEFAULTS


def test_lists_are_one_for_all_or_one_for_each(iris):
    network = NetworkConfig((8, 4), ("relu", "tanh"), norm=("layer", "none"), dropout=(0.3, 0.1))
    config = TrainConfig(network=network)
    model = config.run_spec(iris).model
    assert [layer.activation.name for layer in model.layers] == ["relu", "tanh", "identity"]
    assert [layer.norm and layer.norm.name for layer in model.layers] == ["layer", None, None]
    assert config.hparams(iris).dropout == (0.3, 0.1)
    for_all = TrainConfig(network=NetworkConfig((8, 4), ("gelu",), norm=("layer",), dropout=(0.4,)))
    assert for_all.run_spec(iris).model.activation == "gelu"
    assert for_all.run_spec(iris).model.norm == "layer"
    assert for_all.hparams(iris).dropout == 0.4
    assert TrainConfig(network=NetworkConfig((), ("relu",))).run_spec(iris).model.sizes == (4, 3)


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_the_loss_chooses_output_activation_and_width(loss, iris, diabetes):
    """Without a word from the person every loss fits its network."""
    record = losses.get(loss)
    data = iris if record.task == "classification" else diabetes
    spec = TrainConfig(objective=ObjectiveConfig(loss)).run_spec(data)
    wanted = {"nll": "log_softmax", "kl_divergence": "log_softmax", "binary_cross_entropy_probability": "sigmoid"}
    assert spec.model.output_activation == wanted.get(loss, "identity")
    assert spec.model.outputs == data.outputs * (2 if loss == "gaussian_nll" else 1)


def test_a_rate_needs_a_positive_output(diabetes):
    spec = TrainConfig(objective=ObjectiveConfig("poisson_nll:log_input=false")).run_spec(diabetes)
    assert spec.model.output_activation == "softplus"


def test_a_named_output_activation_stays(iris):
    chosen = TrainConfig(
        network=NetworkConfig(output_activation="softmax"),
        objective=ObjectiveConfig("binary_cross_entropy_probability"),
    )
    assert chosen.run_spec(iris).model.output_activation == "softmax"
    wrong = TrainConfig(network=NetworkConfig(output_activation="tanh"), objective=ObjectiveConfig("nll"))
    with pytest.raises(
        InputError, match="nll needs log-probabilities as outputs: output activation log_softmax, got tanh"
    ):
        wrong.run_spec(iris)


def test_counts_are_not_standardised():
    assert (
        not TrainConfig(DataConfig("diabetes"), objective=ObjectiveConfig("poisson_nll")).data_spec().standardise_target
    )
    assert TrainConfig(DataConfig("diabetes"), objective=ObjectiveConfig("gaussian_nll")).data_spec().standardise_target


def test_gradient_descent_takes_all_rows(iris):
    rows = iris.rows["train"]
    config = TrainConfig(optimizer=OptimizerConfig("gd"))
    assert config.run_spec(iris).batch_size == rows
    assert replace(config, loop=LoopConfig(batch_size=rows)).run_spec(iris).batch_size == rows
    with pytest.raises(InputError, match=f"--optimizer gd takes all {rows} rows: leave out --batch-size"):
        replace(config, loop=LoopConfig(batch_size=8)).run_spec(iris)


@pytest.mark.parametrize(
    ("name", "given", "momentum"),
    [
        ("sgd", None, 0.9),
        ("sgd", 0.5, 0.5),
        ("sgd", 0.0, None),
        ("adam", None, 0.9),
        ("lion", 0.8, 0.8),
        ("gd", None, None),
        ("gd", 0.0, None),
        ("adagrad", None, None),
    ],
)
def test_momentum_where_there_is_one(name, given, momentum, iris):
    assert TrainConfig(optimizer=OptimizerConfig(name, momentum=given)).hparams(iris).momentum == momentum


def test_class_weights(iris, diabetes):
    given = TrainConfig(objective=ObjectiveConfig(class_weights=("1", "0", "2.5")))
    assert given.run_spec(iris).class_weights == (1.0, 0.0, 2.5)
    uneven = replace(iris, rows={"train": 60}, class_counts=(10, 20, 30))
    balanced = TrainConfig(objective=ObjectiveConfig(class_weights=("balanced",)))
    # rows / (classes · rows of the class), so that Σ rows · weight = rows
    assert balanced.run_spec(uneven).class_weights == pytest.approx((2.0, 1.0, 2 / 3), rel=1e-15)
    with pytest.raises(InputError, match="--class-weights are for classes, diabetes has numbers to predict"):
        balanced.run_spec(diabetes)
    with pytest.raises(InputError, match="class weights must be 3 numbers, one for each class, got 2"):
        TrainConfig(objective=ObjectiveConfig(class_weights=("1", "2"))).run_spec(iris)


def test_ignored_class(iris, diabetes):
    config = TrainConfig(objective=ObjectiveConfig(ignore_class="versicolor"))
    assert config.run_spec(iris).ignored == 1
    assert TrainConfig().run_spec(iris).ignored is None
    with pytest.raises(InputError, match="--ignore-class is for classes, diabetes has numbers to predict"):
        config.run_spec(diabetes)
    near = TrainConfig(objective=ObjectiveConfig(ignore_class="versicolour"))
    with pytest.raises(InputError, match="unknown class of iris 'versicolour': did you mean versicolor"):
        near.run_spec(iris)
    with pytest.raises(InputError, match="--ignore-class versicolor ignores all rows"):
        config.run_spec(replace(iris, class_counts=(0, iris.rows["train"], 0)))


def test_elastic_net_is_both_penalties(iris):
    hparams = TrainConfig(objective=ObjectiveConfig(elastic_net=(0.4, 0.25))).hparams(iris)
    assert (hparams.l1, hparams.l2) == pytest.approx((0.1, 0.3), rel=1e-15)
    lasso = TrainConfig(objective=ObjectiveConfig(elastic_net=(0.4, 1.0))).hparams(iris)
    assert (lasso.l1, lasso.l2) == (0.4, None)


@pytest.mark.parametrize("loss", [name for name, loss in losses.LOSSES.items() if loss.targets == "one_hot"])
def test_smoothing_needs_soft_targets(loss, iris):
    config = TrainConfig(objective=ObjectiveConfig(loss, label_smoothing=0.1))
    with pytest.raises(InputError, match=rf"--label-smoothing 0\.1 needs a loss of soft targets .* not {loss}"):
        config.run_spec(iris)


def test_augmentation_is_for_images(digits, iris):
    config = TrainConfig(augmentation=AugmentConfig(("shift:pixels=2",)))
    assert config.run_spec(digits).augmentation.image_shape == (8, 8)
    assert TrainConfig().run_spec(digits).augmentation is None
    with pytest.raises(InputError, match="--augment is for images, iris has none"):
        config.run_spec(iris)
    flipped = AugmentConfig(("horizontal_flip",))
    with pytest.raises(InputError, match="horizontal_flip changes labels of digits"):
        TrainConfig(augmentation=flipped).run_spec(digits)
    forced = TrainConfig(augmentation=replace(flipped, force_augmentation=True))
    assert forced.run_spec(digits).augmentation.forced


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: NetworkConfig((8, 4), ("relu",) * 3), "activation names 3 layers, but there are 2 hidden ones"),
        (lambda: NetworkConfig((8, 4), norm=("batch",) * 3), "norm names 3 layers, but there are 2 hidden ones"),
        (lambda: NetworkConfig((8, 4), dropout=(0.1,) * 3), "--dropout names 3 rates for 2 hidden layers"),
        (lambda: NetworkConfig((8, 4), norm=("group:groups=3",)), "group of 8 units in 3 groups: .* must divide"),
        (lambda: NetworkConfig(hidden_noise=-1.0), "--hidden-noise must be a number ≥ 0, got -1.0"),
        (lambda: NetworkConfig(input_noise=float("inf")), "--input-noise must be a number ≥ 0, got inf"),
        (lambda: NetworkConfig(dropout_kind="alfa"), "unknown kind of dropout 'alfa': did you mean alpha"),
        (lambda: ObjectiveConfig("mse:delta=1"), "loss mse has no options, got delta=1"),
        (lambda: ObjectiveConfig(class_weights=("even",)), "--class-weights must be one number a class or .* got even"),
        (lambda: ObjectiveConfig(class_weights=("balanced", "1")), "the word balanced, got balanced 1"),
        (lambda: ObjectiveConfig(elastic_net=(0.1, 0.5), l2=0.1), "leave out --l1 and --l2"),
        (lambda: ObjectiveConfig(elastic_net=(0.1, -0.5)), r"ratio of an elastic net must be in \[0, 1\], got -0.5"),
        (lambda: ObjectiveConfig(elastic_net=(float("inf"), 0.5)), "strength of an elastic net must be"),
        (lambda: ObjectiveConfig(max_norm=float("nan")), "--max-norm must be a number ≥ 0, got nan"),
        (lambda: OptimizerConfig("gd", momentum=0.5), "--momentum 0.5: gd has none, leave it out"),
        (lambda: OptimizerConfig("rmsprop:alpha=1"), r"rmsprop: alpha must be a number in \[0, 1\), got 1"),
        (lambda: OptimizerConfig("adam", decay="sideways"), "decay must be decoupled or coupled, got 'sideways'"),
        (lambda: OptimizerConfig(clip_norm=-1.0), "--clip-norm must be a number ≥ 0, got -1.0"),
        (lambda: OptimizerConfig(schedule="one_cycle:peak_at=0"), r"peak_at must be a number in \(0, 1\), got 0"),
        (lambda: AugmentConfig(("scale:factor=0.5",)), r"scale: factor must be a number in \[1, 4\], got 0.5"),
    ],
)
def test_the_catalogue_is_checked_when_built(build, message):
    with pytest.raises(InputError, match=message):
        build()
