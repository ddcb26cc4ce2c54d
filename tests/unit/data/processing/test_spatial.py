"""What an image shows stays where it is in the patient, whatever is done to its grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.factories import blob

from gandlf_synth.config import Step
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.base import TransformError
from gandlf_synth.data.processing.pipeline import make_transform
from gandlf_synth.geometry import Geometry, picture_geometry


def centre_of_mass(image: Image) -> np.ndarray:
    """In millimetres."""
    weights = image.array[0] - image.array[0].min()
    indices = np.stack(np.meshgrid(*(np.arange(size) for size in weights.shape), indexing="ij"), -1)
    index = (indices * weights[..., None]).reshape(-1, weights.ndim).sum(0) / weights.sum()
    return image.geometry.affine[:3, : weights.ndim] @ index + image.geometry.affine[:3, 3]


def image_of(shape: tuple[int, ...], affine: np.ndarray | None = None, seed: int = 0) -> Image:
    return Image.from_file_values(
        blob(shape, seed, 100)[None], Geometry(shape, np.eye(4) if affine is None else affine)
    )


def apply(name: str, image: Image, parameters: object = None) -> Image:
    return make_transform(Step(name=name, parameters=parameters))(image)


def oblique(rng: np.random.Generator) -> np.ndarray:
    """A random rotation (reflections too) with random spacings and origin."""
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * rng.uniform(0.7, 3, 3)
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    return affine


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    step=st.sampled_from(
        [
            ("to_canonical", None),
            ("resize", [18, 14, 16]),
            ("resample", 1.6),
            ("crop_or_pad", [26, 24, 28]),
            ("crop", 1),
            ("resize_and_pad", [24, 24, 24]),
        ]
    ),
)
def test_the_centre_of_mass_stays_in_place_under_oblique_affines(seed: int, step: tuple[str, object]) -> None:
    affine = oblique(np.random.default_rng(seed))
    image = image_of((20, 22, 24), affine, seed)

    moved = apply(step[0], image, step[1])

    voxel = max(*image.geometry.spacing, *moved.geometry.spacing)
    assert np.linalg.norm(centre_of_mass(moved) - centre_of_mass(image)) < 0.35 * voxel
    assert moved.array.shape[1:] == moved.geometry.shape


def test_canonical_axes_run_right_anterior_superior_and_no_value_changes() -> None:
    affine = np.array([[0, 0, -2.0, 9], [-3.0, 0, 0, 4], [0, 1.0, 0, -7], [0, 0, 0, 1]])
    image = image_of((4, 5, 6), affine)

    moved = apply("to_canonical", image)

    assert moved.geometry.orientation == "RAS"
    assert moved.geometry.shape == (6, 4, 5)
    assert moved.geometry.spacing == pytest.approx((2, 3, 1))
    assert sorted(moved.array.ravel()) == sorted(image.array.ravel())


@pytest.mark.parametrize("shape", [(12,), (31,), (9,), (48,)])
def test_a_linear_ramp_stays_linear(shape: tuple[int]) -> None:
    ramp = np.broadcast_to(np.arange(24, dtype=np.float32)[:, None], (24, 6)).copy()
    image = Image.from_file_values(ramp[None], Geometry((24, 6)))

    resized = apply("resize", image, [shape[0], 6])

    position = (np.arange(shape[0]) + 0.5) * 24 / shape[0] - 0.5
    inside = (position > 3) & (position < 20)
    assert np.allclose(resized.array[0, inside, 3], position[inside], atol=1e-3)


def test_a_fine_stripe_pattern_does_not_alias() -> None:
    stripes = np.tile([0.0, 100.0], 32).astype(np.float32)[:, None].repeat(8, 1)

    resized = apply("resize", Image.from_file_values(stripes[None], Geometry((64, 8))), [16, 8])

    assert np.allclose(resized.array[0, 2:-2], 50, atol=5)


def test_resampling_never_leaves_the_range_of_the_values() -> None:
    rng = np.random.default_rng(0)
    image = Image.from_file_values(rng.uniform(-5, 9, (2, 13, 11, 7)).astype(np.float32), Geometry((13, 11, 7)))

    for size in ([5, 5, 5], [30, 20, 9]):
        resized = apply("resize", image, size)
        assert resized.array.min() >= image.array.min() - 1e-5
        assert resized.array.max() <= image.array.max() + 1e-5


def test_resample_sets_the_spacing_exactly() -> None:
    image = image_of((20, 20, 10), np.diag([1.0, 1.0, 3.0, 1.0]))

    assert apply("resample", image, [2, 2, 2]).geometry.spacing == pytest.approx((2, 2, 2))
    assert apply("resample", image, [2, 2, 2]).geometry.shape == (10, 10, 15)
    assert apply("resample_minimum", image, {"resolution": [2, 2, 2]}).geometry.spacing == pytest.approx((2, 2, 3))
    assert apply("resample_min", image).geometry.spacing == pytest.approx((1, 1, 1))


def test_resize_and_pad_keeps_proportions() -> None:
    array = np.full((1, 40, 20), 7.0, np.float32)

    fitted = apply("resize_and_pad", Image.from_file_values(array, picture_geometry((40, 20))), [16, 16])

    assert fitted.array.shape == (1, 16, 16)
    apart = np.full((1, 40, 20), 7.0, np.float32)
    apart[0, 0, 0] = 0
    padded = apply("resize_and_pad", Image.from_file_values(apart, picture_geometry((40, 20))), [16, 16])
    assert (padded.array[0, :, :4] == padded.array.min()).all()
    assert (padded.array[0, 8, 4:12] > 5).all()


def test_external_zero_planes_are_cut_in_2d_and_with_several_channels() -> None:
    array = np.zeros((2, 8, 9), np.float32)
    array[0, 2, 3], array[1, 5, 6] = 1, 2

    cropped = apply("crop_external_zero_planes", Image.from_file_values(array, Geometry((8, 9))))

    assert cropped.array.shape == (2, 4, 4)
    assert cropped.geometry.affine[:2, 3].tolist() == [2, 3]
    with pytest.raises(TransformError, match="zero everywhere"):
        apply("crop_external_zero_planes", Image.from_file_values(np.zeros((1, 3, 3)), Geometry((3, 3))))


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("resize", [4, 4, 4], "shape .* has 3 numbers, but the image has 2 axes"),
        ("centercrop", [9, 9], "larger than the image"),
        ("crop", [1, 2, 3], "allowed: 1, 2 or 4"),
        ("crop", 4, "leaves nothing"),
    ],
)
def test_a_step_that_does_not_fit_says_why(name: str, parameters: object, message: str) -> None:
    with pytest.raises(TransformError, match=message):
        apply(name, image_of((8, 8)), parameters)


def test_the_trailing_one_of_gandlf_is_accepted_in_2d() -> None:
    assert apply("resize", image_of((8, 8)), [4, 6, 1]).geometry.shape == (4, 6)
