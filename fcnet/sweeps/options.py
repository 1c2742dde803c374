"""The flags of ``fcnet sweep`` beside those of ``fcnet train``."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from fcnet.config.words import Switch
from fcnet.errors import require

SWEEP = Group.create_ordered("Sweep", sort_key=-1)
Count = Annotated[int, Parameter(show_default=False)]


@Parameter(name="*", group=SWEEP)
@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """How many members a setting has, how settings are found, and how they are trained."""

    seeds: int = 1
    """Members per setting and split, with seeds --seed, --seed + 1, …; --seed 1,5,7 names them singly."""
    splits: int = 1
    """Random splits of the data, with split seeds --split-seed, --split-seed + 1, …"""
    repeats: int = 1
    """Shuffles of the --folds, all of which are trained unless --fold picks one."""
    draws: Count = 0
    """Joint draws of all random axes, such as --dropout uniform:0:0.5."""
    draw_seed: int = 0
    """Seed of the draws."""
    mode: Literal["auto", "exact", "fast"] = "auto"
    """exact: each member equals its fcnet train run bit for bit; fast: vectorised, and the distance is measured and
    told; auto: the faster of both."""
    shared_order: Switch = False
    """All members see the rows in the same order, so that a step reads them once."""
    search: str | None = None
    """Let a sampler of Optuna choose the settings: tpe, random or qmc."""
    trials: Count = 0
    """How many settings --search tries."""
    batch: Count = 0
    """How many of them at a time. [default: what the devices hold]"""
    halving: int = 0
    """Successive halving: after ever more epochs only the best one setting in this many goes on; 0 for none."""
    at_once: int | None = None
    """Members at a time on each device. [default: what fits]"""

    def __post_init__(self) -> None:
        lowest = dict.fromkeys(("seeds", "splits", "repeats", "at-once"), 1)
        lowest |= dict.fromkeys(("draws", "draw-seed", "trials", "batch", "halving"), 0)
        for name, low in lowest.items():
            value = getattr(self, name.replace("-", "_"))
            require(value is None or isinstance(value, int), f"--{name} must be a whole number, got {value!r}")
            require(value is None or value >= low, f"--{name} must be at least {low}, got {value}")
        modes = ("auto", "exact", "fast")
        require(self.mode in modes, f"--mode must be {' or '.join(modes)}, got {self.mode!r}")
        in_order = self.mode == "exact" and self.shared_order
        require(not in_order, "--mode exact gives each member its own order: leave out --shared-order")
        require(self.halving == 0 or self.halving >= 2, f"--halving must be 0 (off) or at least 2, got {self.halving}")
        for name in ("trials", "batch"):
            require(not getattr(self, name) or self.search is not None, f"--{name} is for a search: add --search tpe")
        if self.search is not None:
            needed = f"--search {self.search} needs --trials, how many settings to try; got {self.trials}"
            require(self.trials >= 1, needed)
            require(not self.halving, "--halving thins out a grid, --search chooses settings itself: leave out one")
            require(not self.draws, "--search draws from the random axes itself: leave out --draws")
