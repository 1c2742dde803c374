"""fcnet evaluate: loss and score of a trained network, on its own parts or on another table."""

from pathlib import Path

import numpy as np

from fcnet import metrics, runs
from fcnet.analysis import PartReport, report
from fcnet.console import Reporter
from fcnet.contracts import CLASSIFICATION
from fcnet.data import Rows, load, tables
from fcnet.errors import require
from fcnet.predictor import Predictor
from fcnet.predictor import load as load_predictor
from fcnet.runs import RunFolder


def evaluate(run: Path, file: Path | None = None) -> dict[str, PartReport]:
    """Loss and score of a run's best parameters, on its own parts or on the rows of a table with the same columns.

    Raises:
        InputError: not a run folder, data that have changed since, or a table that does not fit.
    """
    reporter, predictor = Reporter(), load_predictor(run)
    if file is None:
        config = RunFolder(run).config()
        dataset = load(config.data_spec())
        runs.require_same_data(RunFolder(run), dataset)
        parts = dataset.parts
    else:
        parts = {file.name: labelled_rows(predictor, file)}
    reports = report(predictor.objective, predictor.params, predictor.state, parts)
    reporter.reports(reports, metrics.score_name(predictor.spec.loss))
    return reports


def labelled_rows(predictor: Predictor, file: Path) -> Rows:
    """The rows of a table with the target among its columns, encoded as the network was trained.

    Raises:
        InputError: no table, columns missing, a target missing, not a number, or not among the run's classes.
    """
    data = predictor.data
    require(tables.is_table(file), f"{file}: expected a table, its name ending in {', '.join(tables.SUFFIXES)}")
    require(file.is_file(), f"{file} is not a file")
    columns = predictor.columns(file)
    x = predictor.encode(predictor.stack(columns, file), str(file))
    require(data.target in columns, f"{file} has no column {data.target!r}, the target: fcnet predict needs none")
    goal = columns[data.target]
    where = f"{file}: target column {data.target!r}"
    if data.task != CLASSIFICATION:
        require(goal.is_numeric, f"{where} is not numeric, as it was in training")
        bad = ~np.isfinite(goal.values)
        require(not bad.any(), f"{where} has no finite number in row {int(bad.argmax()) + 1}")
        y = (goal.values.reshape(-1, 1) - data.target_shift) / data.target_scale
        return Rows(x, y.astype(np.float32))
    names = [tables.class_name(value) for value in goal.values]
    for row, name in enumerate(names, start=1):
        require(
            name in data.classes, f"{where}, row {row}: {name!r} is not a class of the run ({', '.join(data.classes)})"
        )
    return Rows(x, np.array([data.classes.index(name) for name in names], np.int32))
