"""Everything that has a name, kind by kind, and the flag of ``fcnet train`` that takes it."""

from collections.abc import Mapping

from fcnet.activations import ACTIVATIONS
from fcnet.augmentation import TRANSFORMS
from fcnet.catalogue import Entry
from fcnet.data.catalogue import SETS
from fcnet.initializers import INITIALIZERS
from fcnet.layers import DROPOUTS, LAYERS, NORMS
from fcnet.losses import LOSSES
from fcnet.optimizers import OPTIMIZERS, SCHEDULES
from fcnet.regularizers import REGULARIZERS

KINDS: dict[str, Mapping[str, Entry]] = {
    "activations": ACTIVATIONS,
    "losses": LOSSES,
    "layers": LAYERS,
    "initialisers": INITIALIZERS,
    "regularisers": REGULARIZERS,
    "optimisers": OPTIMIZERS,
    "schedules": SCHEDULES,
    "augmentations": TRANSFORMS,
    "data": SETS,
}
# American spelling is as good.
SPELLINGS = {kind.replace("is", "iz"): kind for kind in ("initialisers", "regularisers", "optimisers")}
_FLAGS = {
    "activations": "--activation",
    "losses": "--loss",
    "initialisers": "--initializer",
    "optimisers": "--optimizer",
    "schedules": "--schedule",
    "augmentations": "--augment",
    "data": "--data",
}


def usage(kind: str, entry: Entry) -> str:
    """How ``fcnet train`` is told to use the component, with its options at their defaults."""
    if kind == "regularisers" or entry.name.endswith("_noise"):
        return f"fcnet train --{entry.name.replace('_', '-')} NUMBER" + (
            " NUMBER" if entry.name == "elastic_net" else ""
        )
    if entry.name == "dense":
        return "fcnet train --hidden 64 32"
    flag = "--norm" if entry.name in NORMS else "--dropout-kind" if entry.name in DROPOUTS else _FLAGS.get(kind, "")
    return f"fcnet train {_FLAGS.get(kind, flag)} {entry.written}"
