"""Compiled programs are kept by all that they were compiled for, and given up in the end."""

import gc
import weakref

import jax
import pytest

from fcnet import devices


class Program:
    """Stands for a compiled one."""


@pytest.fixture
def compiled():
    """A function that is kept, three results at most, and the arguments that it was called with."""
    called = []

    @devices.keep(3)
    def program(*shape):
        called.append(shape)
        return Program()

    return program, called


def test_once_for_the_same_shape(compiled):
    program, called = compiled
    assert program(2, 3) is program(2, 3)
    assert program(3, 2) is not program(2, 3)
    assert called == [(2, 3), (3, 2)]


@pytest.mark.parametrize(
    "context",
    [
        lambda: jax.enable_x64(True),
        lambda: jax.default_matmul_precision("highest"),
        lambda: jax.default_device(jax.devices()[0]),
        lambda: jax.debug_nans(True),
    ],
)
def test_again_where_jax_compiles_otherwise(context, compiled):
    program, _ = compiled
    plain = program(1)
    with context():
        assert program(1) is not plain
    assert program(1) is plain


def test_the_oldest_is_given_up(compiled):
    program, _ = compiled
    oldest, last = weakref.ref(program(0)), weakref.ref(program(1))
    for shape in (2, 3):
        program(shape)
    gc.collect()
    assert oldest() is None
    assert last() is not None


def test_all_are_forgotten_where_asked_for(compiled):
    program, called = compiled
    program(0)
    devices.forget()
    program(0)
    assert called == [(0,), (0,)]
