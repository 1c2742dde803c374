"""Mistakes in 7-11-9-2 with softplus, in JAX."""

from doctor.edit import Edit

KERNEL = 'kernel = jnp.dot(x.T, ct) + LAMBDA * jnp.sign(layer["kernel"])'

EDITS = (
    Edit("halved", "2 * residual / residual.size", "residual / residual.size", "the 2 of the square forgotten"),
    Edit(
        "wrong_reduction",
        "2 * residual / residual.size",
        "2 * residual / len(residual)",
        "the mean over rows alone; with two outputs that is the double",
        also=("doubled",),
    ),
    Edit(
        "missing_mean", "2 * residual / residual.size", "2 * residual", "the sum's gradient", also=("wrong_reduction",)
    ),
    Edit("penalty_missing", KERNEL, "kernel = jnp.dot(x.T, ct)"),
    Edit("penalty_doubled", "LAMBDA * jnp.sign", "2 * LAMBDA * jnp.sign", "as if it were a square"),
    Edit("penalty_halved", "LAMBDA * jnp.sign", "0.5 * LAMBDA * jnp.sign"),
    Edit(
        "penalty_on_biases",
        "bias = jnp.sum(ct, axis=0)",
        'bias = jnp.sum(ct, axis=0) + LAMBDA * jnp.sign(layer["bias"])',
    ),
    Edit("derivative_missing", "ct_z = ct_h * jax.nn.sigmoid(z_b)", "ct_z = ct_h"),
    Edit("derivative_at_activation", "jax.nn.sigmoid(z_a)", "jax.nn.sigmoid(h_a)"),
    Edit(
        "derivative_of_another",
        "jax.nn.sigmoid(z_b)",
        "jax.nn.sigmoid(z_b) * (1 - jax.nn.sigmoid(z_b))",
        "the sigmoid's",
    ),
    Edit("bias_averaged", "bias = jnp.sum(ct, axis=0)", "bias = jnp.mean(ct, axis=0)"),
    Edit("sign", "residual = out - y", "residual = y - out", "the loss does not notice"),
    Edit("missing", '"head": g_head}', '"head": {**g_head, "bias": jnp.zeros_like(g_head["bias"])}}'),
)
