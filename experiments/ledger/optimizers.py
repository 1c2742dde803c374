"""Optimisers and schedules: 100 steps side by side, every step of every parameter and every learning rate.

The gradient of a parameter p at step t is tanh(p − shockₜ): it pulls back whatever rounding adds, so that after 100
steps what is left is the rounding of a few, and a wrong formula stands out.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fcnet.contracts import HParams
from fcnet.optimizers import OptimizerSpec, build, initial_plateau, learning_rate, update_plateau
from ledger.case import Arrays, Case, float32_numbers, generator

STEPS = 100
# what both sides are given is what float32 holds
RATE, MOMENTUM, DECAY = (float(np.float32(number)) for number in (0.05, 0.9, 0.02))
Torch = Callable[[Any, list[dict[str, Any]]], Any]


def _inputs() -> Arrays:
    random = generator("trajectory")
    start = {"kernel": random.normal(size=(2, 3)), "bias": random.normal(size=2)}
    start["kernel"][0, 0] = 0.0
    return {name: float32_numbers(value) for name, value in (start | {"shocks": random.normal(size=STEPS)}).items()}


def _trajectory(
    text: str,
    what: str,
    torch_name: str,
    build_torch: Torch,
    hparams: HParams,
    *,
    clip: Callable[[Any, list[Any]], None] | None = None,
    differs: dict[str, str] | None = None,
    **fields: Any,
) -> Case:
    decays_all = fields.get("decay_all", False)

    def reference(inputs: Arrays, torch: Any) -> Arrays:
        kernel, bias = (torch.tensor(inputs[name], requires_grad=True) for name in ("kernel", "bias"))
        decay = hparams.weight_decay or 0.0
        groups = [
            {"params": [kernel], "weight_decay": decay},
            {"params": [bias], "weight_decay": decay if decays_all else 0.0},
        ]
        optimizer, seen = build_torch(torch, groups), []
        for shock in inputs["shocks"]:
            for parameter in (kernel, bias):
                parameter.grad = torch.tanh(parameter.detach() - shock)
            if clip is not None:
                clip(torch, [kernel, bias])
            optimizer.step()
            seen.append([parameter.detach().numpy().copy() for parameter in (kernel, bias)])
        return {"kernel": np.stack([k for k, _ in seen]), "bias": np.stack([b for _, b in seen])}

    def ours(inputs: Arrays, by_hand: bool) -> dict[str, Any]:
        dtype = jnp.asarray(inputs["kernel"]).dtype
        chain = build(OptimizerSpec(text, **fields), hparams, STEPS, dtype)
        params = {"layer_1": {name: jnp.asarray(inputs[name]) for name in ("kernel", "bias")}}

        def step(carry: Any, shock: jax.Array) -> tuple[Any, Any]:
            params, state = carry
            grads = jax.tree.map(lambda p: jnp.tanh(p - shock), params)
            updates, state = chain.update(grads, state, params)
            params = optax.apply_updates(params, updates)
            return (params, state), params["layer_1"]

        return jax.lax.scan(step, (params, chain.init(params)), jnp.asarray(inputs["shocks"]))[1]

    return Case(
        "optimiser", text, what, torch_name, _inputs, reference, ours, differs or {}, has_gradients=False, mixes=True
    )


def _sgd(**options: Any) -> Torch:
    return lambda torch, groups: torch.optim.SGD(groups, lr=RATE, **options)


def _other(name: str, **options: Any) -> Torch:
    return lambda torch, groups: getattr(torch.optim, name)(groups, lr=RATE, **options)


def _sgd_cases() -> list[Case]:
    plain, heavy = HParams(RATE), HParams(RATE, MOMENTUM)
    decayed, both = HParams(RATE, weight_decay=DECAY), HParams(RATE, MOMENTUM, DECAY)
    name, momentum = "torch.optim.SGD", _sgd(momentum=MOMENTUM)
    nesterov = _sgd(momentum=MOMENTUM, nesterov=True)
    return [
        _trajectory("gd", "full batch", name, _sgd(), plain),
        _trajectory("sgd", "", name, _sgd(), plain),
        _trajectory("sgd", "momentum", name, momentum, heavy),
        _trajectory("sgd:dampening=0.5", "momentum", name, _sgd(momentum=MOMENTUM, dampening=0.5), heavy),
        _trajectory("nesterov", "momentum", name, nesterov, heavy),
        _trajectory("sgd", "coupled decay", name, _sgd(), decayed, decay="coupled"),
        _trajectory("sgd", "momentum, coupled decay", name, momentum, both, decay="coupled"),
        _trajectory("sgd", "momentum, coupled decay of all", name, momentum, both, decay="coupled", decay_all=True),
        _trajectory("nesterov", "momentum, coupled decay", name, nesterov, both, decay="coupled"),
        _trajectory("weight_decay_sgd", "", name, _sgd(), decayed),
        _trajectory("weight_decay_sgd", "momentum", name, momentum, both),
        _trajectory("weight_decay_sgd:nesterov=true", "momentum", name, nesterov, both),
        _trajectory("weight_decay_sgd:dampening=0.25", "momentum", name, _sgd(momentum=MOMENTUM, dampening=0.25), both),
    ]


def _adaptive_cases() -> list[Case]:
    plain, heavy = HParams(RATE), HParams(RATE, MOMENTUM)
    decayed, both = HParams(RATE, weight_decay=DECAY), HParams(RATE, MOMENTUM, DECAY)
    betas = (MOMENTUM, 0.999)
    adam, adamw, rmsprop, adagrad = (f"torch.optim.{name}" for name in ("Adam", "AdamW", "RMSprop", "Adagrad"))
    return [
        _trajectory("adagrad", "", adagrad, _other("Adagrad"), plain),
        _trajectory("adagrad:eps=0.01,lr_decay=0.1", "", adagrad, _other("Adagrad", eps=0.01, lr_decay=0.1), plain),
        _trajectory("adagrad", "coupled decay", adagrad, _other("Adagrad"), decayed, decay="coupled"),
        _trajectory("rmsprop", "", rmsprop, _other("RMSprop"), plain),
        _trajectory("rmsprop:alpha=0.9,eps=0.01", "", rmsprop, _other("RMSprop", alpha=0.9, eps=0.01), plain),
        _trajectory("rmsprop", "momentum", rmsprop, _other("RMSprop", momentum=MOMENTUM), heavy),
        _trajectory("rmsprop:centered=true", "", rmsprop, _other("RMSprop", centered=True), plain),
        _trajectory("rmsprop", "coupled decay", rmsprop, _other("RMSprop"), decayed, decay="coupled"),
        _trajectory("adam", "", adam, _other("Adam", betas=betas), heavy),
        _trajectory("adam:b2=0.9,eps=0.001", "", adam, _other("Adam", betas=(MOMENTUM, 0.9), eps=1e-3), heavy),
        _trajectory("adam:amsgrad=true", "", adam, _other("Adam", betas=betas, amsgrad=True), heavy),
        _trajectory("adam", "no momentum", adam, _other("Adam", betas=(0.0, 0.999)), plain),
        _trajectory("adam", "coupled decay", adam, _other("Adam", betas=betas), both, decay="coupled"),
        _trajectory("adam", "decoupled decay", adamw, _other("AdamW", betas=betas), both),
        _trajectory("adamw", "", adamw, _other("AdamW", betas=betas), both),
        _trajectory("adamw:amsgrad=true", "", adamw, _other("AdamW", betas=betas, amsgrad=True), both),
    ]


def _clip_cases() -> list[Case]:
    why = dict.fromkeys(
        ("kernel", "bias"),
        "PyTorch scales by C / (‖g‖ + 10⁻⁶), so that a clipped gradient is a little shorter; ours is C long",
    )
    limit = 0.25
    by_value = lambda torch, parameters: torch.nn.utils.clip_grad_value_(parameters, limit)  # noqa: E731
    by_norm = lambda torch, parameters: torch.nn.utils.clip_grad_norm_(parameters, limit)  # noqa: E731
    return [
        _trajectory(
            "sgd",
            "clip value",
            "torch.nn.utils.clip_grad_value_",
            _sgd(),
            HParams(RATE, clip_value=limit),
            clip=by_value,
        ),
        _trajectory(
            "sgd",
            "clip norm",
            "torch.nn.utils.clip_grad_norm_",
            _sgd(),
            HParams(RATE, clip_norm=limit),
            clip=by_norm,
            differs=why,
        ),
    ]


def _schedule(text: str, torch_name: str, scheduler: Callable[[Any, Any], Any], warmup: float = 0.0) -> Case:
    """Learning rates of 100 steps; PyTorch's scheduler is stepped once a step."""

    def reference(inputs: Arrays, torch: Any) -> Arrays:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule, seen = scheduler(torch, optimizer), []
        for _ in range(STEPS):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return {"η": np.array(seen, float)}

    def ours(inputs: Arrays, by_hand: bool) -> dict[str, Any]:
        rate = learning_rate(OptimizerSpec(schedule=text, warmup=warmup), 1.0, STEPS, inputs["one"].dtype)
        return {"η": jax.vmap(rate)(jnp.arange(STEPS, dtype=jnp.int32))}

    what = f"warm-up {warmup:g}" if warmup else ""
    one = lambda: {"one": np.ones(1)}  # noqa: E731 - carries the dtype
    return Case("schedule", text, what, f"lr_scheduler.{torch_name}", one, reference, ours, has_gradients=False)


