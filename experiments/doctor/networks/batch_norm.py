"""10-14-9-4, batch norm before each ReLU, mean cross-entropy; forward functions that return a cache."""

from typing import Any

import numpy as np

EPS = 1e-5


def example(random: np.random.Generator) -> tuple[Any, ...]:
    """Weights and 18 rows of 4 classes. The first two biases have no effect: the norm subtracts them again."""
    params = {}
    for layer, (fan_in, units) in enumerate([(10, 14), (14, 9), (9, 4)], start=1):
        params[f"w{layer}"] = random.normal(size=(fan_in, units)) / np.sqrt(fan_in)
        params[f"b{layer}"] = 0.3 * random.normal(size=units)
        if layer < 3:
            params[f"gamma{layer}"] = random.uniform(0.5, 1.5, size=units)
            params[f"beta{layer}"] = 0.3 * random.normal(size=units)
    return params, random.normal(size=(18, 10)), random.integers(0, 4, 18)


def affine_backward(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Towards x, w and b."""
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def batchnorm_forward(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, Any]:
    """γ x̂ + β, and what the backward pass needs."""
    mu = x.mean(axis=0)
    var = ((x - mu) ** 2).mean(axis=0)
    std = np.sqrt(var + EPS)
    xhat = (x - mu) / std
    return gamma * xhat + beta, (x, mu, std, xhat, gamma)


def batchnorm_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Towards x, γ and β, by way of the variance and the mean."""
    x, mu, std, xhat, gamma = cache
    n = len(x)
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dvar = (dxhat * (x - mu)).sum(axis=0) * -0.5 / std**3
    dmu = -dxhat.sum(axis=0) / std
    dx = dxhat / std + dvar * 2 * (x - mu) / n + dmu / n
    return dx, dgamma, dbeta


def loss_and_grads(params: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> tuple[Any, dict[str, np.ndarray]]:
    """The mean cross-entropy and its gradients."""
    n = len(x)
    z1 = x @ params["w1"] + params["b1"]
    n1, cache1 = batchnorm_forward(z1, params["gamma1"], params["beta1"])
    h1 = np.maximum(0, n1)
    z2 = h1 @ params["w2"] + params["b2"]
    n2, cache2 = batchnorm_forward(z2, params["gamma2"], params["beta2"])
    h2 = np.maximum(0, n2)
    scores = h2 @ params["w3"] + params["b3"]

    exps = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs = exps / exps.sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(probs[range(n), y]))

    dscores = probs
    dscores[range(n), y] -= 1
    dscores = dscores / n
    grads = {}
    dh2, grads["w3"], grads["b3"] = affine_backward(dscores, h2, params["w3"])
    dn2 = dh2 * (n2 > 0)
    dz2, grads["gamma2"], grads["beta2"] = batchnorm_backward(dn2, cache2)
    dh1, grads["w2"], grads["b2"] = affine_backward(dz2, h1, params["w2"])
    dn1 = dh1 * (n1 > 0)
    dz1, grads["gamma1"], grads["beta1"] = batchnorm_backward(dn1, cache1)
    _, grads["w1"], grads["b1"] = affine_backward(dz1, x, params["w1"])
    return loss, grads
