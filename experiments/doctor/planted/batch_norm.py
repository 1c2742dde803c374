"""Mistakes in 10-14-9-4 with batch norm."""

from doctor.edit import Edit

DX = "dx = dxhat / std + dvar * 2 * (x - mu) / n + dmu / n"

EDITS = (
    Edit("norm_mean_path", DX, "dx = dxhat / std + dvar * 2 * (x - mu) / n"),
    Edit("norm_variance_path", DX, "dx = dxhat / std + dmu / n"),
    Edit(
        "norm_variance_path",
        DX,
        "dx = dxhat / std",
        "mean and variance taken for constants: both paths are missing",
        also=("norm_mean_path",),
    ),
    Edit(
        "norm_variance_path",
        'dz1, grads["gamma1"], grads["beta1"] = batchnorm_backward(dn1, cache1)',
        'dz1, grads["gamma1"], grads["beta1"] = batchnorm_backward(dn1, cache1)\n'
        "    x1, mu, std, xhat, gamma = cache1\n"
        "    dz1 = gamma / std * (dn1 - dn1.mean(axis=0))",
        "of the first layer alone",
    ),
    Edit("norm_unbiased_variance", "dvar * 2 * (x - mu) / n", "dvar * 2 * (x - mu) / (n - 1)"),
    Edit(
        "norm_unbiased_variance",
        "-0.5 / std**3",
        "-0.5 / (std * np.sqrt(n / (n - 1))) ** 3",
        "the unbiased σ where the forward pass has the biased one",
    ),
    Edit("swapped", "return dx, dgamma, dbeta", "return dx, dbeta, dgamma", "in both layers"),
    Edit("norm_scale_gradient", "dgamma = (dout * xhat)", "dgamma = (dout * x)", "z where ẑ belongs"),
    Edit("bias_averaged", "dbeta = dout.sum(axis=0)", "dbeta = dout.mean(axis=0)"),
    Edit(
        "extra_mean",
        "dgamma = (dout * xhat).sum(axis=0)",
        "dgamma = (dout * xhat).mean(axis=0)",
        "a mean where a sum belongs, as with biases",
        also=("bias_averaged",),
    ),
    Edit("missing", "dgamma = (dout * xhat).sum(axis=0)", "dgamma = np.zeros_like(gamma)"),
    Edit("sign", "dbeta = dout.sum(axis=0)", "dbeta = -dout.sum(axis=0)"),
    Edit("derivative_missing", "dn2 = dh2 * (n2 > 0)", "dn2 = dh2"),
    Edit(
        "derivative_at_activation",
        "dn1 = dh1 * (n1 > 0)",
        "dn1 = dh1 * (z1 > 0)",
        "the mask from before the norm, not from before the ReLU: f′ at the wrong one of the layer's caches",
        also=("cache_of_another_layer",),
    ),
    Edit(
        "missing_mean",
        "dscores = dscores / n",
        "dscores = dscores * 1.0",
        "this is the sum's gradient",
        also=("wrong_reduction",),
    ),
    Edit(
        "stale",
        "    x, mu, std, xhat, gamma = cache\n",
        "    x, mu, std, xhat, gamma = globals().setdefault(str(cache[0].shape), cache)\n",
        "a cache by shape that is never emptied",
    ),
    Edit("one_row", "return dout @ w.T, x.T @ dout,", "return dout @ w.T, x[:-1].T @ dout[:-1],"),
    Edit("updated_weights", "return dout @ w.T, x.T @ dout,", "return dout @ (w - x.T @ dout).T, x.T @ dout,"),
    Edit("doubled", "dgamma = (dout * xhat)", "dgamma = 2 * (dout * xhat)"),
    Edit("norm_scale_missing", "dxhat = dout * gamma", "dxhat = dout", "γ forgotten"),
    Edit("norm_scale_missing", DX, "dx = dxhat + dvar * 2 * (x - mu) / n + dmu / n", "1/s forgotten in one of three"),
)
