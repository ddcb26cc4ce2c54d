"""Views: orientation on the screen, proportions, grey levels, colour."""

import itertools

import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from gandlf_synth.display import views
from gandlf_synth.geometry import Geometry, picture_geometry

ORIENTATIONS = [
    "".join(letters)
    for axes in itertools.permutations(("LR", "PA", "IS"))
    for letters in itertools.product(*axes)
]  # fmt: skip
SHAPE = (10, 12, 14)
"""Voxels along R, A, S."""


def oriented(
    voxels: np.ndarray, codes: str, spacing: tuple[float, float, float] = (1, 1, 1)
) -> tuple[np.ndarray, Geometry]:
    """Return an RAS volume with its axes in the order and directions of ``codes``, and its geometry."""
    change = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    affine = np.diag([*spacing, 1.0]) @ inv_ornt_aff(change, voxels.shape)
    order = np.argsort(change[:, 0]).astype(int)
    flipped = voxels[tuple(slice(None, None, int(direction)) for direction in change[:, 1])].transpose(order)
    return flipped[None].astype(np.float32), Geometry(flipped.shape, affine)


def with_marker() -> np.ndarray:
    """Return a dark RAS volume with a block at the patient's left, anterior, superior corner, past the middle."""
    voxels = np.full(SHAPE, -1.0)
    voxels[:7, 4:, 5:] = 1.0
    return voxels


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_the_left_anterior_superior_corner_is_always_at_the_same_place(codes: str) -> None:
    axial, coronal, sagittal = views(*oriented(with_marker(), codes))
    assert (axial.shape, coronal.shape, sagittal.shape) == ((12, 10), (14, 10), (14, 12))
    assert corners(axial) == [0, 255, 0, 0], "the patient's left is on the right of the screen, anterior is up"
    assert corners(coronal) == [0, 255, 0, 0], "the patient's left is on the right of the screen, superior is up"
    assert corners(sagittal) == [255, 0, 0, 0], "anterior is on the left of the screen, superior is up"


def corners(view: np.ndarray) -> list[int]:
    """Return the grey values at top left, top right, bottom left, bottom right."""
    return [int(view[row, column]) for row in (0, -1) for column in (0, -1)]


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_every_orientation_shows_the_same_slices(codes: str) -> None:
    voxels = np.random.default_rng(0).uniform(-1, 1, SHAPE)
    for shown, expected in zip(views(*oriented(voxels, codes)), views(*oriented(voxels, "RAS")), strict=True):
        np.testing.assert_array_equal(shown, expected)


def test_an_oblique_volume_is_shown_along_its_nearest_axes() -> None:
    voxels, geometry = oriented(with_marker(), "RAS")
    angle = np.deg2rad(20)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    shown = views(voxels, Geometry(geometry.shape, turn @ geometry.affine))
    np.testing.assert_array_equal(shown[0], views(voxels, geometry)[0])


@pytest.mark.parametrize("codes", ["RAS", "SPL"])
def test_thick_slices_are_stretched(codes: str) -> None:
    axial, coronal, sagittal = views(*oriented(with_marker(), codes, spacing=(1, 1, 3)))
    assert (axial.shape, coronal.shape, sagittal.shape) == ((12, 10), (42, 10), (42, 12))
    assert set(np.unique(coronal)) == {0, 255}, "stretching repeats voxels and invents no grey"


def test_each_channel_is_a_view_of_its_own() -> None:
    voxels, geometry = oriented(with_marker(), "LPS")
    shown = views(np.concatenate([voxels, -voxels]), geometry)
    assert len(shown) == 6
    np.testing.assert_array_equal(shown[3], 255 - shown[0])


# ---- two dimensions ----


def test_pictures_look_as_in_their_files() -> None:
    pixels = np.arange(12, dtype=np.float32).reshape(3, 4)
    (shown,) = views(pixels.T[None], picture_geometry((4, 3)), low=0, high=255)
    np.testing.assert_array_equal(shown, pixels)


