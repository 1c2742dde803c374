"""The flags of the augmentation."""

from dataclasses import dataclass
from typing import Annotated

from fcnet.augmentation import TRANSFORMS, AugmentSpec
from fcnet.catalogue import choose
from fcnet.config.groups import AUGMENTATION
from fcnet.config.words import SEVERAL, Switch, TransformName
from fcnet.data import Description
from fcnet.errors import require


@AUGMENTATION
@dataclass(frozen=True)
class AugmentConfig:
    """What is done to images at random in every step."""

    augment: Annotated[tuple[TransformName, ...], SEVERAL] = ()
    """Transforms with options, in any number: shift:pixels=2 rotation:degrees=10. See fcnet list augmentations."""
    force_augmentation: Switch = False
    """Allow transforms that can change a label, such as mirroring digits."""

    def __post_init__(self) -> None:
        for text in self.augment:
            choose("augmentation", text, TRANSFORMS)

    def spec(self, data: Description) -> AugmentSpec | None:
        """The transforms for the images of this data set, None where there are none.

        Raises:
            InputError: no images, or transforms that can change a label.
        """
        if not self.augment:
            return None
        require(data.image_shape is not None, f"--augment is for images, {data.name} has none")
        return AugmentSpec(self.augment, data.image_shape, data.input_scale, self.force_augmentation, data.name)
