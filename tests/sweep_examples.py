"""Sweeps that nobody trained: results that a landscape of scores gives, in the files of a real sweep."""

import numpy as np

from fcnet.sweeps import parts, tables
from fcnet.sweeps.members import members_of, settings
from fcnet.sweeps.tables import MemberResult
from fcnet.train import History


def landscape(values):
    """A mean accuracy that has its best at learning rate 0.1 and little weight decay, and diverges above 3."""
    rate, decay = values.get("learning_rate", 0.1), values.get("weight_decay", 1e-4)
    score = 0.97 - 0.03 * (np.log10(rate) + 1) ** 2 - 8 * decay
    return score - 0.01 * (values.get("activation") == "tanh") - 0.02 * (values.get("hidden") == ())


def outcome(member, random, *, epochs=30, diverges=lambda values: values.get("learning_rate", 0) > 3, validation=True):
    """A result and a history that go together."""
    seed = np.random.default_rng(member.seed).normal(scale=0.004)
    fold = np.random.default_rng(1000 + (member.fold or 0)).normal(scale=0.008)
    best = min(landscape(member.values) + seed + fold + random.normal(scale=0.003), 0.9999)
    nothing = float("nan")
    if diverges(member.values) and random.random() < 0.8:
        ran = int(random.integers(1, 5))
        loss = np.exp(np.arange(ran) / 2.0)
        history = (
            History(loss, 1.1 * loss, np.full(ran, 0.1)) if validation else History(loss, *np.full((2, ran), np.nan))
        )
        found = MemberResult(
            "diverged",
            f"loss or parameters not finite in epoch {ran + 1}, step 3 of 36",
            ran,
            ran,
            *((1.1, 0.1) if validation else (nothing, nothing)),
            float(loss[-1]),
            *((1.1, 0.1) if validation else (nothing, nothing)),
            nothing,
            nothing,
            0.01,
            1,
            "fast",
        )
        return found, history
    ran = epochs if random.random() < 0.7 else int(random.integers(epochs // 2, epochs))
    rise = 1 - np.exp(-(np.arange(ran) + 1) / (0.15 * epochs))
    score = 0.1 + (best - 0.1) * rise + random.normal(scale=0.001, size=ran)
    loss = 2.3 * (1 - rise) + 3 * (1 - best) + np.abs(random.normal(scale=0.002, size=ran))
    nan = np.full(ran, np.nan)
    history = History(0.8 * loss, loss, score) if validation else History(0.8 * loss, nan, nan)
    place = int(np.argmax(score)) if validation else ran - 1
    found = MemberResult(
        "finished" if ran == epochs else "stopped early",
        "",
        ran,
        place + 1,
        float(loss[place]) if validation else nothing,
        float(score[place]) if validation else nothing,
        float(history.train_loss[-1]),
        float(history.validation_loss[-1]),
        float(history.validation_score[-1]),
        float(loss[place] + 0.01),
        float(best - 0.004 + random.normal(scale=0.003)),
        0.02 * ran,
        1,
        "fast",
    )
    return found, history


def members(config):
    """All members of a sweep without a search."""
    return members_of(config, settings(config))


def write_part(folder, config, some, outcomes, call=1, score="accuracy", task="classification"):
    """Parts as a sweep leaves them after a call in which ``some`` members ended."""
    (folder / parts.PARTS).mkdir(parents=True, exist_ok=True)
    (folder / "sweep.json").write_text("{}")
    pieces = [tables.curve_table(member.number, outcomes[member.number][1], 1) for member in some]
    tables.write_table(folder / parts.PARTS / f"curves-0-{call:06d}.parquet", tables.joined(pieces))
    results = {member.number: outcomes[member.number][0] for member in some}
    table = tables.member_table(config, some, results, score=score, task=task)
    tables.write_table(folder / parts.PARTS / f"members-0-{call:06d}.parquet", table)


def finished(folder, config, **options):
    """The folder of a finished sweep, and its members."""
    random, found = np.random.default_rng(0), members(config)
    outcomes = {member.number: outcome(member, random, **options) for member in found}
    write_part(folder, config, found, outcomes)
    parts.write_final(folder)
    return found
