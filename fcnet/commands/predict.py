"""fcnet predict: a trained network's answer for every row of a file."""

from pathlib import Path
from typing import Any

from fcnet.console import Reporter
from fcnet.contracts import CLASSIFICATION
from fcnet.errors import InputError, require
from fcnet.files import write_with
from fcnet.predictor import load as load_predictor


def predict(run: Path, file: Path, out: Path | None = None) -> Path:
    """Write the network's answer for every row of ``file``: the prediction, and the probability of each class.

    Args:
        out: a CSV or Parquet file that is not there yet; by default FILE's name with -predictions.csv, here.

    Raises:
        InputError: not a run folder, a file that does not fit, or an ``out`` that is there already.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    target = out or Path(f"{file.name.split('.')[0]}-predictions.csv")
    require(target.suffix in (".csv", ".parquet"), f"--out {target}: its name must end in .csv or .parquet")
    try:
        is_there = target.exists()
    except OSError as failed:  # a name that no file can have
        raise InputError(f"--out {target} cannot be a file: {failed.strerror}") from None
    require(not is_there, f"{target} is there already: name another file with --out")
    predictor = load_predictor(run)
    answers = predictor.answers(predictor.read(file))
    columns: dict[str, Any]
    if predictor.data.task == CLASSIFICATION:
        labels = [predictor.data.classes[index] for index in answers.argmax(axis=1)]
        columns = {predictor.data.target: labels}
        columns |= {f"p({name})": answers[:, index] for index, name in enumerate(predictor.data.classes)}
    else:
        columns = {predictor.data.target: answers[:, 0]}
    table = pa.table(columns)
    writer = parquet.write_table if target.suffix == ".parquet" else csv.write_csv
    write_with(target, lambda temporary: writer(table, temporary))
    Reporter().result(f"{len(answers):,} predictions written to {target}")
    return target
