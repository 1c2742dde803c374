"""Mistakes in 16-20-20-6 with dropout and smoothed labels."""

from doctor.edit import Edit

EDITS = (
    Edit("dropout_mask_missing", "grad_h1 = grad_d1 * mask1 / KEEP", "grad_h1 = grad_d1 / KEEP"),
    Edit("dropout_mask_missing", "grad_h0 = grad_d0 * mask0 / KEEP", "grad_h0 = grad_d0 / KEEP"),
    Edit(
        "dropout_mask_missing",
        "grad_h1 = grad_d1 * mask1 / KEEP",
        "grad_h1 = grad_d1",
        "all of dropout forgotten, mask and scale",
        also=("dropout_scale_missing",),
    ),
    Edit("dropout_scale_missing", "grad_h1 = grad_d1 * mask1 / KEEP", "grad_h1 = grad_d1 * mask1"),
    Edit("dropout_scale_missing", "grad_h0 = grad_d0 * mask0 / KEEP", "grad_h0 = grad_d0 * mask0"),
    Edit(
        "dropout_mask_missing",
        "d1.T @ grad_logits",
        "h1.T @ grad_logits",
        "the activations before dropout: a cache of another step, without the mask and the scale",
        also=("cache_of_another_layer", "dropout_scale_missing"),
    ),
    Edit(
        "cache_of_another_layer",
        "grad_h0 = grad_d0 * mask0 / KEEP",
        "grad_h0 = grad_d0 * mask1 / KEEP",
        "the other layer's mask, so that this layer's is missing",
        also=("dropout_mask_missing",),
    ),
    Edit("smoothing_ignored", "(np.exp(logp) - soft) / batch", "(np.exp(logp) - one_hot) / batch"),
    Edit("derivative_missing", "grad_z1 = grad_h1 * elu_prime(z1)", "grad_z1 = grad_h1"),
    Edit("derivative_at_activation", "elu_prime(z0)", "elu_prime(h0)"),
    Edit("derivative_at_activation", "elu_prime(z1)", "elu_prime(h1)"),
    Edit("derivative_of_another", "return np.where(z > 0, 1, np.exp(z))", "return np.where(z > 0, 1, 0)", "ReLU's"),
    Edit(
        "derivative_of_another",
        "return np.where(z > 0, 1, np.exp(z))",
        "return np.where(z > 0, 1, np.exp(z) - 1)",
        "f below 0 in the place of f′",
    ),
    Edit("cache_of_another_layer", "elu_prime(z1)", "elu_prime(z0)"),
    Edit("cache_of_another_layer", "d0.T @ grad_z1", "d1.T @ grad_z1"),
    Edit("transposed", '@ params["fc1"]["weight"].T', '@ params["fc1"]["weight"]'),
    Edit("bias_not_summed", '"bias": grad_z0.sum(axis=0)', '"bias": grad_z0[0]'),
    Edit("label_off_by_one", "(np.exp(logp) - soft)", "(np.exp(logp) - np.roll(soft, 1, axis=1))"),
    Edit("missing", '"bias": grad_logits.sum(axis=0)', '"bias": np.zeros_like(logits[0])'),
    Edit("extra_mean", "d1.T @ grad_logits", "d1.T @ grad_logits / batch"),
    Edit(
        "swapped",
        '"bias": grad_z0.sum(axis=0)},\n        "fc1": {"weight": d0.T @ grad_z1, "bias": grad_z1.sum(axis=0)}',
        '"bias": grad_z1.sum(axis=0)},\n        "fc1": {"weight": d0.T @ grad_z1, "bias": grad_z0.sum(axis=0)}',
    ),
    Edit(
        "cache_of_another_layer",
        '"bias": grad_z1.sum(axis=0)',
        '"bias": grad_z0.sum(axis=0)',
        "the other layer's delta: its bias gradient is given twice, half of an exchange",
        also=("swapped",),
    ),
)