def _plateau(text: str, options: dict[str, Any]) -> Case:
    """Learning rates after each epoch of a loss that falls, stalls, jumps and falls again."""

    def inputs() -> Arrays:
        random = generator("plateau")
        losses = np.concatenate(
            [np.linspace(2, 1, 20), np.full(25, 1.0), 1.5 + random.uniform(size=15), 0.5 ** np.arange(40)]
        )
        return {"losses": float32_numbers(losses)}

    def reference(inputs: Arrays, torch: Any) -> Arrays:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule, seen = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, eps=0, **options), []
        for loss in inputs["losses"]:
            schedule.step(loss)
            seen.append(optimizer.param_groups[0]["lr"])
        return {"η": np.array(seen, float)}

    def ours(inputs: Arrays, by_hand: bool) -> dict[str, Any]:
        spec = OptimizerSpec(schedule=text)

        def epoch(plateau: Any, loss: jax.Array) -> tuple[Any, jax.Array]:
            plateau = update_plateau(spec, plateau, loss)
            return plateau, plateau.factor

        losses = jnp.asarray(inputs["losses"])
        return {"η": jax.lax.scan(epoch, initial_plateau(losses.dtype), losses)[1]}

    return Case("schedule", text, "", "lr_scheduler.ReduceLROnPlateau", inputs, reference, ours, has_gradients=False)


