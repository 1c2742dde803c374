"""Tables: numbers, categories and holes as scikit-learn encodes them, and every refusal with row and column."""

import gzip

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from fcnet.data import DataSpec, encoding, load, tables
from fcnet.data.splits import SplitSpec
from fcnet.errors import InputError

HEADER = "age,city,income,label\n"
ROWS = [f"{20 + i % 30},{'Rome' if i % 3 else 'Oslo'},{1000 + 7 * i},{'yes' if i % 2 else 'no'}\n" for i in range(60)]


def encode(fitted, x):
    return encoding.encode(fitted, x, ("age", "city", "income"), "here")


def write(folder, rows=ROWS, header=HEADER, name="people.csv"):
    path = folder / name
    text = header + "".join(rows)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["people.csv", "people.csv.gz"])
def test_a_csv(name, tmp_path):
    dataset = load(DataSpec(str(write(tmp_path, name=name)), target="label"))
    data = dataset.description
    assert (data.name, data.task, data.classes) == ("people", "classification", ("no", "yes"))
    assert data.features == ("age", "city", "income")
    assert data.inputs == 4  # two numbers, two cities
    np.testing.assert_allclose(dataset.train.x[:, :2].mean(axis=0), 0, atol=1e-6)
    assert set(np.unique(dataset.train.x[:, 2:])) == {0, 1}


def test_parquet_is_the_same(tmp_path):
    from_csv = load(DataSpec(str(write(tmp_path)), target="label"))
    table = pa.csv.read_csv(tmp_path / "people.csv")
    parquet.write_table(table, tmp_path / "people.parquet")
    from_parquet = load(DataSpec(str(tmp_path / "people.parquet"), target="label"))
    np.testing.assert_array_equal(from_csv.train.x, from_parquet.train.x)


def test_numbers_are_predicted_and_few_whole_numbers_are_classes(tmp_path):
    path = str(write(tmp_path))
    assert load(DataSpec(path, target="income")).description.task == "regression"
    coded = str(write(tmp_path, [row.replace("yes", "1").replace("no", "0") for row in ROWS], name="coded.csv"))
    assert load(DataSpec(coded, target="label")).description.classes == ("0", "1")
    assert load(DataSpec(coded, target="label", task="regression")).description.task == "regression"


def test_holes_are_filled_from_the_training_part(tmp_path):
    rows = [*ROWS, ",Rome,2000,yes\n", "30,?,2000,no\n", "NA,,1500,yes\n"] * 2
    dataset = load(DataSpec(str(write(tmp_path, rows)), target="label", split=SplitSpec(validation=0, test=0)))
    assert np.isfinite(dataset.train.x).all()
    assert dataset.description.inputs == 5  # a hole among cities is a category of its own
    x = encode(dataset.encoder, np.array([[np.nan, "Paris", 1000.0]], dtype=object))
    median_age = np.median([float(row.split(",")[0]) for row in rows if row[0].isdigit()])
    expected = encode(dataset.encoder, np.array([[median_age, "Rome", 1000.0]], dtype=object))
    assert x[0, 0] == expected[0, 0]
    assert not x[0, 2:].any()  # a city never seen is none of the known ones


def test_columns_can_be_dropped(tmp_path):
    dataset = load(DataSpec(str(write(tmp_path)), target="label", drop=("city",)))
    assert dataset.description.features == ("age", "income")


def test_an_encoder_survives_the_disk_without_pickle(tmp_path):
    fitted = load(DataSpec(str(write(tmp_path)), target="label")).encoder
    encoding.save(fitted, tmp_path / "encoder.skops")
    assert b"pickle" not in (tmp_path / "encoder.skops").read_bytes()
    raw = np.array([[33, "Oslo", 1234.5], [np.nan, None, 0]], dtype=object)
    restored = encoding.restore(tmp_path / "encoder.skops")
    np.testing.assert_array_equal(encode(restored, raw), encode(fitted, raw))
    (tmp_path / "encoder.skops").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"encoder.skops is damaged"):
        encoding.restore(tmp_path / "encoder.skops")


