"""The mistakes that people make in backpropagation, each with the line of the derivation it belongs to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    ``title``: what was done, as a person would say it. ``derivation``: the line that should have been followed.
    ``hint``: where to look, without giving the answer away.
    """

    name: str
    title: str
    derivation: str
    hint: str


_DELTA = "δ⁽ˡ⁾ = f′(z⁽ˡ⁾) ⊙ (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾)"
_KERNEL = "∂L/∂W⁽ˡ⁾ = δ⁽ˡ⁾ a⁽ˡ⁻¹⁾ᵀ, summed over the batch"
_BIAS = "∂L/∂b⁽ˡ⁾ = Σᵢ δᵢ⁽ˡ⁾ over the rows i of the batch"
_MEAN = "L = 1/N Σᵢ ℓᵢ, so δ⁽ᴸ⁾ carries 1/N, once"
_REDUCTION = "∂L/∂ℓᵢⱼ is the factor that ℓᵢⱼ has in L: 1/N for a mean over rows, 1/(N K) over all terms, 1 for a sum"
_PENALTY = "∂(½ λ Σ W²)/∂W = λ W and ∂(λ Σ|W|)/∂W = λ sign(W), at what the penalty touches and nowhere else"
_SOFTMAX = "∂aⱼ/∂zₖ = aⱼ (δⱼₖ − aₖ)"
_NORM = "δz = (g − mean(g) − ẑ mean(g ẑ))/s, g = γ δ, s = √(σ² + ε), σ² divided by n"
_GAMMA = "∂L/∂γ = Σᵢ δᵢ ẑᵢ and ∂L/∂β = Σᵢ δᵢ over the rows i, δ in front of γ"
_HALF = "the derivative of ½ (z − y)² is z − y, that of (z − y)² is 2 (z − y)"
_DROPOUT = "a = m ⊙ f(z)/(1−p), so ∂L/∂f(z) = m ⊙ ∂L/∂a/(1−p), with the same mask m"

