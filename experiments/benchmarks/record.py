"""Results of a benchmark as data: the numbers, the goals, and the machine they were measured on."""

from pathlib import Path
from typing import Any

import numpy as np

from fcnet import provenance
from fcnet.files import write_json

RESULTS = Path(__file__).parent / "results"


def seconds(samples: list[float]) -> dict[str, Any]:
    """Median, fastest and slowest of repeated timings."""
    return {
        "median": round(float(np.median(samples)), 4),
        "fastest": round(min(samples), 4),
        "slowest": round(max(samples), 4),
        "repeats": len(samples),
    }


def goal(text: str, value: float, limit: float, *, at_least: bool) -> dict[str, Any]:
    """One figure to reach: what it is, what was measured, and whether it is reached."""
    reached = value >= limit if at_least else value <= limit
    print(f"{'reached' if reached else 'MISSED '}  {text}: {value:.4g} ({'≥' if at_least else '≤'} {limit:g})")
    return {
        "what": text,
        "measured": float(f"{value:.4g}"),
        "limit": limit,
        "at_least": at_least,
        "reached": bool(reached),
    }


def write(name: str, goals: list[dict[str, Any]], **details: Any) -> None:
    """Write results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    write_json(RESULTS / f"{name}.json", {"goals": goals, "details": details, "provenance": provenance.collect()})
    print(f"written: {RESULTS / name}.json")
