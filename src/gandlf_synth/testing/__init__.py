"""What every component promises, checked; for the authors of plugins as for our own tests."""

from gandlf_synth.testing.models import check_model, synthetic_data, synthetic_spec

__all__ = ["check_model", "synthetic_data", "synthetic_spec"]
