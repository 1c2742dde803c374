"""The limits that several flags have in common."""

import math

from fcnet.errors import require


def in_unit_interval(flag: str, value: float) -> None:
    """Refuse what is not in [0, 1)."""
    require(0 <= value < 1, f"--{flag} must be in [0, 1), got {value}")


def not_negative(flag: str, value: float) -> None:
    """Refuse what is negative, NaN or infinite."""
    require(math.isfinite(value) and value >= 0, f"--{flag} must be a number ≥ 0, got {value}")
