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
    "layers": {**LAYERS, "maxout": ACTIVATIONS["maxout"], "max_norm": REGULARIZERS["max_norm"]},
    "initialisers": INITIALIZERS,
    "regularisers": REGULARIZERS,
    "optimisers": OPTIMIZERS,
    "schedules": SCHEDULES,
    "augmentations": TRANSFORMS,
    "data": SETS,
}
# American spelling is as good.
SPELLINGS = {kind.replace("is", "iz"): kind for kind in ("initialisers", "regularisers", "optimisers")}


def singular(kind: str) -> str:
    """One of a kind: "activation", "loss"."""
    return "loss" if kind == "losses" else kind.removesuffix("s")


_FLAGS = {
    "activations": "--activation",
    "losses": "--loss",
    "initialisers": "--initializer",
    "optimisers": "--optimizer",
    "schedules": "--schedule",
    "augmentations": "--augment",
    "data": "--data",
}


# What others call them, beside PyTorch's names, which the entries carry.
_ALSO = {
    "dropout": ("inverted", "classic", "alpha", "connect"),
    "dropconnect": ("connect",),
    "swish": ("silu",),
    "perceptron": ("step",),
    "momentum": ("sgd",),
    "gradient_descent": ("gd",),
    "ridge": ("l2",),
    "lasso": ("l1",),
}


def called(name: str) -> list[tuple[str, Entry]]:
    """Kind and entry of every component of that name: ours, or else another's, such as ``CrossEntropyLoss``."""
    ours = [(kind, entries[name]) for kind, entries in KINDS.items() if name in entries]
    if ours:
        return ours
    plain = name.lower().replace("-", "_")

    def is_meant(entry: Entry) -> bool:
        return entry.name in _ALSO.get(plain, ()) or plain in (entry.torch.lower(), entry.torch.lower().split(".")[-1])

    return [(kind, entry) for kind, entries in KINDS.items() for entry in entries.values() if is_meant(entry)]


def usage(kind: str, entry: Entry) -> str:
    """How ``fcnet train`` is told to use the component, with its options at their defaults."""
    if entry.name in REGULARIZERS or entry.name.endswith("_noise"):
        return f"fcnet train --{entry.name.replace('_', '-')} NUMBER" + (
            " NUMBER" if entry.name == "elastic_net" else ""
        )
    if entry.name == "dense":
        return "fcnet train --hidden 64 32"
    of_layers = "--norm" if entry.name in NORMS else "--dropout-kind" if entry.name in DROPOUTS else "--activation"
    return f"fcnet train {_FLAGS.get(kind, of_layers)} {entry.written}"