@pytest.mark.parametrize(
    ("rows", "header", "target", "message"),
    [
        (ROWS, HEADER, None, "is a table: say which column to predict with --target: age, city, income, label"),
        (ROWS, HEADER, "lable", r"unknown column of .*people.csv 'lable': did you mean label"),
        ([], HEADER, "label", "has a header but no rows"),
        (ROWS, "age,age,income,label\n", "label", "column 'age' is there twice"),
        (["1,a,2,yes\n"] * 40, HEADER, "label", "target column 'label' has the same value in every row"),
        ([*ROWS, "20,Rome,1e200,no\n"], HEADER, "income", "target 'income' is too large to be standardised"),
        ([*ROWS, "20,Rome,3,\n"], HEADER, "label", "target column 'label' has no value in row 61"),
        ([*ROWS, "20,Rome,inf,no\n"], HEADER, "income", "target column 'income' is infinite in row 61"),
        ([*ROWS, "20,Rome,-inf,no\n"], HEADER, "label", "column 'income' is infinite in row 61"),
        ([*ROWS, "old,Rome,3,no\n"], HEADER, "label", r"column 'age' holds numbers but for row 61 \('old'\)"),
        ([f",{row.split(',', 1)[1]}" for row in ROWS], HEADER, "label", "column 'age' has no value in any row"),
        (
            [f"id{i},{row}" for i, row in enumerate(ROWS)],
            "id," + HEADER,
            "label",
            "'id' is not numeric and has 60 different",
        ),
        (["1,2\n", "3,4,5\n"], "a,b\n", "a", "cannot be read as a table"),
        (["1\n", "2\n"], "a\n", "a", "has no column beside the target 'a'"),
    ],
)
def test_refusals(rows, header, target, message, tmp_path):
    with pytest.raises(InputError, match=message) as refused:
        load(DataSpec(str(write(tmp_path, rows, header)), target=target))
    assert "\n" not in str(refused.value)


def test_more_refusals(tmp_path):
    (tmp_path / "latin.csv").write_bytes("größe,b\n1,2\n".encode("latin-1"))
    (tmp_path / "values.csv").write_bytes("a,b\nZürich,2\n".encode("latin-1"))
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 but not really")
    path = str(write(tmp_path))
    for spec, message in [
        (DataSpec(str(tmp_path / "empty.csv"), target="a"), "empty.csv is empty"),
        (DataSpec(str(tmp_path / "latin.csv"), target="b"), "latin.csv is not UTF-8|cannot be read as a table"),
        (DataSpec(str(tmp_path / "values.csv"), target="b"), "values.csv is not UTF-8|cannot be read as a table"),
        (DataSpec(str(tmp_path / "torn.parquet"), target="a"), "torn.parquet cannot be read as a table"),
        (DataSpec(path, target="city", task="regression"), "target column 'city' is not numeric"),
        (DataSpec(path, target="label", drop=("label",)), "cannot be both --target and --drop"),
        (DataSpec(path, target="label", drop=("citi",)), "did you mean city"),
        (DataSpec(str(tmp_path / "table.xlsx"), target="a"), "does not exist"),
    ]:
        with pytest.raises(InputError, match=message):
            load(spec)


@pytest.mark.parametrize(
    ("file", "target", "task", "rows"),
    [
        ("california-housing/housing.csv.gz", "median_house_value", "regression", 20_640),
        ("ames-housing/AmesHousing.csv.gz", "SalePrice", "regression", 2_930),
    ],
)
def test_real_tables(file, target, task, rows, shared_data):
    dataset = load(DataSpec(str(shared_data / file), target=target))
    assert dataset.description.task == task
    assert sum(dataset.description.rows.values()) == rows
    assert all(np.isfinite(part.x).all() for part in dataset.parts.values())


def test_as_text_keeps_leading_zeros(tmp_path):
    path = write(tmp_path, ["007,a\n", "010,b\n"], "code,name\n")
    columns = {column.name: column for column in tables.read(path, as_text=("code",))}
    assert list(columns["code"].values) == ["007", "010"]


def test_text_that_is_digits_and_integers_beyond_floats(tmp_path):
    table = pa.table({"code": ["0", "1", "2"] * 10, "big": [2**53 + 1] * 15 + [5] * 15, "y": [0.5, 1.5, 2.5] * 10})
    parquet.write_table(table, tmp_path / "t.parquet")
    data = load(DataSpec(str(tmp_path / "t.parquet"), target="y")).description
    assert data.inputs == 2
