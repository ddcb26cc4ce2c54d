"""What a store loses of voxels: nothing of whole numbers, and no more than it says of others."""

import numpy as np
import pytest

from gandlf_synth.data.formats.shards.encoding import STORED_TYPES, StoredType, decode, encode


def read_again(values: np.ndarray, stored_type: StoredType) -> np.ndarray:
    encoded = encode(values, stored_type)
    return decode(encoded.array, encoded.gain, encoded.bias)


@pytest.mark.parametrize("stored_type", STORED_TYPES)
def test_the_error_that_is_stated_is_that_of_the_values_that_are_read(stored_type: StoredType) -> None:
    values = np.random.default_rng(0).normal(300, 80, (2, 9, 7, 5)).astype(np.float32)
    encoded = encode(values, stored_type)

    errors = np.abs(read_again(values, stored_type).astype(np.float64) - values).reshape(2, -1)
    ranges = np.ptp(values.reshape(2, -1).astype(np.float64), axis=1)
    assert encoded.largest_error == pytest.approx((errors / ranges[:, None]).max())
    assert encoded.largest_error <= {"float16": 2**-10, "int16": 2**-16, "float32": 0}[stored_type]


def test_counts_of_a_scanner_are_exact_in_int16() -> None:
    values = np.random.default_rng(0).integers(-1024, 30_000, (1, 40, 40)).astype(np.float32)

    assert np.array_equal(read_again(values, "int16"), values)


def test_one_bright_voxel_costs_the_others_nothing_in_float16() -> None:
    values = np.linspace(0, 1000, 400, dtype=np.float32).reshape(1, 20, 20)
    values[0, 0, 0] = 1e6

    others = read_again(values, "float16")[0].ravel()[1:]
    assert np.allclose(others, values[0].ravel()[1:], rtol=2**-11, atol=0.1)


@pytest.mark.parametrize("stored_type", STORED_TYPES)
def test_an_image_of_one_value_and_background_come_back(stored_type: StoredType) -> None:
    assert np.array_equal(read_again(np.full((1, 4, 4), 7, np.float32), stored_type), np.full((1, 4, 4), 7))
    half = np.concatenate([np.zeros((1, 4, 4), np.float32), np.full((1, 4, 4), 0.3, np.float32)], axis=1)
    assert np.abs(read_again(half, stored_type)[0, :4]).max() < 1e-5
