"""What a person is told of a sweep: before anything is compiled, once it is planned, and at its end."""

from collections.abc import Sequence

import jax

from fcnet import provenance
from fcnet.commands.first_gradients import check_gradients
from fcnet.commands.train_facts import rows_text
from fcnet.console import Reporter, duration, size_text
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.distance import Distance
from fcnet.sweeps.groups import Group
from fcnet.sweeps.plan import Plan
from fcnet.sweeps.planning import PlannedStage, Sweep


def announce(reporter: Reporter, sweep: Sweep) -> None:
    """What is known before anything is compiled."""
    device, count = provenance.device(), sweep.processes.count
    kind = f"{device['kind']} cores" if device["platform"] == "cpu" else device["kind"]
    processes = f", {count} processes" if count > 1 else ""
    reporter.fact("device", f"{device['platform']}: {sweep.mesh.size} × {kind}, JAX {jax.__version__}{processes}")
    reporter.fact("members", sweep.config.describe())


def describe(reporter: Reporter, sweep: Sweep, first: PlannedStage) -> None:
    """What is known once its first stage is planned: data, programs, and how long it takes at most."""
    folds = f", {len(sweep.datasets)} splits" if len(sweep.datasets) > 1 else ""
    reporter.fact("data", rows_text(sweep.anything.description) + folds)
    anywhere = {name for group in first.groups for name in _present(group)}
    for group, plan in zip(first.groups, first.plans, strict=True):
        reporter.fact("program", _program(group, plan, sweep.mesh.size, anywhere))
    took = duration(first.seconds) if first.seconds >= 1 else "a second"
    reporter.fact("plan", f"at most {took} for the {_stage_name(sweep.config)}")


def _present(group: Group) -> set[str]:
    """The hyper-parameters in a group's program."""
    return {name for name, value in group.hparams._asdict().items() if value is not None}


def _stage_name(config: SweepConfig) -> str:
    return "first batch of the search" if config.search else "whole sweep" if not config.halving else "first rung"


def _program(group: Group, plan: Plan, lanes: int, anywhere: set[str]) -> str:
    model = group.spec.model
    absent = [f"without {name.replace('_', ' ')}" for name in sorted(anywhere - _present(group))]
    how = "in turn, bit for bit their solo runs" if plan.mode == "exact" else "together (vmap)"
    how += ", rows read in blocks, once for all" if plan.stream_bytes else ""
    waves = f"{plan.waves} wave{'s' if plan.waves > 1 else ''}"
    what = ", ".join([group.spec.loss.replace("_", " "), *absent])
    return (
        f"{'-'.join(map(str, model.sizes))} {group.spec.optimizer.name}, {what}: "
        f"{len(group.entrants):,} members {how}; {lanes} × {plan.slots} at a time, {waves}; "
        f"{size_text(plan.bytes_of_member)} a member, {size_text(plan.bytes)} a device; "
        f"{1e3 * plan.seconds_of_epoch:.3g} ms per member and epoch"
    )


def check(reporter: Reporter, sweep: Sweep, first: PlannedStage) -> None:
    """Gradients by hand and by jax.grad, once for each network, loss and set of hyper-parameters."""
    once = {(group.spec.objective, *sorted(_present(group))): group.entrants[0] for group in first.groups}
    for entrant in once.values():
        reporter.gradients(check_gradients(entrant.spec, entrant.hparams, sweep.datasets[entrant.data], entrant.seed))


def compare(reporter: Reporter, distances: Sequence[Distance], *, shared_order: bool) -> None:
    """Say how far members are from their solo runs, which have batch orders of their own."""
    order = ", whose rows come in another order" if shared_order else ""
    for distance in distances:
        same = (
            "equals its solo run bit for bit"
            if distance.equal
            else f"is {distance.loss:.1g} (relative) from its solo run's losses at most{order}"
        )
        reporter.fact("checked", f"member {distance.member}, {distance.mode}: {same} over {distance.epochs} epochs")
