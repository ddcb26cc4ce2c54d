"""Every registered model family keeps every promise, in 2D and 3D, with and without labels."""

import pytest

from gandlf_synth import registry
from gandlf_synth.testing import check_model

QUICK = {(2, "custom"), (3, "unlabeled")}
"""Each of the dimensions and both with and without labels; the other combinations are slow tests."""
CASES = [
    pytest.param(dims, paradigm, marks=[] if (dims, paradigm) in QUICK else pytest.mark.slow)
    for dims in (2, 3)
    for paradigm in ("unlabeled", "patient", "custom")
]


@pytest.mark.parametrize(("spatial_dims", "paradigm"), CASES)
@pytest.mark.parametrize("name", registry.names("models"))
def test_model_keeps_its_promises(name: str, spatial_dims: int, paradigm: str) -> None:
    if spatial_dims not in registry.load("models", name).spatial_dims:
        pytest.skip(f"{name} is not defined in {spatial_dims}D")
    check_model(name, spatial_dims=spatial_dims, paradigm=paradigm, num_channels=2)
