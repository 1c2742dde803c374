"""Random variants of training images, made on the device inside the compiled step; images are flat rows.

Reading order: ``record`` (what a transform is), ``draws`` (random amounts), ``geometric`` and ``elastic`` (where each
pixel is read), ``photometric`` (what is done to values), ``transforms`` (the catalogue of both), ``resample`` (the one
bilinear reading), ``labels`` (which sets' labels a transform would change), ``pipeline`` (the spec and the whole).
"""

from fcnet.augmentation.labels import changes_labels, check_label_safe
from fcnet.augmentation.pipeline import AugmentSpec, augment
from fcnet.augmentation.record import Transform
from fcnet.augmentation.transforms import TRANSFORMS

__all__ = ["TRANSFORMS", "AugmentSpec", "Transform", "augment", "changes_labels", "check_label_safe"]
