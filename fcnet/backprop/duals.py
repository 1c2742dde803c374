"""Arrays on their way: a value and R{value}, its derivative along one direction, carried through every operation.

A ``Dual`` answers ``__array_namespace__`` with the functions below, so that lines written against the array API – the
forward and the backward pass by hand – run on it as they are, over NumPy, JAX and PyTorch alike. Each function states
its own rule. Source: Pearlmutter 1994, whose R{·} this is; Clifford 1871 for numbers of the form a + b ε, ε² = 0.
"""

from collections.abc import Callable, Sequence
from functools import cache
from math import pi, sqrt
from typing import Any

from fcnet import arrays
from fcnet.arrays import AnyArray, namespace


class Dual:
    """value + tangent ε; a tangent of None is 0."""

    __array_ufunc__ = None  # NumPy's operators leave the work to ours
    __hash__ = None  # type: ignore[assignment] # == compares entries

    def __init__(self, value: AnyArray, tangent: AnyArray | None = None) -> None:
        self.value, self.tangent = value, tangent
        self.shape, self.ndim, self.dtype = tuple(value.shape), value.ndim, value.dtype

    def __array_namespace__(self, *, api_version: str | None = None) -> "DualNamespace":
        return _over(namespace(self.value))

    def __getitem__(self, index: Any) -> "Dual":
        return Dual(self.value[index], None if self.tangent is None else self.tangent[index])

    def __neg__(self) -> "Dual":
        return Dual(-self.value, None if self.tangent is None else -self.tangent)

    def __add__(self, other: Any) -> "Dual":
        return _joined(self.value + value_of(other), self.tangent, tangent_of(other))

    def __sub__(self, other: Any) -> "Dual":
        return self + (-other)

    def __mul__(self, other: Any) -> "Dual":
        """R{x y} = R{x} y + x R{y}."""
        x, y = self.value, value_of(other)
        return _joined(x * y, _times(self.tangent, y), _times(tangent_of(other), x))

    def __truediv__(self, other: Any) -> "Dual":
        """R{x / y} = (R{x} − (x / y) R{y}) / y."""
        y = value_of(other)
        quotient = self.value / y
        return _joined(quotient, _times(self.tangent, 1 / y), _times(tangent_of(other), -quotient / y))

    def __rtruediv__(self, other: Any) -> "Dual":
        quotient = other / self.value
        return _joined(quotient, _times(self.tangent, -quotient / self.value))

    def __rsub__(self, other: Any) -> "Dual":
        return (-self) + other

    def __pow__(self, exponent: float) -> "Dual":
        """R{xᵖ} = p xᵖ⁻¹ R{x} for a number p."""
        return _joined(self.value**exponent, _times(self.tangent, exponent * self.value ** (exponent - 1)))

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other: Any) -> AnyArray:
        return self.value < value_of(other)

    def __le__(self, other: Any) -> AnyArray:
        return self.value <= value_of(other)

    def __gt__(self, other: Any) -> AnyArray:
        return self.value > value_of(other)

    def __ge__(self, other: Any) -> AnyArray:
        return self.value >= value_of(other)

    def __eq__(self, other: object) -> AnyArray:
        return self.value == value_of(other)

    def __ne__(self, other: object) -> AnyArray:
        return self.value != value_of(other)


def value_of(x: Any) -> Any:
    """The value of a dual array, anything else as it is."""
    return x.value if isinstance(x, Dual) else x


def tangent_of(x: Any) -> Any:
    """R{x}; None, which is 0, for anything that does not move."""
    return x.tangent if isinstance(x, Dual) else None


def along(x: AnyArray) -> AnyArray:
    """R{x} as an array of x's shape, zeros where nothing moves."""
    value, tangent = value_of(x), tangent_of(x)
    return namespace(value).zeros_like(value) if tangent is None else tangent


def _times(tangent: AnyArray | None, factor: AnyArray) -> AnyArray | None:
    return None if tangent is None else tangent * factor


