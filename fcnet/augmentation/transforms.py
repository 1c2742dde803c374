"""The catalogue of transforms."""

from fcnet.augmentation.elastic import ELASTIC
from fcnet.augmentation.geometric import AFFINE
from fcnet.augmentation.photometric import PHOTOMETRIC
from fcnet.augmentation.record import Transform

TRANSFORMS: dict[str, Transform] = {**AFFINE, **ELASTIC, **PHOTOMETRIC}