def _schedule_cases() -> list[Case]:
    def of(name: str, **options: Any) -> Callable[[Any, Any], Any]:
        return lambda torch, optimizer: getattr(torch.optim.lr_scheduler, name)(optimizer, **options)

    return [
        _schedule("constant", "ConstantLR", of("ConstantLR", factor=1.0)),
        _schedule("step", "StepLR", of("StepLR", step_size=40, gamma=0.1)),
        _schedule("step:every=0.15,factor=0.5", "StepLR", of("StepLR", step_size=15, gamma=0.5)),
        _schedule("exponential", "ExponentialLR", of("ExponentialLR", gamma=0.01 ** (1 / STEPS))),
        _schedule("inverse_time", "LambdaLR", of("LambdaLR", lr_lambda=lambda step: 1 / (1 + 0.01 * step))),
        _schedule("cosine", "CosineAnnealingLR", of("CosineAnnealingLR", T_max=STEPS)),
        _schedule("cosine:final=0.1", "CosineAnnealingLR", of("CosineAnnealingLR", T_max=STEPS, eta_min=0.1)),
        _schedule("linear", "LinearLR", of("LinearLR", start_factor=1.0, end_factor=0.0, total_iters=STEPS)),
        _schedule("constant", "LinearLR", of("LinearLR", start_factor=0.05, total_iters=19), warmup=0.2),
        _schedule("one_cycle", "OneCycleLR", of("OneCycleLR", max_lr=1.0, total_steps=STEPS)),
        _plateau("plateau", {}),
        _plateau(
            "plateau:factor=0.5,patience=3,threshold=0.01,cooldown=2,smallest=0.1",
            {"factor": 0.5, "patience": 3, "threshold": 0.01, "cooldown": 2, "min_lr": 0.1},
        ),
    ]


def cases() -> list[Case]:
    """Every optimiser and schedule that PyTorch has."""
    return [*_sgd_cases(), *_adaptive_cases(), *_clip_cases(), *_schedule_cases()]
