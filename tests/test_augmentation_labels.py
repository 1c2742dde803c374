"""Which transforms can change a label of which data set."""

import pytest

from fcnet.augmentation import TRANSFORMS, AugmentSpec, changes_labels, check_label_safe
from fcnet.catalogue import choose
from fcnet.errors import InputError

CHANGING = [
    ("digits", "rotation:degrees=180", "a 6 half turned is a 9"),
    ("mnist", "rotation:degrees=46", "a 6 half turned is a 9"),
    ("mnist", "horizontal_flip", "a mirrored 2 looks like a 5"),
    ("svhn_cropped", "vertical_flip", "a mirrored 2 looks like a 5"),
    ("emnist", "horizontal_flip", "b and d are mirror images"),
    ("emnist/letters", "vertical_flip:probability=0.1", "b and p are mirror images"),
    ("kmnist", "rotation:degrees=90", "another one or none"),
]
KEEPING = [
    ("mnist", "rotation:degrees=45"),
    ("mnist", "horizontal_flip:probability=0"),
    ("digits", "shear:degrees=60"),
    ("svhn_cropped", "hue:degrees=180"),
    ("fashion_mnist", "horizontal_flip"),
    ("fashion_mnist", "rotation:degrees=180"),
    ("cifar10", "horizontal_flip"),
    ("my-own-folder", "vertical_flip"),
]


@pytest.mark.parametrize(("data", "text", "reason"), CHANGING)
def test_transforms_that_change_labels_are_refused_unless_forced(data, text, reason):
    transform, options = choose("augmentation", text, TRANSFORMS)
    assert reason in changes_labels(data, transform.name, options)
    for build in (
        lambda forced: check_label_safe(data, ("shift", text), forced),
        lambda forced: AugmentSpec((text,), (8, 8), 1.0, forced, data),
    ):
        with pytest.raises(InputError) as refused:
            build(False)
        for word in (text, data, reason, "--force-augmentation"):
            assert word in str(refused.value)
        assert "\n" not in str(refused.value)
        build(True)


@pytest.mark.parametrize(("data", "text"), KEEPING)
def test_transforms_that_keep_labels_are_allowed(data, text):
    transform, options = choose("augmentation", text, TRANSFORMS)
    assert changes_labels(data, transform.name, options) == ""
    check_label_safe(data, (text,))


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_defaults_keep_the_labels_of_every_set_they_are_allowed_on(name):
    if "flip" not in name:
        for data in ("digits", "mnist", "emnist", "kmnist"):
            check_label_safe(data, (name,))
