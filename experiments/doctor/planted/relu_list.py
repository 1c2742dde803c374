"""Mistakes in 20-32-16-12-5 with ReLU and an L2 penalty."""

from doctor.edit import Edit

MASK = "delta = (delta @ W.T) * (zs[i - 1] > 0)"
KERNEL = "dW = activations[i].T @ delta + REG * W"

EDITS = (
    Edit("penalty_missing", KERNEL, "dW = activations[i].T @ delta"),
    Edit("penalty_missing", KERNEL, "dW = activations[i].T @ delta + (REG * W if i > 0 else 0)", "not the first layer"),
    Edit("penalty_doubled", KERNEL, "dW = activations[i].T @ delta + 2 * REG * W", "the ½ forgotten"),
    Edit("penalty_halved", KERNEL, "dW = activations[i].T @ delta + 0.5 * REG * W", "the ½ kept"),
    Edit("penalty_on_biases", "db = delta.sum(axis=0)", "db = delta.sum(axis=0) + REG * b"),
    Edit("derivative_missing", MASK, "delta = delta @ W.T", "in every layer"),
    Edit("derivative_missing", MASK, "delta = (delta @ W.T) * (zs[i - 1] > 0 if i != 2 else 1)", "of one layer"),
    Edit("derivative_of_another", MASK, "delta = (delta @ W.T) * np.where(zs[i - 1] > 0, 1, 0.1)", "leaky ReLU's"),
    Edit("derivative_of_another", MASK, "delta = (delta @ W.T) * activations[i]", "f in the place of f′"),
    Edit(
        "derivative_of_another",
        MASK,
        "delta = np.maximum(delta @ W.T, 0)",
        "ReLU of the delta: no f′ of z is in it, so that f′ is missing; it is f′ taken at δ, for relu(δ) = δ f′(δ)",
        also=("derivative_missing", "derivative_at_activation"),
    ),
    Edit("one_class", "delta[rows, y] -= 1", "delta[rows[y > 0], y[y > 0]] -= 1", "class 0 taken for padding"),
    Edit("label_off_by_one", "delta[rows, y] -= 1", "delta[rows, (y + 1) % 5] -= 1"),
    Edit("bias_averaged", "db = delta.sum(axis=0)", "db = delta.mean(axis=0)", "in every layer"),
    Edit("bias_not_summed", "db = delta.sum(axis=0)", "db = delta[0]", "in every layer"),
    Edit("missing", "grads.insert(0, (dW, db))", "grads.insert(0, (dW if i != 1 else np.zeros_like(W), db))"),
    Edit("swapped", "grads.insert(0, (dW, db))", "grads.append((dW, db))", "last layer first: shapes are wrong"),
    Edit("doubled", "delta /= len(y)", "delta *= 2 / len(y)", "the 2 of a square"),
    Edit(
        "missing_mean",
        "    delta /= len(y)\n",
        "",
        "but the penalty is right; this is what the sum reduction gives",
        also=("wrong_reduction",),
    ),
    Edit("extra_mean", "delta /= len(y)", "delta /= len(y) ** 2"),
    Edit("sign", "grads.insert(0, (dW, db))", "grads.insert(0, (-dW, -db))", "the step instead of the gradient"),
    Edit("updated_weights", "delta = (delta @ W.T)", "delta = (delta @ (W - 0.2 * dW).T)"),
    Edit("one_row", "delta /= len(y)", "delta /= len(y)\n    delta[-1] = 0", "the last row is left out"),
    Edit(
        "clipped",
        KERNEL,
        "dW = np.clip(activations[i].T @ delta, -0.15, 0.15) + REG * W",
        "clipped inside the gradient",
    ),
    Edit("penalty_factor", KERNEL, "dW = activations[i].T @ delta + REG * W / len(y)", "the penalty averaged, too"),
)
