"""What each row of a batch adds to the gradients."""

from collections.abc import Mapping

from fcnet.arrays import AnyArray, namespace
from fcnet.backprop.backward import backward
from fcnet.backprop.forward import LayerCache
from fcnet.backprop.gradients import Point, passed
from fcnet.contracts import HParams
from fcnet.objective import ObjectiveSpec


def _of_each_row(cache: LayerCache, delta: AnyArray, learned: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """∂Lᵢ/∂W⁽ˡ⁾ = aᵢ⁽ˡ⁻¹⁾ᵀ δᵢ⁽ˡ⁾, (batch, fan_in, columns), ∂Lᵢ/∂b⁽ˡ⁾ = δᵢ⁽ˡ⁾, and what norm and activation learn."""
    xp = namespace(delta)
    kernel = xp.matmul(cache.inputs[:, :, None], delta[:, None, :])
    grads = {"kernel": kernel if cache.kernel_mask is None else kernel * cache.kernel_mask[None, :, :]}
    if cache.has_bias:
        grads["bias"] = delta
    return grads | dict(learned)


def per_example(spec: ObjectiveSpec, hparams: HParams, point: Point) -> dict[str, dict[str, AnyArray]]:
    """∂Lᵢ/∂θ for every row i: the parameters' tree, each leaf (batch, *shape).

    L = Σᵢ Lᵢ is the reduced loss without penalties, so that the sum over the rows is its gradient. Rows do not meet on
    the way but in batch norm, where row i changes all of them: there it takes one backward pass a row.
    """
    done = passed(spec, hparams, point)
    upstream = done.towards_outputs
    if not any(layer.norm is not None and layer.norm.over_batch for layer in spec.model.layers):
        return backward(spec.model, point.params, done.caches, upstream, _of_each_row)
    xp, rows = namespace(upstream), upstream.shape[0]
    places = xp.reshape(xp.arange(rows), (-1, 1))
    alone = [xp.where(places == row, upstream, xp.zeros_like(upstream)) for row in range(rows)]
    passes = [backward(spec.model, point.params, done.caches, each) for each in alone]
    return {
        name: {key: xp.stack([grads[name][key] for grads in passes]) for key in layer}
        for name, layer in passes[0].items()
    }
