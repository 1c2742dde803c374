"""Products with second derivatives, at about the cost of two gradients: the Hessian's and the Gauss–Newton matrix's.

R{·} is the derivative along a direction v of the parameters, R{g(θ)} = d/dε g(θ + ε v) at ε = 0. Applied to every line
of the forward and the backward pass it gives H v = R{∂L/∂θ} (``duals`` is that arithmetic).
Source: Pearlmutter 1994, Fast exact multiplication by the Hessian.
"""

import jax

from fcnet import regularizers
from fcnet.arrays import AnyArray, namespace
from fcnet.backprop.backward import backward
from fcnet.backprop.duals import Dual, along
from fcnet.backprop.gradients import Point, by_hand, passed
from fcnet.contracts import HParams, Params
from fcnet.objective import ObjectiveSpec


def _moving(point: Point, vector: Params) -> Point:
    """The point on its way along the vector: the parameters move, x does not."""
    params = jax.tree.map(Dual, point.params, vector)
    x = point.batch.x
    still: AnyArray = Dual(namespace(x).astype(x, jax.tree.leaves(vector)[0].dtype))
    return point._replace(params=params, batch=point.batch._replace(x=still))


def hessian_vector(spec: ObjectiveSpec, hparams: HParams, point: Point, vector: Params) -> Params:
    """H v, H = ∂²L/∂θ² of the whole objective, penalties included: v and the answer have the parameters' tree.

    Where the loss has kinks, the Hessian of the piece it is on.
    """
    moving = by_hand(spec, hparams, _moving(point, vector))
    return jax.tree.map(along, moving.grads)


def gauss_newton_vector(spec: ObjectiveSpec, hparams: HParams, point: Point, vector: Params) -> Params:
    """G v = Jᵀ H_ℓ J v + λ₂ v, J = ∂outputs/∂θ, H_ℓ = ∂²L/∂outputs²: the Hessian without the network's own curvature.

    For losses that are convex in the outputs G has no negative eigenvalue. J v is R{outputs}, H_ℓ (J v) is
    R{∂L/∂outputs}, and Jᵀ is the backward pass.

    Source: Schraudolph 2002, Fast curvature matrix-vector products for second-order gradient descent.
    """
    still, moving = passed(spec, hparams, point), passed(spec, hparams, _moving(point, vector))
    upstream: AnyArray = along(moving.towards_outputs)
    curved = backward(spec.model, point.params, still.caches, upstream)
    # R{λ₂ W} = λ₂ v; λ₁ sign(W) does not change on the way
    return regularizers.add_penalty_gradient(hparams._replace(l1=None), vector, curved)
