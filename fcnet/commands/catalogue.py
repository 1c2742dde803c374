"""fcnet list, fcnet show and fcnet plot: what there is, and everything there is to say about it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fcnet import activations, augmentation, initializers, layers, losses, optimizers, plots, regularizers
from fcnet.analysis.profiles import profile
from fcnet.catalogue import Entry
from fcnet.console import Reporter
from fcnet.data import catalogue as data_catalogue
from fcnet.errors import require, unknown

# Kind, as people call it ↦ its entries and the flag that takes their names.
KINDS: dict[str, tuple[Mapping[str, Entry], str]] = {
    "activations": (activations.ACTIVATIONS, "--activation"),
    "losses": (losses.LOSSES, "--loss"),
    "layers": (layers.LAYERS, ""),
    "initialisers": (initializers.INITIALIZERS, "--initializer"),
    "regularisers": (regularizers.REGULARIZERS, ""),
    "optimisers": (optimizers.OPTIMIZERS, "--optimizer"),
    "schedules": (optimizers.SCHEDULES, "--schedule"),
    "augmentations": (augmentation.TRANSFORMS, "--augment"),
    "data": (data_catalogue.SETS, "--data"),
}


def listing(kind: str | None) -> None:
    """Print every name with its formula: of one kind, or of all.

    Raises:
        InputError: no such kind.
    """
    reporter = Reporter()
    american = {"initializers": "initialisers", "optimizers": "optimisers", "regularizers": "regularisers"}
    kind = american.get(kind or "", kind)
    if kind is not None and kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    for name, (entries, flag) in KINDS.items():
        if kind in (None, name):
            reporter.entries(name, list(entries.values()), flag, formulas=kind is not None)
    reporter.result(
        "fcnet show NAME tells all of one" if kind else "fcnet list KIND adds formulas; fcnet show NAME tells all"
    )


def show(name: str) -> None:
    """Print all that is known of every component called ``name``.

    Raises:
        InputError: no component has that name.
    """
    found = [
        (kind, entries[name.partition(":")[0]], flag)
        for kind, (entries, flag) in KINDS.items()
        if name.partition(":")[0] in entries
    ]
    if not found:
        raise unknown("component", name, {entry for entries, _ in KINDS.values() for entry in entries})
    reporter = Reporter()
    for kind, entry, flag in found:
        reporter.entry(entry, kind, facts(entry), flag)


def facts(entry: Entry) -> dict[str, str]:
    """What there is to say of an entry, line by line, without what it does not have."""
    options = {name: option.default for name, option in entry.options.items()}
    kinks: Any = getattr(entry, "kinks", "")
    if callable(kinks):
        kinks = ", ".join(f"z = {kink:g}" for kink in kinks(**options))
    lines = {
        "formula": entry.formula,
        "derivative": getattr(entry, "derivative_formula", ""),
        "range": getattr(entry, "range", ""),
        "not smooth": kinks or ("nowhere" if hasattr(entry, "kinks") else ""),
        "PyTorch": entry.torch or "has none",
        "differs": entry.differs,
        "source": entry.source,
    }
    for name, option in entry.options.items():
        lines[f"option {name}"] = f"{option.meaning} ({option.allowed}; {option.default} if not given)"
    return {name: text for name, text in lines.items() if text}


def plot(names: tuple[str, ...], out: Path) -> None:
    """Draw activations with their derivatives: a gallery of all, and each for itself; or only those that are named.

    Raises:
        InputError: no such activation, or a folder that holds something else.
    """
    chosen = names or tuple(activations.ACTIVATIONS)
    profiles = [profile(name) for name in chosen]
    require(not out.exists() or out.is_dir(), f"{out} is a file: name a folder with --out")
    taken = sorted(path.name for path in out.glob("*.png")) if out.is_dir() else []
    require(not taken, f"{out} holds {taken[0] if taken else ''} already: name another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    if len(profiles) > 1:
        plots.activation_gallery(profiles, title="Activations and their derivatives", path=out / "gallery.png")
    for drawn in profiles:
        entry = activations.ACTIVATIONS[drawn.name.partition(":")[0]]
        plots.activation(
            drawn, formula=entry.formula, path=out / f"{drawn.name.replace(':', '-').replace('=', '_')}.png"
        )
    Reporter().result(f"{len(profiles)} activations drawn in {out}")
