"""Mistakes in 9-15-7 with the softmax's whole Jacobian."""

from doctor.edit import Edit

JACOBIAN = "jacobian = np.diag(p) - np.outer(p, p)"

EDITS = (
    Edit("softmax_off_diagonal", JACOBIAN, "jacobian = np.diag(p * (1 - p))", "the sigmoid's rule for each output"),
    Edit(
        "softmax_off_diagonal",
        JACOBIAN,
        "jacobian = np.diag(p)",
        "without − p pᵀ, which leaves −e_y/N: another loss's gradient (that of −z_y)",
        also=("loss_gradient",),
    ),
    Edit(
        "loss_gradient",
        "dloss_dp[y[i]] = -1 / p[y[i]]",
        "dloss_dp = p - np.eye(7, dtype=p.dtype)[y[i]]",
        "softmax and cross-entropy together, then the Jacobian again: half a squared error on p",
    ),
    Edit(
        "loss_gradient", "dloss_dp[y[i]] = -1 / p[y[i]]", "dloss_dp[y[i]] = -1", "the derivative of −p, not of −log p"
    ),
    Edit("sign", "dloss_dp[y[i]] = -1 / p[y[i]]", "dloss_dp[y[i]] = 1 / p[y[i]]"),
    Edit("label_off_by_one", "dloss_dp[y[i]] = -1 / p[y[i]]", "dloss_dp[y[i] - 1] = -1 / p[y[i] - 1]"),
    Edit(
        "one_row",
        "        dw += np.outer(dz, h)\n",
        "        if i > 0:\n            dw += np.outer(dz, h)\n",
        "the first row is left out",
    ),
    Edit("bias_not_summed", "db += dz", "db = dz", "= for +=: the last row alone"),
    Edit(
        "one_row",
        "dv += np.outer(da, x[i])",
        "dv = np.outer(da, x[i])",
        "= for +=: the last row alone; the name for it is that of biases",
        also=("bias_not_summed",),
    ),
    Edit(
        "missing_mean",
        "jacobian @ dloss_dp / n_samples",
        "jacobian @ dloss_dp",
        "this is the sum's gradient",
        also=("wrong_reduction",),
    ),
    Edit("extra_mean", '"hidden_weights": dv', '"hidden_weights": dv / n_samples'),
    Edit("derivative_missing", "da = dh * h * (1 - h)", "da = dh"),
    Edit(
        "derivative_at_activation", "da = dh * h * (1 - h)", "s = 1 / (1 + np.exp(-h))\n        da = dh * s * (1 - s)"
    ),
    Edit("derivative_of_another", "da = dh * h * (1 - h)", "da = dh * (1 - h**2)"),
    Edit("one_entry", "return total / n_samples", "dw[0, 0] = 0\n    return total / n_samples", "left from debugging"),
    Edit("updated_weights", "dh = w.T @ dz", "dh = (w - 0.1 * dw).T @ dz", "stepping after every row"),
    Edit("missing", "        dc += da\n", ""),
    Edit("one_class", "dw += np.outer(dz, h)", "dw[:-1] += np.outer(dz, h)[:-1]", "a loop over all classes but one"),
)
