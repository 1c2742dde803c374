"""How flags are read from words: names that the shell completes, and values that take several words."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from fcnet import losses, optimizers
from fcnet.activations import ACTIVATIONS
from fcnet.augmentation import TRANSFORMS
from fcnet.components import KINDS
from fcnet.data.catalogue import SETS
from fcnet.initializers import INITIALIZERS
from fcnet.layers import DROPOUTS, NORMS

if TYPE_CHECKING:
    ActivationName = str
    NormName = str
    InitializerName = str
    DropoutName = str
    LossName = str
    OptimizerName = str
    ScheduleName = str
    TransformName = str
    DataName = str
    ComponentName = str
    Kind = str
else:
    # The shell completes these names; with options behind a colon any text may follow, and the rooms check it.
    def _names(entries: Iterable[str]) -> Any:
        return Literal[tuple(entries)] | str

    Kind, ComponentName = _names(KINDS), _names(sorted({name for entries in KINDS.values() for name in entries}))
    ActivationName, NormName = _names(ACTIVATIONS), _names(("none", *NORMS))
    InitializerName, DropoutName = _names(INITIALIZERS), _names(DROPOUTS)
    LossName, OptimizerName = _names(losses.LOSSES), _names(optimizers.OPTIMIZERS)
    ScheduleName, TransformName, DataName = _names(optimizers.SCHEDULES), _names(TRANSFORMS), _names(SETS)


UNLISTED = Parameter(show_choices=False, negative="")
SEVERAL = Parameter(consume_multiple=True, negative="", show_choices=False, show_default=" ".join)
Numbers = Annotated[tuple[float, ...], Parameter(consume_multiple=True, negative="", show_default=False)]
Pair = Annotated[tuple[float, float] | None, Parameter(negative="", show_default=False)]
Sizes = Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative="--no-hidden")]
Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)]
Ends = Annotated[tuple[float, float], Parameter(negative="")]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]
