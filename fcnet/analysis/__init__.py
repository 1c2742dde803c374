"""What can be said about a trained network afterwards."""

from fcnet.analysis.report import Interval, PartReport, report

__all__ = ["Interval", "PartReport", "report"]