def test_colour_pictures_are_one_view_on_request() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3))
    voxels, geometry = pixels.transpose(2, 1, 0).astype(np.float32), picture_geometry((5, 3))
    (shown,) = views(voxels, geometry, colour=True, low=0, high=255)
    np.testing.assert_array_equal(shown, pixels)
    assert [view.shape for view in views(voxels, geometry)] == [(3, 5)] * 3
    assert len(views(voxels[:2], geometry, colour=True)) == 2


def test_a_slice_with_the_geometry_of_a_picture_looks_as_the_picture() -> None:
    pixels = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
    picture = picture_geometry((4, 3))
    (as_picture,) = views(pixels, picture, high=12)
    (as_slice,) = views(pixels, Geometry(picture.shape, picture.affine), high=12)
    np.testing.assert_array_equal(as_slice, as_picture)


def test_a_slice_with_an_identity_affine_is_transposed_and_flipped() -> None:
    pixels = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
    (shown,) = views(pixels, Geometry((4, 3)), low=0, high=255)
    np.testing.assert_array_equal(shown, pixels[0, ::-1, ::-1].T)


@pytest.mark.parametrize(
    ("first", "second", "bright"),
    [
        ((0, 2, 0), (0, 0, 2), "top left"),  # sagittal: anterior on the left, superior up
        ((0, 0, 2), (0, 2, 0), "top left"),
        ((0, 0, -2), (0, 2, 0), "bottom left"),
        ((2, 0, 0), (0, 0, 2), "top left"),  # coronal: the patient's right on the left, superior up
        ((-2, 0, 0), (0, 0, 2), "top right"),
        ((-2, 0, 0), (0, -2, 0), "bottom right"),  # axial: the patient's right on the left, anterior up
    ],
)
def test_a_slice_is_shown_in_the_plane_that_its_affine_states(
    first: list[float], second: list[float], bright: str
) -> None:
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = first, second, 0
    voxels = np.full((1, 6, 8), -1.0, dtype=np.float32)
    voxels[0, -1, -1] = 1
    (shown,) = views(voxels, Geometry((6, 8), affine))
    places = ["top left", "top right", "bottom left", "bottom right"]
    assert [place for place, value in zip(places, corners(shown), strict=True) if value] == [bright]


def test_a_slice_of_oblong_pixels_is_stretched() -> None:
    (shown,) = views(np.zeros((1, 4, 6), dtype=np.float32), Geometry((4, 6), np.diag([2.0, 1.0, 1.0, 1.0])))
    assert shown.shape == (6, 8)


def test_a_useless_affine_is_taken_as_the_identity() -> None:
    voxels = np.random.default_rng(0).uniform(-1, 1, (1, 4, 5, 6)).astype(np.float32)
    expected = views(voxels, Geometry((4, 5, 6)))
    for affine in (np.zeros((4, 4)), np.full((4, 4), np.nan)):
        for shown, wanted in zip(views(voxels, Geometry((4, 5, 6), affine)), expected, strict=True):
            np.testing.assert_array_equal(shown, wanted)


# ---- grey levels ----


def test_values_outside_the_range_are_cut_and_nan_is_black() -> None:
    values = np.array([[[-9, -1, 0, 1, 9, np.nan, np.inf]]], dtype=np.float32).transpose(0, 2, 1)
    (shown,) = views(values, picture_geometry((7, 1)))
    assert shown.tolist() == [[0, 0, 128, 255, 255, 0, 255]]
    assert shown.dtype == np.uint8


def test_slices_go_through_the_voxel_that_is_asked_for() -> None:
    volume = np.zeros((1, 6, 7, 8), np.float32)
    volume[0, 1, 5, 2] = 1
    for signs in ((1, 1, 1), (-1, -1, 1)):
        planes = views(volume, Geometry((6, 7, 8), np.diag([*signs, 1.0])), low=0, high=1, at=(1, 5, 2))

        assert [plane.max() for plane in planes] == [255, 255, 255]
    assert max(plane.max() for plane in views(volume, Geometry((6, 7, 8)), low=0, high=1)) == 0
