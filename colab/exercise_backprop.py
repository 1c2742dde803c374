"""Exercise: backpropagation through a network of two layers, one step at a time.

Fill in every function. Rows are examples. While you work:

    fcnet gradcheck exercise_backprop.py       # examines each layer's gradients and names mistakes
    fcnet grade exercise_backprop.py           # points for each function

What a forward function returns is a pair: its output, and the cache that its backward function will be given. The
cache is written beside each, because forward and backward earn their points separately. ``upstream`` is the gradient
of the loss towards the output, and has the output's shape.
"""

import numpy as np


def matmul_forward(x, kernel):
    """Output = x · kernel: (batch, fan_in), (fan_in, units) -> (batch, units). The cache is (x, kernel)."""
    raise NotImplementedError


def matmul_backward(upstream, cache):
    """The gradients towards x and kernel, as a tuple of two."""
    raise NotImplementedError


def relu_forward(z):
    """Output = max(z, 0), (batch, units). The cache is z."""
    raise NotImplementedError


def relu_backward(upstream, cache):
    """The gradient towards z."""
    raise NotImplementedError


def softmax_forward(z):
    """Output a: a_j = exp(z_j) / sum_k exp(z_k) in each row, (batch, classes). The cache is a.

    It must be finite for every finite z, and z can be large.
    """
    raise NotImplementedError


def softmax_backward(upstream, cache):
    """The gradient towards z, for any upstream: the product with the whole Jacobian of each row."""
    raise NotImplementedError


def log_forward(p):
    """Output = log p, (batch, classes), for p > 0. The cache is p."""
    raise NotImplementedError


def log_backward(upstream, cache):
    """The gradient towards p."""
    raise NotImplementedError


def loss_forward(log_p, labels):
    """Output = −1/N sum_i log_p[i, labels_i], a number, the cross-entropy of N rows. The cache is (log_p, labels).

    ``labels``: (N,) integers, from 0.
    """
    raise NotImplementedError


def loss_backward(upstream, cache):
    """The gradient towards log_p, (N, classes). ``upstream`` is a number here."""
    raise NotImplementedError


def network_loss_and_grads(params, x, labels):
    """The mean cross-entropy of softmax(max(x · W1 + b1, 0) · W2 + b2), and its gradients.

    ``params`` is a dictionary of W1 (fan_in, units), b1 (units,), W2 (units, classes) and b2 (classes,). Returns the
    loss and a dictionary of gradients with the same names and shapes.
    """
    raise NotImplementedError


# What follows is for fcnet gradcheck: leave it as it is.

_random = np.random.default_rng(1)
_probabilities = _random.dirichlet(np.ones(3), 5) * 0.9 + 0.03

LAYERS = {
    "matmul": (matmul_forward, matmul_backward, (_random.normal(size=(5, 4)), _random.normal(size=(4, 3)))),
    "relu": (relu_forward, relu_backward, (_random.normal(size=(5, 4)),)),
    "softmax": (softmax_forward, softmax_backward, (_random.normal(size=(5, 3)),)),
    "log": (log_forward, log_backward, (_probabilities,)),
    "loss": (loss_forward, loss_backward, (np.log(_probabilities), np.array([0, 2, 1, 1, 2]))),
}
CLAIMS = {"activation": "relu", "loss": "cross_entropy"}
loss_and_grads = network_loss_and_grads


def example(random):
    """Small parameters and a batch of five rows."""
    params = {
        "W1": random.normal(size=(4, 6)),
        "b1": random.normal(size=6),
        "W2": random.normal(size=(6, 3)),
        "b2": random.normal(size=3),
    }
    return params, random.normal(size=(5, 4)), random.integers(0, 3, 5)
