"""Seeds of one purpose do not change: exact resume and images that are made again depend on them."""

import pytest

from gandlf_synth.provenance import Purpose, fold_seed

NUMBERS = {
    (42, Purpose.IMAGE, 0): 6369099232356431040,
    (42, Purpose.GRID_IMAGE, 7): 4723042519903922411,
    (42, Purpose.MEASURED_SPLIT, 1): 3035961754409659286,
    (42, Purpose.IMAGE_AGAIN, 1): 3035961754409659286,
    (3, Purpose.STEP, 0, 1, 2): 452919169795826943,
    (3, Purpose.AUGMENTATION, 1, 2): 6011724034798456837,
    (3, Purpose.PREVIEW, 1, 2): 6011724034798456837,
    (3, Purpose.PATCHES, 1, 2): 8196516223984178435,
    (0, Purpose.VALIDATION_NOISE, 4, 0): 2619547129541609162,
    (0, Purpose.VALIDATION_IMAGE, 0, 4, 5): 269378614411599294,
}


@pytest.mark.parametrize(("use", "number"), NUMBERS.items())
def test_numbers_of_the_older_purposes_are_fixed(use: tuple[int, ...], number: int) -> None:
    assert fold_seed(*use) == number


def test_a_purpose_takes_its_own_parts_and_no_others() -> None:
    with pytest.raises(TypeError, match=r"STEP takes 3 parts \('rank', 'epoch', 'batch'\), not 1"):
        fold_seed(42, Purpose.STEP, 7)
