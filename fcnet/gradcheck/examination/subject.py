"""Someone's function as the oracles call it: float64 NumPy in, float64 NumPy out, whatever it is written in."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from fcnet.gradcheck.examination import trees
from fcnet.gradcheck.examination.answers import Reading, read
from fcnet.gradcheck.examination.calls import Refused, one_line, where
from fcnet.gradcheck.examination.contract import batch_axes
from fcnet.gradcheck.record import Problem, Tensors


@dataclass(frozen=True)
class Subject:
    """A function, its parameters and its batch.

    ``params``: the floating-point leaves of ``tree`` as NumPy arrays of the dtype they were given in. ``batch``: as it
    is passed now, ``given``: as the author gave it.
    ``wide``: whether it is called with float64, or with the dtypes it was given. ``copies``: whether every call gets
    its own copy of the batch.
    """

    function: Callable[..., Any]
    tree: Any
    params: Tensors
    batch: tuple[Any, ...]
    given: tuple[Any, ...]
    library: str
    wide: bool = True
    copies: bool = False

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """JAX has float64 only where it is asked for."""
        with jax.enable_x64(True) if self.wide else contextlib.nullcontext():
            yield

    @property
    def start(self) -> dict[str, np.ndarray]:
        """The parameters in float64."""
        return {name: value.astype(np.float64) for name, value in self.params.items()}

    def _own(self, at: Tensors) -> Any:
        leaves = trees.flatten(self.tree)
        moved = {}
        for name, value in at.items():
            narrow = value if self.wide or np.iscomplexobj(value) else value.astype(self.params[name].dtype)
            moved[name] = trees.own(np.asarray(narrow), leaves[name])
        return trees.unflatten(trees.mapped(trees.copied, self.tree) if self.copies else self.tree, moved)

    def answer(self, at: Tensors) -> Any:
        """What the function itself returns there.

        Raises:
            Refused: it raises something.
        """
        with self.precision():
            batch = trees.mapped(trees.copied, self.batch) if self.copies else self.batch
            params = self._own(at)
            try:
                return self.function(params, *batch)
            except (Exception, SystemExit) as error:
                text = f"raises {one_line(error)}{where(self.function, error)} at parameters other than those given"
                raise Refused(Problem("raises", text)) from error

    def narrowed(self) -> "Subject":
        """The same, called with the dtypes that were given."""
        return replace(self, wide=False, batch=self.given)

    def reading(self, at: Tensors) -> Reading:
        """Loss and gradients there."""
        return read(self.answer(at), self.tree, self.params, batch_axes(self.batch))

    def loss(self, at: Tensors) -> Any:
        """The loss alone, a float (or complex, where parameters are); NaN where there is none."""
        try:
            loss = trees.to_numpy(self.answer(at)[0]).reshape(())
        except (TypeError, ValueError, IndexError, KeyError):
            text = "returns no pair of a number and gradients at parameters other than those given"
            raise Refused(Problem("not_gradients", text)) from None
        return complex(loss) if np.iscomplexobj(loss) else float(loss)

    def autodiff(self, at: Tensors) -> dict[str, np.ndarray] | None:
        """The derivative of the function's own loss by its own library; None where that cannot be taken."""
        if self.library == "numpy":
            return None
        with self.precision():
            try:
                return self._in_jax(at) if self.library == "jax" else self._in_torch(at)
            except Exception:  # the author's code may refuse in any way what it was not written for
                return None

    def _in_jax(self, at: Tensors) -> dict[str, np.ndarray] | None:
        leaves = trees.flatten(self._own(at))
        traced = {name: leaves[name] for name in at}

        def loss(some: dict[str, Any]) -> Any:
            return jax.numpy.reshape(self.function(trees.unflatten(self.tree, some), *self.batch)[0], ())

        return {name: np.asarray(value, np.float64) for name, value in jax.grad(loss)(traced).items()}

    def _in_torch(self, at: Tensors) -> dict[str, np.ndarray] | None:
        torch = sys.modules["torch"]
        leaves = trees.flatten(self._own(at))
        tracked = {name: leaves[name].detach().requires_grad_() for name in at}
        with torch.enable_grad():
            loss = self.function(trees.unflatten(self.tree, tracked), *self.batch)[0]
            if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
                return None
            found = torch.autograd.grad(loss.reshape(()), list(tracked.values()), allow_unused=True)
        zeros = {name: np.zeros(value.shape) for name, value in at.items()}
        pairs = zip(at, found, strict=True)
        return zeros | {name: trees.to_numpy(value).astype(np.float64) for name, value in pairs if value is not None}
