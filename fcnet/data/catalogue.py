"""The sets that have a name, for people to look through."""

from fcnet.catalogue import Entry, table
from fcnet.data.bundled import BUNDLED
from fcnet.data.generated import GENERATED


def _said(text: str | None) -> str:
    return " ".join((text or "").split())


SETS: dict[str, Entry] = table(
    *(Entry(name=name, formula=what, source="bundled with scikit-learn") for name, what in BUNDLED.items()),
    *(Entry(name=name, formula=_said(law.draw.__doc__), source="generated") for name, law in GENERATED.items()),
    Entry(
        name="mnist",
        formula="70,000 handwritten digits of 28 × 28 pixels; from --data-dir, or with --download",
        source="LeCun et al. 1998, Gradient-based learning applied to document recognition",
    ),
    Entry(
        name="fashion_mnist",
        formula="70,000 pieces of clothing in 10 classes, 28 × 28 pixels; from --data-dir, or with --download",
        source="Xiao et al. 2017, Fashion-MNIST",
    ),
)
