"""What may be wrong with a data set beyond what stops a run: one file per kind of check."""

from gandlf_synth.data.checks.duplicates import duplicates
from gandlf_synth.data.checks.finding import Finding, Severity, findings_of
from gandlf_synth.data.checks.images import constant_images
from gandlf_synth.data.checks.outliers import outliers
from gandlf_synth.data.checks.sets import imbalance

__all__ = ["Finding", "Severity", "constant_images", "duplicates", "findings_of", "imbalance", "outliers"]
