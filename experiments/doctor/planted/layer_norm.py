"""Mistakes in 8-8-8-2 with layer norm."""

from doctor.edit import Edit

EDITS = (
    Edit("norm_mean_path", "(d_normed - along_mean - along_sigma)", "(d_normed - along_sigma)"),
    Edit("norm_variance_path", "(d_normed - along_mean - along_sigma)", "(d_normed - along_mean)"),
    Edit(
        "norm_unbiased_variance",
        "normed * (d_normed * normed).mean(axis=1, keepdims=True)",
        "normed * (d_normed * normed).sum(axis=1, keepdims=True) / (normed.shape[1] - 1)",
    ),
    Edit("transposed", '"ni,nj->ij", x, d_z', '"ni,nj->ji", x, d_z', "square"),
    Edit("transposed", '"nj,ij->ni", d_z', '"nj,ji->ni", d_z', "square"),
    Edit(
        "swapped",
        "return Block(d_kernel, d_bias, d_scale, d_shift)",
        "return Block(d_kernel, d_bias, d_shift, d_scale)",
        "in both blocks",
    ),
    Edit(
        "swapped",
        "return loss, (first_grads, second_grads, head_grads)",
        "return loss, (second_grads, first_grads, head_grads)",
    ),
    Edit("derivative_missing", "d_affine = upstream * (1 - out * out)", "d_affine = upstream"),
    Edit("derivative_at_activation", "(1 - out * out)", "(1 - np.tanh(out) ** 2)"),
    Edit("derivative_of_another", "(1 - out * out)", "out * (1 - out)", "the sigmoid's"),
    Edit("bias_averaged", 'd_shift = np.einsum("ij->j", d_affine)', 'd_shift = np.einsum("ij->j", d_affine) / len(x)'),
    Edit(
        "wrong_reduction",
        "d_out = 2 * error / len(x)",
        "d_out = 2 * error / error.size",
        "the mean over both outputs; with two of them that is the half",
        also=("halved",),
    ),
    Edit("cache_of_another_layer", "backward(second, h1, h2,", "backward(second, x, h2,"),
    Edit("cache_of_another_layer", "normed2, sigma2, d_out", "normed1, sigma1, d_out"),
    Edit(
        "missing",
        "return Block(d_kernel, d_bias, d_scale, d_shift)",
        "return Block(d_kernel, d_bias, np.zeros_like(d_scale), d_shift)",
    ),
    Edit("norm_scale_missing", "d_normed = d_affine * block.scale", "d_normed = d_affine", "γ forgotten"),
    Edit(
        "norm_scale_missing", "(d_normed - along_mean - along_sigma) / sigma", "(d_normed - along_mean - along_sigma)"
    ),
    Edit(
        "norm_scale_gradient", '"ij,ij->j", d_affine, normed', '"ij,ij->j", d_affine, out', "the block's output for ẑ"
    ),
    Edit("weights_missing", 'np.einsum("nj,ij->ni", d_z, block.kernel)', "d_z", "square"),
)
