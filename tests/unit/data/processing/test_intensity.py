"""Normalisation works per channel and can be undone."""

import numpy as np
import pytest
from pydantic import ValidationError

from gandlf_synth.config import Step
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.base import TransformError
from gandlf_synth.data.processing.pipeline import make_transform
from gandlf_synth.geometry import Geometry

LINEAR = [
    ("rescale", {"out_min_max": [-1, 1]}),
    ("normalize", None),
    ("normalize_standardize", None),
    ("normalize_positive", None),
    ("normalize_nonzero", None),
    ("normalize_by_val", {"mean": [3, 4], "std": [2.0, 5.0]}),
    ("normalize_div_by_255", None),
]


def image_of(array: np.ndarray) -> Image:
    return Image.from_file_values(array.astype(np.float32), Geometry(array.shape[1:]))


def apply(name: str, image: Image, parameters: object = None) -> Image:
    return make_transform(Step(name=name, parameters=parameters))(image)


@pytest.fixture
def faint_and_bright() -> Image:
    rng = np.random.default_rng(0)
    array = rng.uniform(0, 1, (2, 9, 8))
    array[1] *= 1e6
    array[:, :3] = 0
    return image_of(array)


@pytest.mark.parametrize(("name", "parameters"), LINEAR)
def test_the_record_of_scale_and_offset_gives_back_the_files_values(
    name: str, parameters: object, faint_and_bright: Image
) -> None:
    normalised = apply(name, apply("normalize_by_val", faint_and_bright, {"mean": 1, "std": 2}), parameters)

    axes = (slice(None), None, None)
    restored = (normalised.array - normalised.offset[axes]) / normalised.scale[axes]
    peak = faint_and_bright.array.max((1, 2), keepdims=True)
    assert np.allclose(restored / peak, faint_and_bright.array / peak, atol=1e-5)


def test_a_faint_channel_does_not_vanish_beside_a_bright_one(faint_and_bright: Image) -> None:
    for name in ("normalize", "rescale"):
        normalised = apply(name, faint_and_bright)
        assert normalised.array[0].std() == pytest.approx(normalised.array[1].std(), rel=0.1)


def test_z_scores_have_mean_0_and_deviation_1_over_the_voxels_they_name(faint_and_bright: Image) -> None:
    everywhere = apply("normalize", faint_and_bright).array
    assert np.allclose(everywhere.mean((1, 2)), 0, atol=1e-4)
    assert np.allclose(everywhere.std((1, 2)), 1, atol=1e-4)
    inside = faint_and_bright.array[0] > 0
    for name in ("normalize_positive", "normalize_nonzero", "normalize_nonzero_masked"):
        values = apply(name, faint_and_bright).array[0]
        assert values[inside].mean() == pytest.approx(0, abs=1e-4)
        assert values[inside].std() == pytest.approx(1, abs=1e-4)
    assert (apply("normalize_nonzero_masked", faint_and_bright).array[0][~inside] == 0).all()


def test_percentiles_bound_the_range_and_clip_the_rest() -> None:
    array = np.arange(1001.0)[None, :, None]

    rescaled = apply("rescale", image_of(array), {"percentiles": [10, 90], "out_min_max": [-1, 1]}).array[0, :, 0]

    assert (rescaled[:101] == -1).all()
    assert (rescaled[900:] == 1).all()
    assert rescaled[500] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", ["rescale", "normalize", "normalize_nonzero", "normalize_positive"])
def test_a_constant_image_stays_finite(name: str) -> None:
    assert np.isfinite(apply(name, image_of(np.full((1, 4, 4), 5.0))).array).all()


def test_threshold_sets_zero_and_clip_sets_the_limit() -> None:
    image = image_of(np.array([[[-5.0, 2.0, 9.0]]]))

    assert apply("threshold", image, {"min": 0, "max": 5}).array.ravel().tolist() == [0, 2, 0]
    assert apply("clip", image, {"min": 0, "max": 5}).array.ravel().tolist() == [0, 2, 5]
    assert apply("clamp", image, {"max": 5}).array.ravel().tolist() == [-5, 2, 5]


def test_imagenet_statistics() -> None:
    white = apply("normalize_imagenet", image_of(np.full((3, 2, 2), 255.0))).array[:, 0, 0]

    assert np.allclose(white, (1 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225]), atol=1e-4)
    with pytest.raises(TransformError, match="mean has 3 numbers, but the image has 1 channels"):
        apply("normalize_imagenet", image_of(np.zeros((1, 2, 2))))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("clip", {"min": 5, "max": 1}),
        ("clip", {}),
        ("rescale", {"percentiles": [99, 1]}),
        ("rescale", {"percentiles": [-1, 99]}),
        ("normalize_by_val", {"mean": 0, "std": 0}),
        ("normalize", {"mean": 3}),
        ("normalize", 5),
    ],
)
def test_impossible_parameters_are_refused(name: str, parameters: object) -> None:
    with pytest.raises(ValidationError):
        make_transform(Step(name=name, parameters=parameters))


def test_transparency_goes_on_white_and_opacity_is_added() -> None:
    rgba = Image.from_file_values(np.array([100, 100, 100, 0], np.uint8).reshape(4, 1, 1), Geometry((1, 1)))

    assert apply("rgba2rgb", rgba).array.ravel().tolist() == [255, 255, 255]
    assert apply("rgb_to_rgba", apply("rgba_to_rgb", rgba)).array.ravel().tolist() == [255, 255, 255, 255]
    with pytest.raises(TransformError, match="has 1 channels"):
        apply("rgba2rgb", image_of(np.zeros((1, 2, 2))))
