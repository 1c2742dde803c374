"""Values of an axis as cells of a table, and back: numbers stay numbers, everything else becomes text.

Hidden layers of 64 and 32 units are "64-32", no hidden layer is "none".
"""

from typing import TYPE_CHECKING, Any

from fcnet.errors import InputError
from fcnet.sweeps.axes import Axis
from fcnet.sweeps.fields import written

if TYPE_CHECKING:
    import pyarrow as pa


def _deciding(axis: Axis) -> tuple[Any, ...]:
    """What decides the type of the axis's column: its values, or the ends of a random one."""
    return (axis.low, axis.high) if axis.is_random else axis.values


def is_numeric(axis: Axis) -> bool:
    """Whether the cells of the axis are numbers."""
    return all(isinstance(value, int | float) for value in _deciding(axis))


def cell_type(axis: Axis) -> "pa.DataType":
    """int64 for whole numbers, float64 for numbers, string for all else."""
    import pyarrow as pa

    if not is_numeric(axis):
        return pa.string()
    return pa.int64() if all(isinstance(value, int) for value in _deciding(axis)) else pa.float64()


def as_cell(axis: Axis, value: Any) -> Any:
    """A value of the axis as a number or a text."""
    return value if is_numeric(axis) else written(value)


def from_cell(axis: Axis, cell: Any, where: str) -> Any:
    """The value of the axis that has this cell; ``where`` names the table in the error.

    Raises:
        InputError: no value of the axis has it.
    """
    if axis.is_random:
        return cell
    for value in axis.values:
        if as_cell(axis, value) == cell:
            return value
    raise InputError(f"{where} is damaged: its column {axis.name} has {cell}, which is not on the axis {axis.text}")
