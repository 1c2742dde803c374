"""Write PARITY.md: every row of the ledger with its errors, and every place where fcnet means to differ.

Command  python experiments/ledger/write_parity.py
Time     about 1 minute on 2 CPU cores; PyTorch is not needed.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax

from fcnet import components, initializers
from fcnet.files import write_text
from fcnet.layers import LAYERS
from ledger import golden, rows
from ledger import initializers as moments
from ledger.case import TOLERANCES
from ledger.rows import Row

# The kinds that PyTorch is compared in; maxout is told once, as an activation, and max-norm among the constraints.
COMPARED = {
    kind: LAYERS if kind == "layers" else components.KINDS[kind]
    for kind in ("activations", "losses", "layers", "initialisers", "optimisers", "schedules")
}
PAGE = Path(__file__).parents[2] / "PARITY.md"
HEAD = """\
# PyTorch, number by number

Every component of fcnet that PyTorch has, too, on the same numbers: {count} rows. Reference: PyTorch {torch} in
float64, kept in `experiments/ledger/golden.npz`. The inputs are numbers that float32 holds exactly; among them are
both zeros, ties, kinks, thresholds, ±10⁴, one class, weights of 0 and ignored rows.

An error is the largest |ours − PyTorch's| / max(|PyTorch's|, u) over the entries of a result, u being the smaller
of 1 and the largest entry; for norms and trajectories, whose entries are sums of terms as large as the largest, u is
that one. *Autodiff* differentiates our function by JAX, *by hand* is what `--gradients manual` trains with. Every row
is held to {float64:g} in float64 and {float32:g} in float32 by `tests/test_ledger.py`; a row that means to differ is
marked † and explained below. This page is written by `python experiments/ledger/write_parity.py`.
"""


def cell(errors: dict[str, float]) -> str:
    """The largest of some errors, for a table."""
    if not errors:
        return "–"
    largest = max(errors.values())
    return f"{largest:.0e}".replace("e-0", "e-") if largest else "0"


def split(row: Row) -> list[str]:
    """Value, autodiff and by hand of one row."""
    value = {"value": row.errors["value"]} if row.case.has_gradients else row.errors
    slopes = {name: error for name, error in row.errors.items() if name != "value"} if row.case.has_gradients else {}
    return [cell(value), cell(slopes), cell({name: error for name, error in row.by_hand.items() if name != "value"})]


def table(pairs: list[tuple[Row, Row]]) -> list[str]:
    """Rows of one kind, float64 and float32 beside each other."""
    lines = [
        "| component | of what | PyTorch | value | autodiff | by hand | value, f32 | autodiff, f32 | by hand, f32 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for wide, narrow in pairs:
        case = wide.case
        name = f"`{case.name}`" + (" †" if case.differs else "")
        lines.append(f"| {' | '.join([name, case.what, f'`{case.torch}`', *split(wide), *split(narrow)])} |")
    return lines


def initializer_table(stored: golden.Golden) -> list[str]:
    """Moments of each initialiser beside PyTorch's, in standard errors of the difference."""
    lines = [
        "| initialiser | PyTorch | variance stated | ours | PyTorch's | largest distance (standard errors) |",
        "|---|---|---|---|---|---|",
    ]
    entries = moments.SHAPE[0] * moments.SHAPE[1]
    for text in moments.TORCH:
        reference = moments.Moments(*stored[moments.key_of(text)][1]["moments"])
        ours = moments.ours(text, jax.random.key(0))
        stated = initializers.get(text).variance(*moments.SHAPE)
        worst = max(ours.apart(reference, entries).values())
        numbers = f"{stated:.5g} | {ours.variance:.5g} | {reference.variance:.5g} | {worst:.1f}"
        lines.append(f"| `{text}` | `{moments.torch_name(text)}` | {numbers} |")
    return lines


def differences(pairs: list[tuple[Row, Row]]) -> list[str]:
    """Where a row is not PyTorch's, and why; and what the records say of themselves."""
    lines = []
    for wide, _ in pairs:
        reasons: dict[str, list[str]] = {}
        for result, why in wide.case.differs.items():
            reasons.setdefault(why, []).append(result)
        lines += [f"- **{wide.case.key}** ({', '.join(results)}): {why}." for why, results in reasons.items()]
    for kind, entries in COMPARED.items():
        lines += [
            f"- **{components.singular(kind)} {entry.name}**: {entry.differs.rstrip('.')}."
            for entry in entries.values()
            if entry.differs
        ]
    return lines


def without_pytorch() -> list[str]:
    """Components that PyTorch does not have."""
    found = {kind: [entry.name for entry in entries.values() if not entry.torch] for kind, entries in COMPARED.items()}
    return [f"- {kind}: {', '.join(f'`{name}`' for name in names)}" for kind, names in found.items() if names]


def page() -> str:
    """The whole page."""
    stored, version = golden.load()
    pairs = []
    for case in rows.cases():
        wide, narrow = (rows.judge(case, *stored[case.key], dtype) for dtype in ("float64", "float32"))
        pairs.append((wide, narrow))
    count = len(pairs) + len(moments.TORCH)
    parts = [HEAD.format(count=count, torch=version, **TOLERANCES)]
    headings = {
        "activation": "Activations",
        "layer": "Dense layer",
        "norm": "Norms",
        "dropout": "Dropout, with PyTorch's masks",
        "constraint": "Constraints",
        "loss": "Losses",
        "optimiser": "Optimisers, 100 steps",
        "schedule": "Schedules, 100 steps",
    }
    for kind, heading in headings.items():
        parts += [f"\n## {heading}\n", *table([pair for pair in pairs if pair[0].case.kind == kind])]
    parts += ["\n## Initialisers, 400 × 300 entries\n", *initializer_table(stored)]
    parts += ["\n## Where fcnet means to differ\n", *differences(pairs)]
    parts += ["\n## What PyTorch does not have\n", *without_pytorch()]
    parts.append(
        "\nThese are held to mpmath, SciPy or their recursion written out in NumPy, in the tests of their rooms."
    )
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write the page."""
    write_text(PAGE, page())
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