def _joined(value: AnyArray, *tangents: AnyArray | None) -> Dual:
    """The value with the sum of the tangents, spread to its shape."""
    moving = [tangent for tangent in tangents if tangent is not None]
    if not moving:
        return Dual(value)
    total = sum(moving[1:], moving[0])
    if tuple(total.shape) != tuple(value.shape):
        total = namespace(value).broadcast_to(total, tuple(value.shape))
    return Dual(value, total)


class DualNamespace:
    """The functions of the array API on dual arrays, over the library ``base``; R{f(x)} = f′(x) R{x}.

    Whatever is not here has no derivative, takes plain arrays, and is the library's own.
    """

    def __init__(self, base: Any) -> None:
        self.base, self.__name__ = base, f"duals over {base.__name__}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def _linear(self, function: Callable[..., AnyArray], x: Any, *arguments: Any, **keywords: Any) -> Any:
        """R{A x} = A R{x}; what does not move and is no floating-point number stays a plain array."""
        value, tangent = function(value_of(x), *arguments, **keywords), tangent_of(x)
        if tangent is None and not self.base.isdtype(value.dtype, "real floating"):
            return value
        return Dual(value, None if tangent is None else function(tangent, *arguments, **keywords))

    def _elementwise(self, x: Any, value: AnyArray, slope: Callable[[], AnyArray]) -> Dual:
        tangent = tangent_of(x)
        return Dual(value, None if tangent is None else slope() * tangent)

    # what keeps or sums entries is linear

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return self._linear(self.base.reshape, x, shape)

    def expand_dims(self, x: Any, *, axis: int) -> Any:
        return self._linear(self.base.expand_dims, x, axis=axis)

    def broadcast_to(self, x: Any, shape: tuple[int, ...]) -> Any:
        return self._linear(self.base.broadcast_to, x, shape)

    def matrix_transpose(self, x: Any) -> Any:
        return self._linear(self.base.matrix_transpose, x)

    def astype(self, x: Any, dtype: Any) -> Any:
        return self._linear(self.base.astype, x, dtype)

    def sum(self, x: Any, **keywords: Any) -> Any:
        return self._linear(self.base.sum, x, **keywords)

    def mean(self, x: Any, **keywords: Any) -> Any:
        return self._linear(self.base.mean, x, **keywords)

    def take_along_axis(self, x: Any, indices: Any, *, axis: int) -> Any:
        return self._linear(self.base.take_along_axis, x, value_of(indices), axis=axis)

    def concat(self, parts: Sequence[Any], *, axis: int = 0) -> Any:
        return self._together(self.base.concat, parts, axis=axis)

    def stack(self, parts: Sequence[Any], *, axis: int = 0) -> Any:
        return self._together(self.base.stack, parts, axis=axis)

    def _together(self, function: Callable[..., AnyArray], parts: Sequence[Any], axis: int) -> Any:
        value = function([value_of(part) for part in parts], axis=axis)
        moves = any(tangent_of(part) is not None for part in parts)
        return Dual(value, function([along(part) for part in parts], axis=axis)) if moves else Dual(value)

    def matmul(self, x: Any, y: Any) -> Dual:
        """R{X Y} = R{X} Y + X R{Y}."""
        a, b, product = value_of(x), value_of(y), self.base.matmul
        moved_x, moved_y = tangent_of(x), tangent_of(y)
        return _joined(
            product(a, b),
            None if moved_x is None else product(moved_x, b),
            None if moved_y is None else product(a, moved_y),
        )

    # constants

    def zeros_like(self, x: Any, **keywords: Any) -> Any:
        return self._linear(self.base.zeros_like, value_of(x), **keywords)

    def ones_like(self, x: Any, **keywords: Any) -> Any:
        return self._linear(self.base.ones_like, value_of(x), **keywords)

    def full_like(self, x: Any, fill: Any, **keywords: Any) -> Any:
        return self._linear(self.base.full_like, value_of(x), fill, **keywords)

    # choices: the derivative of what is chosen

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        chosen = self.base.where(value_of(condition), value_of(x), value_of(y))
        if tangent_of(x) is None and tangent_of(y) is None:
            return self._linear(self.base.asarray, chosen)
        return _joined(chosen, self.base.where(value_of(condition), *self._tangents_as(chosen, x, y)))

    def _tangents_as(self, value: AnyArray, *parts: Any) -> list[AnyArray]:
        zeros = self.base.zeros_like(value)
        return [zeros if tangent_of(part) is None else tangent_of(part) + zeros for part in parts]

    def maximum(self, x: Any, y: Any) -> Dual:
        return self._of_two(self.base.maximum, value_of(x) > value_of(y), x, y)

    def minimum(self, x: Any, y: Any) -> Dual:
        return self._of_two(self.base.minimum, value_of(x) < value_of(y), x, y)

    def _of_two(self, function: Callable[..., AnyArray], first_wins: AnyArray, x: Any, y: Any) -> Dual:
        value = function(value_of(x), value_of(y))
        towards_x, towards_y = self._tangents_as(value, x, y)
        # equal ones share the slope, half each
        tied = value_of(x) == value_of(y)
        chosen = self.base.where(first_wins, towards_x, towards_y)
        return Dual(value, self.base.where(tied, (towards_x + towards_y) / 2, chosen))

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        value = value_of(x)
        if tangent_of(x) is None:
            return self._linear(self.base.clip, x, low, high)
        inside = self.base.astype((value >= low) & (value <= high), value.dtype)
        return self._elementwise(x, self.base.clip(value, low, high), lambda: inside)

    def argmax(self, x: Any, **keywords: Any) -> AnyArray:
        return self.base.argmax(value_of(x), **keywords)

    def max(self, x: Any, *, axis: int, keepdims: bool = False) -> Dual:
        """Of equal ones the first has the derivative."""
        value = self.base.max(value_of(x), axis=axis, keepdims=keepdims)
        if tangent_of(x) is None:
            return Dual(value)
        winner = self.base.expand_dims(self.base.argmax(value_of(x), axis=axis), axis=axis)
        moved = self.base.take_along_axis(tangent_of(x), winner, axis=axis)
        return Dual(value, self.base.reshape(moved, tuple(value.shape)))

    # elementwise functions

    def exp(self, x: Any) -> Dual:
        value = self.base.exp(value_of(x))
        return self._elementwise(x, value, lambda: value)

    def expm1(self, x: Any) -> Dual:
        return self._elementwise(x, self.base.expm1(value_of(x)), lambda: self.base.exp(value_of(x)))

    def log(self, x: Any) -> Dual:
        return self._elementwise(x, self.base.log(value_of(x)), lambda: 1 / value_of(x))

    def log1p(self, x: Any) -> Dual:
        return self._elementwise(x, self.base.log1p(value_of(x)), lambda: 1 / (1 + value_of(x)))

    def sqrt(self, x: Any) -> Dual:
        value = self.base.sqrt(value_of(x))
        return self._elementwise(x, value, lambda: 0.5 / value)

    def tanh(self, x: Any) -> Dual:
        value = self.base.tanh(value_of(x))
        return self._elementwise(x, value, lambda: (1 - value) * (1 + value))

    def abs(self, x: Any) -> Dual:
        return self._elementwise(x, self.base.abs(value_of(x)), lambda: arrays.sign(value_of(x)))

    def sign(self, x: Any) -> Dual:
        return Dual(arrays.sign(value_of(x)))

    def expit(self, x: Any) -> Dual:
        value = arrays.expit(value_of(x))
        return self._elementwise(x, value, lambda: value * (1 - value))

    def erfc(self, x: Any) -> Dual:
        """R{erfc x} = −2/√π exp(−x²) R{x}."""
        z = value_of(x)
        return self._elementwise(x, arrays.erfc(z), lambda: -2 / sqrt(pi) * self.base.exp(-z * z))


@cache
def _over(base: Any) -> DualNamespace:
    return DualNamespace(base)
