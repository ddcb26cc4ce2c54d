"""The page that shows an evaluation: one file, no network."""

from gandlf_synth.evaluation.report.markdown import markdown
from gandlf_synth.evaluation.report.page import page

__all__ = ["markdown", "page"]