MISTAKES = {
    mistake.name: mistake
    for mistake in (
        Mistake(
            "sign",
            "the sign is turned",
            "∂L/∂θ has no minus of its own: the minus belongs to the step θ ← θ − η ∂L/∂θ",
            "would a small step along this gradient make the loss grow?",
        ),
        Mistake("missing_mean", "1/N is missing", _MEAN, "what does the loss divide by, and what does its derivative?"),
        Mistake("extra_mean", "divided by N once too often", _MEAN, "on the way back, how often does N come up?"),
        Mistake("doubled", "twice too large", _HALF, "does every constant of the derivative belong to this loss?"),
        Mistake("halved", "half of what it should be", _HALF, "does every constant of the loss come down with it?"),
        Mistake(
            "factor",
            "a constant factor off",
            "∂(c L)/∂θ = c ∂L/∂θ: every constant of the loss is in its gradient, once",
            "the direction is right: what about the length?",
        ),
        Mistake(
            "bias_averaged",
            "the bias gradient is a mean instead of a sum",
            _BIAS,
            "the bias meets every row: how do their shares come together?",
        ),
        Mistake(
            "bias_not_summed",
            "the bias gradient is not summed over the batch",
            _BIAS,
            "the bias meets every row: is every row's share in it, and over which axis?",
        ),
        Mistake("missing", "all zeros: it is never filled in", _KERNEL, "follow this tensor: where is it assigned?"),
        Mistake("transposed", "transposed", _KERNEL, "write the shapes beside each factor: do only the shapes fit?"),
        Mistake("derivative_missing", "f′ is missing", _DELTA, "write down the chain from a to z: is each link there?"),
        Mistake(
            "derivative_at_activation",
            "f′ is taken at another value than z",
            _DELTA,
            "which quantity does the derivative's formula expect?",
        ),
        Mistake(
            "derivative_of_another",
            "f′ is not the derivative of this f",
            _DELTA,
            "differentiate the activation of the forward pass on paper",
        ),
        Mistake(
            "cache_of_another_layer",
            "a value of another layer or step is used",
            _KERNEL,
            "which remembered value belongs into each product?",
        ),
        Mistake(
            "updated_weights",
            "the weights are updated before they are used",
            _DELTA,
            "are these the parameters at which the loss was computed?",
        ),
        Mistake(
            "weights_missing",
            "δ does not go through the weights",
            _DELTA,
            "what stands between two layers in the forward pass?",
        ),
        Mistake("dropout_mask_missing", "the dropout mask is missing", _DROPOUT, "what did the forward pass drop?"),
        Mistake("dropout_scale_missing", "dropout's 1/(1−p) is missing", _DROPOUT, "what happens to units that stay?"),
        Mistake(
            "norm_mean_path",
            "the path through the mean is missing",
            _NORM,
            "through which quantities does one z reach all outputs?",
        ),
        Mistake(
            "norm_variance_path",
            "the path through the variance is missing",
            _NORM,
            "through which quantities does one z reach all outputs?",
        ),
        Mistake(
            "norm_unbiased_variance",
            "n − 1 instead of n in the variance",
            _NORM,
            "is it the same variance forward and backward?",
        ),
        Mistake("norm_scale_missing", "γ or 1/s is missing", _NORM, "what multiplies ẑ, and what divided z?"),
        Mistake("norm_scale_gradient", "∂L/∂γ has another value than ẑ", _GAMMA, "what does γ multiply?"),
        Mistake(
            "softmax_off_diagonal",
            "the softmax Jacobian has its diagonal alone",
            _SOFTMAX,
            "does one logit change one probability, or more?",
        ),
        Mistake(
            "label_off_by_one",
            "the labels are off by one",
            "∂ℓ/∂z = softmax(z) − e_y",
            "compare a label in the loss with the entry that it reaches in the gradient",
        ),
        Mistake(
            "smoothing_ignored",
            "label smoothing is ignored, or another than the loss's",
            "∂ℓ/∂z = softmax(z) − ỹ, ỹ = (1 − ε) y + ε/K",
            "are the targets the same on the way there and back?",
        ),
        Mistake("penalty_missing", "the penalty's gradient is missing", _PENALTY, "is each summand of L derived?"),
        Mistake("penalty_doubled", "the penalty's gradient is doubled", _PENALTY, "which constants has the penalty?"),
        Mistake("penalty_halved", "the penalty's gradient is halved", _PENALTY, "which constants has the penalty?"),
        Mistake("penalty_factor", "the penalty's gradient has another λ", _PENALTY, "which constants has the penalty?"),
        Mistake(
            "penalty_not_in_loss",
            "there is a penalty's gradient, but no penalty in the loss",
            _PENALTY,
            "is every term of the gradient the derivative of a term of the loss?",
        ),
        Mistake(
            "penalty_on_biases", "biases have a penalty's gradient", _PENALTY, "which tensors are in the penalty's sum?"
        ),
        Mistake(
            "wrong_reduction",
            "the loss gradient is right for another reduction",
            _REDUCTION,
            "count the terms that the loss adds up, and what it divides by",
        ),
        Mistake(
            "loss_gradient",
            "the gradient is of another loss",
            "δ⁽ᴸ⁾ = ∂ℓ/∂z⁽ᴸ⁾ of the ℓ that is returned",
            "differentiate the loss that is returned on paper, for one row",
        ),
        Mistake(
            "stale",
            "it remembers an earlier call",
            "∂L/∂θ is taken at these parameters and this batch, and starts from 0",
            "call it twice, with other parameters in between: what is kept?",
        ),
        Mistake(
            "swapped",
            "tensors have each other's gradients",
            "each ∂L/∂θ stands under its own θ",
            "follow each gradient from where it is computed to its name",
        ),
        Mistake(
            "clipped", "entries are cut off at a limit", "∂L/∂θ is not bounded", "what bounds the largest entries?"
        ),
        Mistake(
            "one_class",
            "one class (column) is wrong",
            "∂ℓ/∂zₖ follows one formula for every class k",
            "is every class treated alike, the first and the last too?",
        ),
        Mistake(
            "one_row",
            "one row of the batch is wrong or left out",
            _KERNEL,
            "is every row of the batch treated alike, the first and the last too?",
        ),
        Mistake(
            "one_entry",
            "single entries are wrong",
            "every entry of ∂L/∂θ follows one formula",
            "print the wrong entries: what do their places have in common?",
        ),
    )
}
