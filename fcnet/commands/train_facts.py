"""What a person is told of a run before it is trained: device, data, network, optimiser."""

from typing import Any

import jax

from fcnet import provenance
from fcnet.config import TrainConfig
from fcnet.console import Reporter
from fcnet.data import Dataset, Description
from fcnet.train import RunSpec


def describe(reporter: Reporter, spec: RunSpec, config: TrainConfig, dataset: Dataset) -> None:
    """Say on which devices which network is trained with what."""
    data, device = dataset.description, provenance.device()
    count = f"{device['count']} × " if device["count"] > 1 else ""
    processes = f" in {device['processes']} processes" if device["processes"] > 1 else ""
    shared = ", each batch shared among them" if config.loop.data_parallel else ""
    place = f"{device['platform']}: {count}{device['kind']}{processes}{shared}"
    reporter.fact("device", f"{place}, JAX {jax.__version__}")
    reporter.fact("data", rows_text(data))
    model = spec.model
    parts = [*_each(model.activation), *(f"{text} norm" for text in _each(model.norm) if text != "none")]
    if model.output_activation != "identity":
        parts.append(f"{model.output_activation} outputs")
    sizes = "-".join(map(str, model.sizes))
    reporter.fact(
        "network",
        f"{sizes}, {', '.join(parts)}, {model.parameter_count:,} parameters, {model.dtype}; "
        f"{spec.loss.replace('_', ' ')}",
    )
    present = {name: value for name, value in config.hparams(data)._asdict().items() if value is not None}
    settings = [f"{name.replace('_', ' ')} {_numbers(value)}" for name, value in present.items()]
    if spec.augmentation is not None:
        settings.append(f"augmented by {' '.join(spec.augmentation.transforms)}")
    reporter.fact(
        "optimiser",
        f"{spec.optimizer.name}, {spec.optimizer.schedule} schedule, {', '.join(settings)}, "
        f"batches of {spec.batch_size}",
    )


def rows_text(data: Description) -> str:
    """Which data, and how many rows of each part: digits (bundled with scikit-learn): 1,149 train / … rows."""
    sizes = " / ".join(f"{count:,} {name}" for name, count in data.rows.items())
    return f"{data.name} ({data.origin}): {sizes} rows"


def _numbers(value: Any) -> str:
    return " ".join(f"{number:g}" for number in _each(value))


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
