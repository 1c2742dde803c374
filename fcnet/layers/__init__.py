"""What a layer is made of beside its products and its activation: norms and kinds of dropout.

``norms``: batch, layer, group and instance norm with their backward passes. ``dropout``: what is done with a mask.
"""

from fcnet.catalogue import Entry, table
from fcnet.layers import norms
from fcnet.layers.dropout import DROPOUTS, Dropout
from fcnet.layers.norms import NORMS, Norm

__all__ = ["DROPOUTS", "LAYERS", "NORMS", "Dropout", "Norm", "norms"]
LAYERS: dict[str, Entry] = {
    **table(
        Entry(
            name="dense",
            formula="z = a W + b",
            derivative_formula="∂L/∂W = aᵀ δ, ∂L/∂b = Σ δ over the rows, ∂L/∂a = δ Wᵀ",
            source="the lectures, whose W is our kernel's transpose",
            torch="torch.nn.Linear",
        )
    ),
    **NORMS,
    **DROPOUTS,
    **table(
        Entry(
            name="input_noise",
            formula="x + σ ε, ε standard normal, in training",
            derivative_formula="1",
            source="Bishop 1995, Training with noise is equivalent to Tikhonov regularization",
        ),
        Entry(
            name="hidden_noise",
            formula="a + σ ε, ε standard normal, before dropout, in training",
            derivative_formula="1",
            source="Poole et al. 2014, Analyzing noise in autoencoders and deep networks",
        ),
    ),
}
