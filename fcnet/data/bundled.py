"""The small real sets that come with scikit-learn: no network, no files."""

from typing import Any

import numpy as np

from fcnet.contracts import CLASSIFICATION, REGRESSION
from fcnet.data.dataset import Rows, Source

BUNDLED = {
    "digits": "1,797 scanned digits, 8 × 8 pixels of 0 to 16 (Alpaydin & Kaynak 1998)",
    "iris": "150 flowers of 3 species, 4 measurements (Fisher 1936)",
    "wine": "178 wines of 3 cultivars, 13 measurements (Forina et al. 1991)",
    "breast_cancer": "569 tumours, benign or malignant, 30 measurements (Wolberg et al. 1995)",
    "diabetes": "442 patients, 10 measurements, progression after a year (Efron et al. 2004)",
}


def load(name: str) -> Source:
    """One of ``BUNDLED``: digits as stored (uint8 0–16, scaled by 1/16 in the network), the rest to be standardised."""
    from sklearn import datasets

    # scaled=False: the measurements themselves; what standardises them is fitted on the training part only
    options = {"scaled": False} if name == "diabetes" else {}
    bunch: Any = getattr(datasets, f"load_{name}")(**options)
    origin = f"bundled with scikit-learn: {BUNDLED[name]}"
    features = tuple(str(feature) for feature in bunch.feature_names)
    if name == "digits":
        rows = Rows(bunch.data.astype(np.uint8), bunch.target.astype(np.int32))
        classes = tuple(str(label) for label in bunch.target_names)
        return Source(
            name, CLASSIFICATION, rows, features, origin, classes, "digit", image_shape=(8, 8), input_scale=1 / 16
        )
    numeric = tuple(range(len(features)))
    if name == "diabetes":
        rows = Rows(bunch.data, bunch.target.reshape(-1, 1))
        return Source(
            name, REGRESSION, rows, features, origin, (), "progression", numeric=numeric, standardise_target=True
        )
    rows = Rows(bunch.data, bunch.target.astype(np.int32))
    classes = tuple(str(label) for label in bunch.target_names)
    return Source(name, CLASSIFICATION, rows, features, origin, classes, "class", numeric=numeric)
