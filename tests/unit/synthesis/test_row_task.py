"""What a trained model must be told of each image."""

import pytest

from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.errors import ConfigError
from gandlf_synth.synthesis.row_task import check_needs_rows

AGE = ConditionPart(
    name="age", conditioner="scalar", parameters={"column": "age"}, kind="vector", size=1, optional=False
)
SEX = ConditionPart(name="sex", conditioner="category", parameters={"column": "sex"}, kind="class", size=2)
SCAN = ConditionPart(name="image", conditioner="image", kind="channels", size=1, optional=False)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((AGE, SEX), "was trained with a value of age for every image, and was given none; .*with the column age"),
        ((AGE, SCAN), r"was trained to make images from others \(age, image\), and was given none"),
    ],
)
def test_a_model_that_never_did_without_a_part_wants_a_table(parts: tuple[ConditionPart, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_needs_rows(parts)


def test_a_model_that_learned_to_do_without_makes_new_images() -> None:
    check_needs_rows((AGE.model_copy(update={"optional": True}), SEX))
