"""What went wrong in one layer's backward: each mistake is acted out and compared with what was found."""

from collections.abc import Callable, Iterator

import numpy as np

from fcnet import activations
from fcnet.gradcheck.diagnosis.mistakes import MISTAKES, Mistake
from fcnet.gradcheck.record import Cause

# A network has no upstream gradient to leave out, a layer alone has.
LAYER_MISTAKES = {
    "upstream_missing": Mistake(
        "upstream_missing",
        "the upstream gradient is left out",
        "∂L/∂z = ∂L/∂a ∂a/∂z",
        "what becomes of the gradient that comes from above?",
    )
} | MISTAKES
# The Jacobian is looked at entry by entry up to this many of them.
MOST_ENTRIES = 512
# Central differences in float64 have about 10 digits (ε^⅔); a mistake that fits agrees to more than 6.
FITS = 1e-6


def layer_mistakes(
    forward: Callable[[np.ndarray], np.ndarray],
    z: np.ndarray,
    upstream: np.ndarray,
    found: np.ndarray,
    *,
    tensor: str,
    where: str,
) -> tuple[Cause, ...]:
    """The mistakes that give exactly the gradient that was found; () where none does.

    Args:
        forward: z ↦ output of z's own shape, in float64.
        upstream: u = ∂L/∂output. ``found``: what the author says of ∂L/∂z.
        tensor: the name of z. ``where``: that of the layer.
    """
    value = forward(z)
    if value.shape != z.shape or found.shape != z.shape or not 0 < z.size <= MOST_ENTRIES:
        return ()
    jacobian = _jacobian(forward, z)
    right = np.reshape(upstream.ravel() @ jacobian, z.shape)
    if _distance(found, right) <= FITS:
        return ()
    causes = []
    for name, gradient, words in _acted_out(forward, z, value, upstream, jacobian):
        # a mistake that changes nothing here, such as f′ = 1 left out, explains nothing
        if _distance(found, gradient) <= FITS < _distance(right, gradient):
            sentence = f"{words}: that gives what was found to {max(_distance(found, gradient), 1e-16):.0e}"
            causes.append(Cause(name, (tensor,), where, sentence, LAYER_MISTAKES[name].derivation))
    return tuple(causes[:1])


def _acted_out(
    forward: Callable[[np.ndarray], np.ndarray],
    z: np.ndarray,
    value: np.ndarray,
    upstream: np.ndarray,
    jacobian: np.ndarray,
) -> Iterator[tuple[str, np.ndarray, str]]:
    """Each mistake's name, the gradient that it gives, and what was done, the most likely first."""
    diagonal = np.reshape(np.diag(jacobian), z.shape)
    rest = jacobian - np.diag(np.diag(jacobian))
    is_elementwise = np.abs(rest).max(initial=0.0) <= FITS * np.abs(jacobian).max(initial=0.0)
    yield "derivative_missing", upstream, "the upstream gradient is passed on as it came"
    if not is_elementwise:
        yield "softmax_off_diagonal", upstream * diagonal, "only the diagonal of the Jacobian is used"
        return
    yield "upstream_missing", diagonal, "f′ is there, but the upstream gradient is not"
    step = _step(value)
    at_activation = (forward(value + step) - forward(value - step)) / (2 * step)
    yield "derivative_at_activation", upstream * at_activation, "f′ is taken at the output instead of the input"
    for entry in activations.ACTIVATIONS.values():
        if entry.local is None or entry.options:
            continue
        with np.errstate(all="ignore"):  # some are infinite somewhere, and then they are not what was found
            gradient = upstream * entry.local(z)[1]
        if np.isfinite(gradient).all():
            yield "derivative_of_another", gradient, f"it is the derivative of {entry.name}"


def _jacobian(forward: Callable[[np.ndarray], np.ndarray], z: np.ndarray) -> np.ndarray:
    """J[i, k] = ∂output_i/∂z_k by central differences, both flattened."""
    step, columns = _step(z), []
    for place in range(z.size):
        moved = step * np.reshape(np.arange(z.size) == place, z.shape)
        columns.append((forward(z + moved) - forward(z - moved)).ravel() / (2 * step))
    return np.stack(columns, axis=1)


def _step(at: np.ndarray) -> float:
    """ε^⅓ on the scale of z: where rounding, ε/h, and curvature, h², are alike."""
    return float(np.finfo(np.float64).eps ** (1 / 3)) * max(1.0, float(np.abs(at).max(initial=0.0)))


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    largest = max(float(np.linalg.norm(one)), float(np.linalg.norm(other)))
    return float(np.linalg.norm(one - other)) / largest if largest else 0.0
