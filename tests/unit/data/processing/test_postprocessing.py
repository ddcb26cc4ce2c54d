"""Postprocessing on masks does what its names say, and has a meaning for grey values."""

import numpy as np
import pytest

from gandlf_synth.config import Step
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import to_8_bit, to_file_values
from gandlf_synth.data.processing.postprocessing import postprocessed


def process(array: np.ndarray, name: str, parameters: object = None) -> np.ndarray:
    return postprocessed(array[None].astype(float), [Step(name=name, parameters=parameters)])[0]


def ring(shape: tuple[int, ...] = (9, 9)) -> np.ndarray:
    array = np.zeros(shape)
    array[tuple(slice(2, 7) for _ in shape)] = 1
    array[tuple(slice(4, 5) for _ in shape)] = 0
    return array


@pytest.mark.parametrize("shape", [(9, 9), (9, 9, 9)])
def test_holes_are_filled_and_what_is_open_stays(shape: tuple[int, ...]) -> None:
    filled = process(ring(shape), "fill_holes")

    assert filled.sum() == 5 ** len(shape)
    assert np.array_equal(process(np.eye(5), "fill_holes"), np.eye(5))


def test_grey_holes_rise_to_their_rim() -> None:
    grey = np.full((5, 5), 10.0)
    grey[1:4, 1:4] = [[7, 8, 9], [7, 2, 9], [7, 8, 9]]

    assert process(grey, "fill_holes").min() == 10


@pytest.mark.parametrize(("mode", "total"), [("dilation", 49), ("erosion", 0), ("closing", 25), ("opening", 0)])
def test_morphology(mode: str, total: int) -> None:
    assert process(ring(), "morphology", {"mode": mode, "kernel_size": 3}).sum() == total


def test_only_the_largest_component_stays() -> None:
    array = np.zeros((8, 8))
    array[0:2, 0:2] = 5
    array[4:7, 4:7] = 3
    array[7, 7] = 3  # touches at a corner

    kept = process(array, "cca")

    assert kept.sum() == 30
    assert kept[:2, :2].sum() == 0
    assert np.array_equal(process(kept + 1, "cca", 1.5), kept + 1)


@pytest.mark.parametrize("table", [{0: 0, 1: 2, 2: 1}, {"1": 2, "2": 1}, {"table": {1: 2, 2: 1}}])
def test_mapping_swaps_labels(table: dict[object, object]) -> None:
    assert process(np.array([0, 0.9, 2, 7]), "mapping", table).tolist() == [0, 2, 1, 7]


def spec(dtype: str) -> DataSpec:
    return DataSpec(
        spatial_dims=2, num_channels=1, shape=(9, 9), affine=tuple(map(tuple, np.eye(4))), physical=False,
        modality="rad", paradigm="unlabeled", low=(0.0,), high=(2.0,), range_scale=(1.0,), range_offset=(0.0,), dtype=dtype, column_channels=(1,),
        column_names=("a",),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_export_applies_it_in_the_units_of_the_files(dtype: str) -> None:
    image = (ring()[None] - 1).astype(np.float32)  # 0 and 1 in the files' units
    steps = [Step(name="fill_holes"), Step(name="mapping", parameters={1: 2})]

    values = to_file_values(image, spec(dtype), steps)

    assert values.dtype == np.dtype(dtype)
    assert sorted(np.unique(values)) == [0, 2]
    assert sorted(np.unique(to_8_bit(image, spec(dtype), steps))) == [0, 255]
