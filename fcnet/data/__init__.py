"""Data: where it comes from, how it is split, and the arrays a network trains on.

Reading order: ``mapped`` (arrays that stay on disk), ``dataset`` (the types), the sources (``bundled``, ``generated``,
``idx``, ``prepared``, ``tables``), ``checks``, ``splits``, ``encoding``, and ``resolve``, which goes from a name or a
path to a ``Dataset``.
"""

from fcnet.data.dataset import Dataset, Description, Rows
from fcnet.data.resolve import DataSpec, load
from fcnet.data.splits import folds

__all__ = ["DataSpec", "Dataset", "Description", "Rows", "folds", "load"]
