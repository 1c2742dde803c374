"""Mistakes in 784-128-10 with tanh."""

from doctor.edit import Edit

EDITS = (
    Edit(
        "missing", "    db1 = dz1.sum(axis=0)\n", "    db1 = np.zeros_like(b1)\n", "filled in later, and then forgotten"
    ),
    Edit("bias_averaged", "db1 = dz1.sum(axis=0)", "db1 = dz1.mean(axis=0)", "the mean twice: dz2 has 1/n already"),
    Edit("bias_averaged", "db2 = dz2.sum(axis=0)", "db2 = dz2.mean(axis=0)"),
    Edit("bias_not_summed", "db1 = dz1.sum(axis=0)", "db1 = dz1[-1]", "the example that the loop stood at"),
    Edit("bias_not_summed", "db2 = dz2.sum(axis=0)", "db2 = dz2", "one row for each example: the shape is wrong"),
    Edit(
        "missing_mean",
        "    dz2 /= n\n",
        "",
        "every gradient is n times too large, which is what the sum reduction gives",
        also=("wrong_reduction",),
    ),
    Edit("extra_mean", "dW2 = a1.T @ dz2", "dW2 = a1.T @ dz2 / n", "once in dz2, once here"),
    Edit("extra_mean", "dW1 = x.T @ dz1", "dW1 = x.T @ dz1 / n"),
    Edit("sign", "    dz2 /= n\n", "    dz2 /= -n\n", "target minus output, as in the delta rule"),
    Edit("derivative_missing", "dz1 = da1 * (1 - a1**2)", "dz1 = da1"),
    Edit("derivative_at_activation", "(1 - a1**2)", "(1 - np.tanh(a1) ** 2)", "tanh′ handed a1 instead of z1"),
    Edit("derivative_of_another", "(1 - a1**2)", "(a1 * (1 - a1))", "the sigmoid's"),
    Edit("derivative_of_another", "(1 - a1**2)", "(a1 > 0)", "ReLU's"),
    Edit("label_off_by_one", "dz2[np.arange(n), y] -= 1", "dz2[np.arange(n), y - 1] -= 1", "classes counted from 1"),
    Edit("loss_gradient", "    dz2[np.arange(n), y] -= 1\n", "", "the gradient of the log-sum-exp alone"),
    Edit(
        "loss_gradient",
        "    dz2 /= n\n",
        "    dz2 = dz2 * probs * (1 - probs) / n\n",
        "times p (1 − p), a sigmoid's, which is also the diagonal of the softmax's Jacobian",
        also=("softmax_off_diagonal",),
    ),
    Edit("updated_weights", "    da1 = dz2 @ W2.T\n", "    W2 = W2 - 0.5 * dW2\n    da1 = dz2 @ W2.T\n"),
    Edit("transposed", "dW2 = a1.T @ dz2", "dW2 = dz2.T @ a1", "(10, 128): the shape is wrong"),
    Edit("one_row", "dW1 = x.T @ dz1", "dW1 = x[1:].T @ dz1[1:]", "the first image is left out"),
    Edit(
        "one_class",
        "db1 = dz1.sum(axis=0)",
        "db1 = dz1.sum(axis=0) * (np.arange(128) < 127)",
        "a loop one unit short; one column of a bias is one entry",
        also=("one_entry",),
    ),
    Edit(
        "factor",
        '"W1": dW1',
        '"W1": 0.1 * dW1',
        "the learning rate is in it; 0.1 is also what a mean over the 10 outputs gives",
        also=("wrong_reduction",),
    ),
    Edit("penalty_not_in_loss", "dW1 = x.T @ dz1", "dW1 = x.T @ dz1 + 0.01 * W1", "weight decay in the gradient"),
    Edit("clipped", "db1 = dz1.sum(axis=0)", "db1 = np.clip(dz1.sum(axis=0), -1e-3, 1e-3)"),
)
