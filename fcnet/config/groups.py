"""The groups of flags, in the order in which help shows them."""

from cyclopts import Group, Parameter


def _group(title: str) -> Parameter:
    return Parameter(name="*", group=Group.create_ordered(title))


DATA = _group("Data")
AUGMENTATION = _group("Augmentation")
NETWORK = _group("Network")
OBJECTIVE = _group("Objective")
OPTIMISER = _group("Optimiser")
TRAINING = _group("Training")
PROCESSES = _group("Processes")
