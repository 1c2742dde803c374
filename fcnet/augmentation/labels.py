"""Which sets' labels a transform would change: a mirrored b is a d, and a 6 half turned is a 9.

Refused is only what is known to change labels. Of a set that is not listed here, such as a folder of one's own, fcnet
does not know what its pictures show; whoever gives them does.
"""

from collections.abc import Iterable, Mapping

from fcnet.augmentation.transforms import TRANSFORMS
from fcnet.catalogue import Options, choose
from fcnet.errors import require

# Halfway to a quarter turn, which makes a Z of an N: beyond, a character is nearer to the other one. Of MNIST's digits
# turned by 45° about half (56 % and 48 %, by direction) have their nearest neighbour among upright ones in another
# class; at 30° about a quarter have.
LARGEST_TURN = 45.0

_DIGITS = {
    "horizontal_flip": "a mirrored 2 looks like a 5",
    "vertical_flip": "a mirrored 2 looks like a 5",
    "rotation": f"a 6 half turned is a 9, and beyond {LARGEST_TURN:g} degrees a digit may be read as another",
}
_LETTERS = {
    "horizontal_flip": "b and d are mirror images",
    "vertical_flip": "b and p are mirror images",
    "rotation": f"an N turned by 90 degrees is a Z, beyond {LARGEST_TURN:g} it is nearer to that",
}
_CHARACTERS = {
    "horizontal_flip": "a mirrored character is another one or none",
    "vertical_flip": "a mirrored character is another one or none",
    "rotation": f"a character turned by more than {LARGEST_TURN:g} degrees is another one or none",
}
# By name of the set, without its configuration ("emnist/letters").
_REASONS: dict[str, Mapping[str, str]] = {
    "digits": _DIGITS,
    "mnist": _DIGITS,
    "mnist_corrupted": _DIGITS,
    "svhn_cropped": _DIGITS,
    "emnist": _LETTERS,
    "kmnist": _CHARACTERS,
    "omniglot": _CHARACTERS,
}


def changes_labels(data: str, transform: str, options: Options) -> str:
    """Why ``transform`` with ``options`` changes labels of the set ``data``; empty where it is not known to.

    A transform that never happens (probability 0) changes none; a rotation does beyond 45°.
    """
    harmless = options.get("probability") == 0 or float(options.get("degrees", 180.0)) <= LARGEST_TURN
    return "" if harmless else _REASONS.get(data.split("/")[0], {}).get(transform, "")


def check_label_safe(data: str, transforms: Iterable[str], forced: bool = False) -> None:
    """Refuse transforms that change labels of the set ``data``, unless ``forced``.

    Raises:
        InputError: a transform that does, or that there is not.
    """
    for text in transforms:
        transform, options = choose("augmentation", text, TRANSFORMS)
        reason = changes_labels(data, transform.name, options)
        require(
            forced or not reason,
            f"augmentation {text} changes labels of {data} ({reason}): leave it out, or add --force-augmentation",
        )
