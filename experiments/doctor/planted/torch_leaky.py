"""Mistakes in 14-10-6-4 with leaky ReLU, in PyTorch."""

from doctor.edit import Edit

ONE_HOT = "    g = g - torch.nn.functional.one_hot(y, logits.shape[1]).to(g.dtype)\n"

EDITS = (
    Edit(
        "wrong_reduction",
        "    g = g - torch",
        "    g = g / len(y)\n    g = g - 1 / len(y) * torch",
        "the mean's gradient where the loss is a sum: 1/N too much",
        also=("extra_mean",),
    ),
    Edit(
        "penalty_missing",
        'grads["fc3.weight"] = g.T @ a2 + DECAY * params["fc3.weight"]',
        'grads["fc3.weight"] = g.T @ a2',
        "of the last layer",
    ),
    Edit("penalty_doubled", "g.T @ a1 + DECAY * params", "g.T @ a1 + 2 * DECAY * params"),
    Edit("penalty_halved", "g.T @ x + DECAY * params", "g.T @ x + DECAY / 2 * params"),
    Edit(
        "penalty_on_biases",
        'grads["fc3.bias"] = g.sum(dim=0)',
        'grads["fc3.bias"] = g.sum(dim=0) + DECAY * params["fc3.bias"]',
    ),
    Edit(
        "derivative_of_another", "g = torch.where(z2 > 0, g, SLOPE * g)", "g = torch.where(z2 > 0, g, 0 * g)", "ReLU's"
    ),
    Edit(
        "derivative_of_another",
        "g = torch.where(z1 > 0, g, SLOPE * g)",
        "g = torch.where(z1 > 0, g, 0.01 * g)",
        "the slope that is PyTorch's default",
    ),
    Edit("derivative_missing", "    g = torch.where(z1 > 0, g, SLOPE * g)\n", ""),
    Edit("label_off_by_one", "one_hot(y, logits.shape[1])", "one_hot((y + 1) % 4, logits.shape[1])"),
    Edit(
        "loss_gradient",
        ONE_HOT,
        "    g = g * (g - torch.nn.functional.one_hot(y, logits.shape[1]).to(g.dtype))\n",
        "p (p − e_y): times p, half of a softmax's Jacobian",
        also=("softmax_off_diagonal",),
    ),
    Edit(
        "one_row",
        'grads["fc2.bias"] = g.sum(dim=0)',
        'grads["fc2.bias"] = g[:-1].sum(dim=0)',
        "a bias that does not have all rows",
        also=("bias_not_summed",),
    ),
    Edit("factor", 'grads["fc1.bias"] = g.sum(dim=0)', 'grads["fc1.bias"] = 0.01 * g.sum(dim=0)', "the learning rate"),
    Edit("penalty_factor", "g.T @ a1 + DECAY * params", "g.T @ a1 + DECAY / len(y) * params"),
)
