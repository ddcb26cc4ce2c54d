"""What images are made from, as batches and networks see it."""

import copy

import torch
from lightning.fabric.utilities import move_data_to_device

from gandlf_synth.data.loading.condition import Condition, class_condition, join
from gandlf_synth.data.loading.conditioners import ConditionPart, complete

AGE = ConditionPart(name="age", conditioner="number", kind="vector", size=1)
SEX = ConditionPart(name="sex", conditioner="number", kind="vector", size=2)


def whole() -> Condition:
    return Condition(
        {
            "class": torch.tensor([2, 0, 1]),
            "age": torch.tensor([[0.5, 1.0], [0.1, 1.0], [0.0, 0.0]]),
            "mask": torch.ones(3, 2, 4, 4),
        }
    )


def test_a_network_gets_one_input_per_kind() -> None:
    condition = Condition({**whole(), "sex": torch.ones(3, 3)})

    inputs = condition.inputs()

    assert {name: tuple(value.shape) for name, value in inputs.items()} == {
        "class_labels": (3,),
        "vector": (3, 5),
        "channels": (3, 2, 4, 4),
    }


def test_what_is_hidden_says_nothing_and_the_rest_stays() -> None:
    rows = torch.tensor([True, False, False])

    hidden = whole().hidden({"class": rows, "mask": rows})

    assert hidden["class"].tolist() == [-1, 0, 1]
    assert torch.equal(hidden["age"], whole()["age"])
    assert hidden["mask"].flatten(1).sum(1).tolist() == [0, 32, 32]
    assert all(not part.clamp(min=0).any() for part in whole().hidden().values())


def test_rows_and_batches_fit_together_again() -> None:
    condition = whole()

    again = join([condition.rows(slice(0, 1)), condition.rows(torch.tensor([1, 2]))])

    assert all(torch.equal(again[name], condition[name]) for name in condition)


def test_parts_that_a_request_lacks_are_unknown_to_the_network() -> None:
    condition = complete(class_condition([1, 1]), [AGE, SEX], 2)

    assert list(condition) == ["age", "sex"]
    assert condition.inputs()["vector"].tolist() == [[0.0] * 5] * 2


def test_loaders_and_lightning_carry_it_as_it_is() -> None:
    batch = {"image": torch.zeros(3, 1, 4, 4), "condition": whole()}

    for carried in (copy.deepcopy(batch), move_data_to_device(batch, torch.device("cpu"))):
        assert isinstance(carried["condition"], Condition)
        assert torch.equal(carried["condition"]["age"], whole()["age"])
    assert move_data_to_device(batch, torch.device("meta"))["condition"]["class"].device.type == "meta"
