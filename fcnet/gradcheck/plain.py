"""A report as plain values, for JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

import numpy as np

from fcnet.gradcheck.record import Report


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain values: the fields' names as keys, arrays as nested lists, and None for what is no number."""
    return {"right": report.right, **_plain(asdict(report))}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not isfinite(value) else value
