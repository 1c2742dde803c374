"""Compiled programs that a process keeps: the latest of each kind, by all that they were compiled for."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

import jax

Arguments = ParamSpec("Arguments")
Program = TypeVar("Program")

_FORGET: list[Callable[[], None]] = []


def settings() -> tuple[Any, ...]:
    """What JAX compiles by, here and now, beside a program's arguments."""
    config: Any = jax.config
    return (
        config.jax_enable_x64,
        config.jax_default_matmul_precision,
        config.jax_default_prng_impl,
        config.jax_threefry_partitionable,
        config.jax_default_device,
        config.jax_debug_nans,
        config.values["jax_disable_most_optimizations"],
    )


def keep(most: int) -> Callable[[Callable[Arguments, Program]], Callable[Arguments, Program]]:
    """Decorator: call the function once for the same arguments and ``settings``; the latest ``most`` are kept."""

    def decorate(function: Callable[Arguments, Program]) -> Callable[Arguments, Program]:
        @lru_cache(maxsize=most)
        def made(by: tuple[Any, ...], *args: Any, **options: Any) -> Program:
            del by
            return function(*args, **options)

        kept: Any = made  # lru_cache cannot tell that arguments are hashable

        @wraps(function)
        def call(*args: Arguments.args, **options: Arguments.kwargs) -> Program:
            found: Program = kept(settings(), *args, **options)
            return found

        _FORGET.append(made.cache_clear)
        return call

    return decorate


def forget() -> None:
    """Let go of all that is kept, JAX's own programs included."""
    jax.clear_caches()
    for clear in _FORGET:
        clear()
