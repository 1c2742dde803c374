"""Mistakes in 8-16-16-2 with sigmoids, in columns."""

from doctor.edit import Edit

HALF_SUM = "the squared error over m, without the ½: twice the gradient"

EDITS = (
    Edit("doubled", "dZ3 = Z3 - Y", "dZ3 = 2 * (Z3 - Y)", HALF_SUM),
    Edit("halved", "dZ3 = Z3 - Y", "dZ3 = (Z3 - Y) / 2", "the ½ of the cost kept"),
    Edit("sign", "dZ3 = Z3 - Y", "dZ3 = Y - Z3"),
    Edit("missing_mean", "dW1 = 1 / m * dZ1 @ X.T", "dW1 = dZ1 @ X.T"),
    Edit("missing_mean", "db2 = 1 / m * np.sum", "db2 = np.sum"),
    Edit("extra_mean", "dA2 = W3.T @ dZ3", "dA2 = 1 / m * W3.T @ dZ3", "in the delta and again in the gradients"),
    Edit(
        "bias_averaged",
        "db3 = 1 / m * np.sum",
        "db3 = 1 / m * np.mean",
        "a mean of what is divided by m already, which is 1/m once too often",
        also=("extra_mean",),
    ),
    Edit(
        "bias_not_summed",
        "db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)",
        "db1 = 1 / m * dZ1",
        "one column for each example: the shape is wrong",
    ),
    Edit("bias_not_summed", "db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)", "db1 = 1 / m * dZ1[:, :1]"),
    Edit("derivative_missing", "dZ2 = dA2 * A2 * (1 - A2)", "dZ2 = dA2"),
    Edit("derivative_missing", "dZ1 = dA1 * A1 * (1 - A1)", "dZ1 = dA1"),
    Edit("derivative_at_activation", "dA2 * A2 * (1 - A2)", "dA2 * sigmoid(A2) * (1 - sigmoid(A2))"),
    Edit("derivative_at_activation", "dA1 * A1 * (1 - A1)", "dA1 * sigmoid(A1) * (1 - sigmoid(A1))"),
    Edit("derivative_of_another", "dA2 * A2 * (1 - A2)", "dA2 * (1 - A2**2)", "tanh's"),
    Edit("derivative_of_another", "dA1 * A1 * (1 - A1)", "dA1 * A1", "(1 − a) forgotten"),
    Edit("cache_of_another_layer", "dA2 * A2 * (1 - A2)", "dA2 * A1 * (1 - A1)", "copied from the layer below"),
    Edit("cache_of_another_layer", "dW2 = 1 / m * dZ2 @ A1.T", "dW2 = 1 / m * dZ2 @ A2.T"),
    Edit("transposed", "dW2 = 1 / m * dZ2 @ A1.T", "dW2 = 1 / m * A1 @ dZ2.T", "square, so that nothing complains"),
    Edit("transposed", "dA1 = W2.T @ dZ2", "dA1 = W2 @ dZ2", "likewise"),
    Edit("transposed", "dW3 = 1 / m * dZ3 @ A2.T", "dW3 = 1 / m * A2 @ dZ3.T", "(16, 2): the shape is wrong"),
    Edit("swapped", '"b1": db1, "W2": dW2, "b2": db2', '"b1": db2, "W2": dW2, "b2": db1'),
    Edit("updated_weights", "    dA1 = W2.T @ dZ2\n", "    W2 = W2 - 0.3 * dW2\n    dA1 = W2.T @ dZ2\n"),
    Edit("missing", '"W3": dW3, "b3": db3}', '"W3": np.zeros_like(W3), "b3": db3}'),
    Edit("factor", "dA2 = W3.T @ dZ3", "dA2 = 0.01 * W3.T @ dZ3", "the learning rate, in the delta"),
    Edit(
        "one_class", "dZ3 = Z3 - Y", "dZ3 = Z3 - Y\n    dZ3 = dZ3 * np.array([[1], [0]], dtype=dZ3.dtype)", "one output"
    ),
    Edit("weights_missing", "dA1 = W2.T @ dZ2", "dA1 = dZ2", "square"),
    Edit("weights_missing", "dA1 = W2.T @ dZ2", "dA1 = np.ones_like(W2) @ dZ2", "W left out of the product"),
)
