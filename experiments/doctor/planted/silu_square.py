"""Mistakes in 12-12-12-12-3 with SiLU."""

from doctor.edit import Edit

DELTA = "delta = (delta @ weights[k].T) * d_silu(pre[k - 1])"

EDITS = (
    Edit("cache_of_another_layer", DELTA, "delta = (delta @ weights[k].T) * d_silu(pre[max(k - 2, 0)])"),
    Edit("cache_of_another_layer", "inputs[k].T @ delta", "inputs[max(k - 1, 0)].T @ delta", "off by one layer"),
    Edit("cache_of_another_layer", "inputs[k].T @ delta", "inputs[k if k != 1 else 2].T @ delta", "of one layer"),
    Edit("cache_of_another_layer", DELTA, "delta = (delta @ weights[k].T) * d_silu(pre[k - 1] if k != 1 else pre[1])"),
    Edit("derivative_missing", DELTA, "delta = delta @ weights[k].T"),
    Edit("derivative_missing", DELTA, "delta = (delta @ weights[k].T) * (d_silu(pre[k - 1]) if k != 3 else 1)"),
    Edit("derivative_at_activation", "d_silu(pre[k - 1])", "d_silu(inputs[k])", "the layer's output instead of z"),
    Edit("derivative_of_another", "return s * (1 + z * (1 - s))", "return s", "the factor z treated as a constant"),
    Edit("derivative_of_another", "return s * (1 + z * (1 - s))", "return s * (1 - s)", "the sigmoid's"),
    Edit("derivative_of_another", "return s * (1 + z * (1 - s))", "return s * (1 + z)", "(1 − s) forgotten"),
    Edit("transposed", "(delta @ weights[k].T)", "(delta @ (weights[k].T if k == 3 else weights[k]))", "where square"),
    Edit("transposed", "inputs[k].T @ delta", "inputs[k].T @ delta if k == 3 else delta.T @ inputs[k]", "where square"),
    Edit("swapped", '"biases": grad_b[::-1]', '"biases": [grad_b[1], grad_b[2], grad_b[3], grad_b[0]]'),
    Edit("swapped", '"weights": grad_w[::-1]', '"weights": [grad_w[2], grad_w[3], grad_w[1], grad_w[0]]'),
    Edit(
        "wrong_reduction",
        "delta = (p - y) / y.size",
        "delta = (p - y) / len(y)",
        "the mean over rows, the sum over labels: a factor of 3",
        also=("factor",),
    ),
    Edit("wrong_reduction", "delta = (p - y) / y.size", "delta = p - y", "1/(N·3) is missing", also=("missing_mean",)),
    Edit("loss_gradient", "delta = (p - y) / y.size", "delta = 2 * (p - y) * p * (1 - p) / y.size", "squared error's"),
    Edit("loss_gradient", "delta = (p - y) / y.size", "delta = (p - y) * p * (1 - p) / y.size", "half squared error's"),
    Edit("updated_weights", DELTA, "delta = (delta @ (weights[k] - 0.5 * grad_w[-1]).T) * d_silu(pre[k - 1])"),
    Edit(
        "stale",
        "    p = sigmoid(pre[-1])\n",
        '    pre = globals().setdefault("kept", pre)\n    p = sigmoid(z)\n',
        "pre-activations that are kept from the first call",
    ),
    Edit("one_class", "delta = (p - y) / y.size", "delta = (p - y) / y.size\n    delta[:, 2] = 0"),
    Edit("bias_averaged", "grad_b.append(delta.sum(axis=0))", "grad_b.append(delta.mean(axis=0))"),
    Edit("halved", '"biases": grad_b[::-1]', '"biases": [g / 2 for g in grad_b[::-1]]'),
    Edit("sign", "delta = (delta @ weights[k].T)", "delta = -(delta @ weights[k].T)", "a minus in each layer's step"),
    Edit("weights_missing", "(delta @ weights[k].T)", "(delta @ weights[k].T if k == 3 else delta)", "where square"),
)
