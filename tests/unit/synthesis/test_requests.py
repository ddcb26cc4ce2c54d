"""Which images are made, from which seeds, in which units."""

import numpy as np
import pytest
from tests.factories import spec_of

from gandlf_synth.data.formats.writers.tiff import TiffWriter
from gandlf_synth.data.loading.value_range import to_8_bit, to_file_values
from gandlf_synth.errors import ConfigError
from gandlf_synth.synthesis.image_files import file_parts
from gandlf_synth.synthesis.requests import image_requests


def test_a_number_is_shared_out_among_the_classes() -> None:
    assert [request.class_index for request in image_requests(5, spec_of(), 0)] == [0, 1, 0, 1, 0]
    assert [request.class_index for request in image_requests(2, spec_of(classes=0), 0)] == [None, None]


def test_classes_are_named_or_numbered() -> None:
    assert [request.class_index for request in image_requests({"b": 2, "3": 1}, spec_of(), 0)] == [1, 1, 0]


def test_an_image_has_the_same_seed_however_many_are_asked_for() -> None:
    many = image_requests(100, spec_of(), 9)

    assert image_requests(8, spec_of(), 9)[7].seed == many[7].seed
    assert image_requests(100, spec_of(), 9, frozenset({7}))[0] == many[7]
    assert image_requests(8, spec_of(), 10)[7].seed != many[7].seed
    assert len({request.seed for request in many}) == 100


def test_classes_of_a_model_without_labels_are_refused() -> None:
    with pytest.raises(ConfigError, match="was trained without labels"):
        image_requests({"a": 1}, spec_of(classes=0), 0)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("int16", [-100, 100, 300]), ("uint8", [0, 100, 255]), ("float32", [-100.0, 100.0, 300.0])],
)
def test_values_go_back_to_units_and_number_type(dtype: str, expected: list[float]) -> None:
    values = to_file_values(np.array([-1, 0, 1], np.float32).reshape(1, 3, 1), spec_of(dtype))

    assert values.dtype == np.dtype(dtype)
    assert values.ravel().tolist() == expected


def test_eight_bit_pictures_keep_their_own_values() -> None:
    image = np.array([-1, 0, 1], np.float32).reshape(1, 3, 1)

    assert to_8_bit(image, spec_of("uint8", low=(10.0,), high=(210.0,))).ravel().tolist() == [10, 110, 210]
    assert to_8_bit(image, spec_of("int16")).ravel().tolist() == [0, 128, 255]


class PairWriter(TiffWriter):
    channels = (1, 2)


def test_columns_become_files() -> None:
    values = np.arange(3).reshape(3, 1, 1)
    spec = spec_of(channels=3, column_channels=(1, 2), column_names=("t1", "rest"))

    parts = file_parts(values, spec, PairWriter())

    assert [(column, name, part.ravel().tolist()) for column, name, part in parts] == [(0, "", [0]), (1, "", [1, 2])]


def test_a_column_that_a_file_cannot_hold_becomes_a_file_per_channel() -> None:
    values = np.arange(3).reshape(3, 1, 1)
    spec = spec_of(channels=3, column_channels=(1, 2), column_names=("t1", "rest"))

    parts = file_parts(values, spec, TiffWriter())

    assert [(column, name) for column, name, _ in parts] == [(0, ""), (1, "_channel_0"), (1, "_channel_1")]
