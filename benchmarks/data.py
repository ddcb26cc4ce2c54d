"""Where the real data sets of the benchmarks lie, if they do."""

import os
from pathlib import Path

SHARED = Path(os.environ.get("GANDLF_SYNTH_DATA", Path(__file__).parents[2] / "shared" / "data"))
"""One folder per data set; without it the benchmarks use generated images or those of packages, and say so."""
