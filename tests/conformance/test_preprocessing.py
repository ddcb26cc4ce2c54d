"""Every registered preprocessing step keeps its promises, and the checker finds those that do not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.factories import write_picture

from gandlf_synth import registry
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.base import Transform
from gandlf_synth.errors import ConfigError, PluginError
from gandlf_synth.registry import register
from gandlf_synth.testing import check_preprocessing

PARAMETERS: dict[str, dict[str, object] | list[int]] = {
    "normalize_by_val": {"mean": [3], "std": [2.0]},
    "rescale": {"percentiles": [1, 99], "out_min_max": [-1, 1]},
    "clip": {"min": 105, "max": 150},
    "clamp": {"max": 130},
    "threshold": {"min": 20, "max": 180},
    "resize": [9, 5, 7],
    "resample": {"resolution": [1.5, 1.8, 2]},
    "resample_minimum": {"resolution": 1.4},
    "resize_and_pad": [9, 9, 9],
    "crop_or_pad": [9, 14, 8],
    "crop": [1, 0, 1],
    "centercrop": [4, 5, 4],
}
TARGETED = {"histogram_matching", "stain_normalizer"}
PICTURES = {"stain_normalizer": 3, "normalize_imagenet": 3, "rgb2rgba": 3, "rgbtorgba": 3, "rgb_to_rgba": 3,
            "rgba2rgb": 4, "rgbatorgb": 4, "rgba_to_rgb": 4}  # fmt: skip
"""The channels of the images that a step takes, where it does not take any."""


def parameters_of(name: str, spatial_dims: int, folder: Path) -> object:
    if name in TARGETED:
        rng = np.random.default_rng(1)
        size = (*(20, 18)[:2], 3) if name in PICTURES else (20, 18)
        return {"target": str(write_picture(folder / "target.png", rng.integers(90, 200, size).astype(np.uint8)))}
    written = PARAMETERS.get(name)
    if isinstance(written, list):
        return written[:spatial_dims]
    if isinstance(written, dict):
        return {key: value[:spatial_dims] if key == "resolution" and isinstance(value, list) else value
                for key, value in written.items()}  # fmt: skip
    return None


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("name", registry.names("preprocessing"))
def test_preprocessing_keeps_its_promises(name: str, spatial_dims: int, tmp_path: Path) -> None:
    if name == "stain_normalizer" and spatial_dims == 3:
        pytest.skip("stains are of pictures")
    parameters = parameters_of(name, spatial_dims, tmp_path)

    check_preprocessing(name, parameters, spatial_dims=spatial_dims, num_channels=PICTURES.get(name, 1))


class Shifted(Transform):
    """Leaves the first slice out, and says nothing of it."""

    def __call__(self, image: Image) -> Image:
        array = image.array[:, 2:]
        array += 1
        return replace(image, array=array, geometry=replace(image.geometry, shape=array.shape[1:]))


class Doubled(Transform):
    """Doubles the values and halves them on record."""

    def __call__(self, image: Image) -> Image:
        return replace(image, array=image.array * 2, scale=image.scale * 0.5)


def test_broken_promises_are_named(plugins: None) -> None:
    register("preprocessing", "shifted")(Shifted)
    register("preprocessing", "doubled")(Doubled)

    with pytest.raises(PluginError) as error:
        check_preprocessing("shifted")
    assert "preprocessing.shifted, 3D: breaks a promise" in str(error.value)
    assert "on another grid, the geometry says where the voxels lie; it gives values 3" in str(error.value)
    assert "the same image gives the same result, and is not changed; it gives a changed original" in str(error.value)
    assert "the mask lies on the grid of the image, with labels that were there before" in str(error.value)

    with pytest.raises(PluginError, match="scale and offset lead back to the values in the file"):
        check_preprocessing("doubled")


def test_a_wrong_parameter_is_no_broken_promise() -> None:
    with pytest.raises(ConfigError, match=r"check of preprocessing\.resize: resize: 'wide' is not valid"):
        check_preprocessing("resize", "wide")
