"""Results as figures. The only room that imports matplotlib, and only when something is drawn."""

from fcnet.plots.activations import activation, activation_gallery
from fcnet.plots.errors import error_map
from fcnet.plots.functions import decision_surfaces, line_fit
from fcnet.plots.sweep_axes import Colours, SweepAxis
from fcnet.plots.sweep_curves import LINES, SettingCurves, sweep_curves
from fcnet.plots.sweep_heatmap import score_line, score_map
from fcnet.plots.sweep_parallel import parallel
from fcnet.plots.training import MOST_NUMBERS, confusion, curves, predicted_against_true

__all__ = [
    "LINES",
    "MOST_NUMBERS",
    "Colours",
    "SettingCurves",
    "SweepAxis",
    "activation",
    "activation_gallery",
    "confusion",
    "curves",
    "decision_surfaces",
    "error_map",
    "line_fit",
    "parallel",
    "predicted_against_true",
    "score_line",
    "score_map",
    "sweep_curves",
]
