"""What may be wrong with a data set beyond what stops a run: one file per kind of check."""

from gandlf_synth.data.inspection.duplicates import duplicates
from gandlf_synth.data.inspection.finding import Finding, Severity, findings_of
from gandlf_synth.data.inspection.images import constant_images
from gandlf_synth.data.inspection.outliers import outliers
from gandlf_synth.data.inspection.sets import imbalance

__all__ = ["Finding", "Severity", "constant_images", "duplicates", "findings_of", "imbalance", "outliers"]
