"""Mistakes in 6-13-13-5 with layers as objects."""

from doctor.edit import Edit

EDITS = (
    Edit(
        "stale", "        self.x = x\n", "        if self.x is None:\n            self.x = x\n", "inputs kept only once"
    ),
    Edit("stale", "        self.z = z\n", "        if self.z is None:\n            self.z = z\n"),
    Edit("stale", "        self.w = w\n", '        self.w = getattr(self, "w", w)\n', "the first call's weights"),
    Edit(
        "stale",
        "        self.dw = self.x.T @ grad\n",
        "        self.dw = self.dw + self.x.T @ grad\n",
        "added up over calls: nothing sets it to 0",
    ),
    Edit(
        "stale",
        "    grad = three.backward(criterion.backward())\n",
        "    late = getattr(criterion, 'late', criterion.backward())\n"
        "    criterion.late = criterion.backward()\n"
        "    grad = three.backward(late)\n",
        "one call late",
    ),
    Edit(
        "missing", "        self.db = np.sum(grad, axis=0)\n", "        self.db = np.zeros(grad.shape[1], grad.dtype)\n"
    ),
    Edit(
        "derivative_missing",
        "        return grad * (0.5 * (1 + t)",
        "        return grad\n        return grad * (0.5 * (1 + t)",
    ),
    Edit("derivative_of_another", "+ 0.5 * z * (1 - t**2) * inner", "", "Φ(z) alone"),
    Edit("derivative_of_another", "inner = self.C * (1 + 3 * 0.044715 * z**2)", "inner = self.C", "the cube forgotten"),
    Edit(
        "derivative_at_activation",
        "        z = self.z\n        t =",
        "        z = 0.5 * self.z * (1 + np.tanh(self.C * (self.z + 0.044715 * self.z**3)))\n        t =",
    ),
    Edit(
        "cache_of_another_layer",
        "grad = two.backward(gelu_two.backward(grad))",
        "grad = two.backward(gelu_one.backward(grad))",
        "the wrong object",
    ),
    Edit(
        "transposed",
        "return grad @ self.w.T",
        "return grad @ (self.w if len(self.w) == self.w.shape[1] else self.w.T)",
        "where square",
    ),
    Edit("label_off_by_one", "[self.y]\n", "[self.y - 1]\n"),
    Edit(
        "one_row",
        "        targets = np.eye(",
        "        self.y = np.append(self.y[:-1], 0)\n        targets = np.eye(",
        "the last label is lost",
    ),
    Edit(
        "swapped",
        '"one": (one.dw, one.db), "two": (two.dw, two.db)',
        '"one": (one.dw, two.db), "two": (two.dw, one.db)',
    ),
    Edit(
        "one_entry",
        "self.db = np.sum(grad, axis=0)",
        "self.db = np.sum(grad, axis=0)\n        self.db[0] = 0",
        "left from debugging; one entry of a bias is one column",
        also=("one_class",),
    ),
    Edit(
        "factor",
        "return (self.probs - targets) / len(self.y)",
        "return (self.probs - targets) / 50",
        "the batch size of another experiment",
    ),
    Edit("updated_weights", "        return grad @ self.w.T\n", "        return grad @ (self.w - 0.1 * self.dw).T\n"),
    Edit("penalty_not_in_loss", "self.dw = self.x.T @ grad", "self.dw = self.x.T @ grad + 0.05 * self.w"),
    Edit("clipped", "self.dw = self.x.T @ grad", "self.dw = np.clip(self.x.T @ grad, -0.02, 0.02)"),
)
