"""Every preprocessing step records how to get back to the files' values, whatever the image."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.factories import write_picture

from gandlf_synth import registry
from gandlf_synth.config import Step
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.pipeline import make_transform
from gandlf_synth.geometry import Geometry

LINEAR = {
    "normalize": None,
    "normalize_standardize": None,
    "normalize_positive": None,
    "normalize_nonzero": None,
    "normalize_by_val": {"mean": [3, 4, 5], "std": [2.0, 5.0, 9.0]},
    "normalize_div_by_255": None,
    "normalize_imagenet": None,
}
"""Every voxel goes back to its value in the file."""
CLIPPING = {
    "rescale": {"percentiles": [1, 99], "out_min_max": [-1, 1]},
    "normalize_nonzero_masked": None,
    "clip": {"min": 5, "max": 150},
    "clamp": {"max": 100},
    "threshold": {"min": 20, "max": 180},
}
"""What is not cut off goes back to its value in the file."""
SPATIAL = {
    "to_canonical": None,
    "resize": [9, 5, 7],
    "resample": {"resolution": [1.5, 0.8, 2]},
    "resample_minimum": {"resolution": 1.4},
    "resample_min": None,
    "resize_and_pad": [9, 9, 9],
    "crop_or_pad": [9, 4, 8],
    "crop": [1, 0, 1],
    "centercrop": [4, 4, 4],
    "crop_external_zero_planes": None,
}
"""Values stay in the units of the file, and within the range of the image."""
CHANNELS = {"rgba2rgb", "rgbatorgb", "rgba_to_rgb", "rgb2rgba", "rgbtorgba", "rgb_to_rgba"}
TARGETED = {"histogram_matching", "stain_normalizer"}


def image_of(seed: int, spread: float) -> Image:
    rng = np.random.default_rng(seed)
    shape = tuple(int(size) for size in rng.integers(5, 9, 3))
    array = (rng.random((3, *shape)) ** 2 * spread).astype(np.float32)
    array[:, 0] = 0
    affine = np.diag([*rng.uniform(0.5, 2, 3), 1]) @ np.diag(rng.choice([-1, 1], 4) * [1, 1, 1, 0] + [0, 0, 0, 1])
    return Image.from_file_values(array, Geometry(shape, affine))


def restored(image: Image) -> np.ndarray:
    axes = (slice(None), *(None,) * (image.array.ndim - 1))
    return (image.array.astype(float) - image.offset[axes]) / image.scale[axes]


def apply(name: str, image: Image, parameters: object = None) -> Image:
    return make_transform(Step(name=name, parameters=parameters))(image)


images = {"seed": st.integers(0, 10_000), "spread": st.sampled_from([1e-3, 1.0, 255.0, 3000.0, 1e6])}


def test_every_step_is_here() -> None:
    known = {*LINEAR, *CLIPPING, *SPATIAL, *CHANNELS, *TARGETED}
    assert known == {name for name in registry.names("preprocessing") if not name.startswith("gandlf:")}


@pytest.mark.parametrize("name", LINEAR)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(**images)
def test_linear_steps_go_back(name: str, seed: int, spread: float) -> None:
    image = image_of(seed, spread)

    assert np.allclose(restored(apply(name, image, LINEAR[name])), image.array, atol=1e-4 * spread + 1e-3, rtol=1e-4)


@pytest.mark.parametrize("name", CLIPPING)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(**images)
def test_what_is_not_cut_off_goes_back(name: str, seed: int, spread: float) -> None:
    image = image_of(seed, spread)
    changed = apply(name, image, CLIPPING[name])
    ends = changed.array.min(axis=(1, 2, 3), keepdims=True), changed.array.max(axis=(1, 2, 3), keepdims=True)
    kept = (changed.array > ends[0]) & (changed.array < ends[1]) & (changed.array != 0)

    assert np.allclose(restored(changed)[kept], image.array[kept], atol=1e-4 * spread, rtol=1e-3)


@pytest.mark.parametrize("name", SPATIAL)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(**images)
def test_spatial_steps_keep_units_and_range(name: str, seed: int, spread: float) -> None:
    image = image_of(seed, spread)
    if name == "centercrop":
        image = apply("resize", image, [8, 8, 8])

    changed = apply(name, image, SPATIAL[name])

    assert (changed.scale == 1).all()
    assert (changed.offset == 0).all()
    assert changed.array.min() >= image.array.min() - 1e-6 * spread
    assert changed.array.max() <= image.array.max() + 1e-6 * spread


@settings(max_examples=20, deadline=None, derandomize=True)
@given(**images)
def test_a_chain_goes_back(seed: int, spread: float) -> None:
    image = image_of(seed, spread)
    changed = apply("normalize_div_by_255", apply("normalize", apply("to_canonical", image)))

    assert np.allclose(restored(changed), apply("to_canonical", image).array, atol=1e-3 * spread)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=images["seed"])
def test_channels_come_and_go(seed: int) -> None:
    image = image_of(seed, 200.0)

    assert np.allclose(apply("rgba2rgb", apply("rgb2rgba", image)).array, image.array, atol=1e-3)


@pytest.mark.parametrize("parameters", ["histogram_matching", "stain_normalizer"])
def test_matched_values_are_file_values(tmp_path: Path, parameters: str) -> None:
    rng = np.random.default_rng(0)
    target = write_picture(tmp_path / "t.png", rng.integers(60, 220, (20, 20, 3), dtype=np.uint8))
    picture = Image.from_file_values(rng.integers(20, 250, (3, 12, 12), dtype=np.uint8), Geometry((12, 12)))

    changed = apply(parameters, picture, str(target))

    assert (changed.scale == 1).all()
    assert 0 <= changed.array.min() <= changed.array.max() <= 255
