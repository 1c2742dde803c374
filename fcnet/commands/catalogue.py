"""fcnet list, fcnet show and fcnet plot: what there is, and everything there is to say about it."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fcnet import plots
from fcnet.activations import ACTIVATIONS
from fcnet.analysis.profiles import profile
from fcnet.catalogue import Entry, choose
from fcnet.components import KINDS, SPELLINGS, called, singular, usage
from fcnet.console import Reporter
from fcnet.errors import InputError, require, unknown
from fcnet.files import make_folder


def listing(kind: str | None) -> None:
    """Print every name with its formula: of one kind, or the names of all.

    Raises:
        InputError: no such kind.
    """
    reporter = Reporter()
    if kind is None:
        for name, entries in KINDS.items():
            reporter.names(name, list(entries))
        reporter.result("fcnet list KIND adds formulas; fcnet show NAME tells all of one")
        return
    kind = SPELLINGS.get(kind, kind)
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    reporter.entries(list(KINDS[kind].values()))


def show(name: str) -> None:
    """Print all that is known of every component called ``name``, of whichever kinds.

    Raises:
        InputError: no component has that name.
    """
    found = called(name.partition(":")[0])
    if not found:
        every = sorted({entry for entries in KINDS.values() for entry in entries})
        near = get_close_matches(name.lower(), every, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise InputError(f"unknown component {name!r}: {hint}fcnet list names all there are")
    reporter = Reporter()
    for entry in {id(entry): entry for _, entry in found}.values():
        kinds = [kind for kind, other in found if other is entry]
        if ":" in name:
            choose(singular(kinds[0]), f"{entry.name}:{name.partition(':')[2]}", {entry.name: entry})
        reporter.entry(entry.name, ", ".join(kinds), facts(entry) | {"use": usage(kinds[0], entry)})


def facts(entry: Entry) -> dict[str, str]:
    """What there is to say of an entry, line by line, without what it does not have."""
    options = {name: option.default for name, option in entry.options.items()}
    kinks: Any = getattr(entry, "kinks", "")
    if callable(kinks):
        kinks = ", ".join(f"z = {kink:g}" for kink in kinks(**options))
    smooth = "nowhere" if hasattr(entry, "kinks") else ""
    lines = {
        "formula": entry.formula,
        "derivative": entry.derivative_formula,
        "range": getattr(entry, "range", ""),
        "not smooth": kinks or getattr(entry, "ties", "") or smooth,
        "acts": getattr(entry, "acts", ""),
        "conventions": getattr(entry, "remark", ""),
        "PyTorch": entry.torch or "has none",
        "differs": entry.differs,
        "source": entry.source,
    }
    for name, option in entry.options.items():
        lines[f"option {name}"] = f"{option.meaning} ({option.allowed}; {option.shown} if not given)"
    return {name: text for name, text in lines.items() if text}


def plot(names: tuple[str, ...], out: Path) -> None:
    """Draw activations with their derivatives: a gallery of all, and each for itself; or only those that are named.

    Raises:
        InputError: no such activation, or a folder that holds something else.
    """
    chosen = tuple(dict.fromkeys(names)) or tuple(ACTIVATIONS)
    profiles = [profile(name) for name in chosen]
    require(not out.exists() or out.is_dir(), f"{out} is a file: name a folder with --out")
    taken = sorted(path.name for path in out.glob("*.png")) if out.is_dir() else []
    require(not taken, f"{out} holds {taken[0] if taken else ''} already: name another folder with --out")
    make_folder(out)
    if len(profiles) > 1:
        plots.activation_gallery(profiles, title="Activations and their derivatives", path=out / "gallery.png")
    for drawn in profiles:
        entry = ACTIVATIONS[drawn.name.partition(":")[0]]
        plots.activation(
            drawn, formula=entry.formula, path=out / f"{re.sub('[:,]', '-', drawn.name).replace('=', '_')}.png"
        )
    Reporter().result(f"{len(profiles)} activations drawn in {out}")
