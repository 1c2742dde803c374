"""A small sweep, and its tables."""

import pyarrow.parquet as pq

from fcnet.config import DataConfig, LoopConfig, NetworkConfig, TrainConfig

SMALL = ["--data", "iris", "--hidden", "8", "--epochs", "6", "--patience", "0", "--dropout", "0.1"]
TRAIN = TrainConfig(DataConfig("iris"), NetworkConfig((8,), dropout=(0.1,)), loop=LoopConfig(epochs=6, patience=0))


def tables(folder):
    return pq.read_table(folder / "members.parquet").to_pandas(), pq.read_table(folder / "curves.parquet").to_pandas()


def same_but_for_seconds(one, other):
    for left, right in zip(tables(one), tables(other), strict=True):
        drop = [name for name in ("seconds",) if name in left.columns]
        assert left.drop(columns=drop).equals(right.drop(columns=drop))
