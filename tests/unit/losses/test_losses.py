"""Losses by GaNDLF's names equal torch's, and take its parameters."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gandlf_synth.config import Component
from gandlf_synth.errors import ConfigError
from gandlf_synth.losses import build_loss

LOGITS = torch.tensor([[0.3, -1.2, 2.0], [1.5, 0.1, -0.4]])
PROBABILITIES = LOGITS.sigmoid()
TARGET = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
CLASSES = torch.tensor([2, 0])
WEIGHT = [0.5, 1.0, 2.0]


def loss(name: str, **parameters: Any) -> nn.Module:
    return build_loss(Component.model_validate({"name": name, **parameters}), "losses")


@pytest.mark.parametrize(
    ("ours", "torchs", "output", "target"),
    [
        (loss("l1"), nn.L1Loss(), LOGITS, TARGET),
        (loss("L1", reduction="sum"), nn.L1Loss(reduction="sum"), LOGITS, TARGET),
        (loss("mse"), nn.MSELoss(), LOGITS, TARGET),
        (loss("mse", reduction="none"), nn.MSELoss(reduction="none"), LOGITS, TARGET),
        (loss("bce", weight=WEIGHT), nn.BCELoss(weight=torch.tensor(WEIGHT)), PROBABILITIES, TARGET),
        (
            loss("bcelogits", weight=WEIGHT, pos_weight=[3, 1, 1]),
            nn.BCEWithLogitsLoss(weight=torch.tensor(WEIGHT), pos_weight=torch.tensor([3.0, 1.0, 1.0])),
            LOGITS,
            TARGET,
        ),
        (loss("cel"), nn.CrossEntropyLoss(), LOGITS, CLASSES),
        (
            loss("cel", weight=WEIGHT, label_smoothing=0.1, ignore_index=0),
            nn.CrossEntropyLoss(weight=torch.tensor(WEIGHT), label_smoothing=0.1, ignore_index=0),
            LOGITS,
            CLASSES,
        ),
    ],
)
def test_the_value_is_torchs(ours: nn.Module, torchs: nn.Module, output: Tensor, target: Tensor) -> None:
    torch.testing.assert_close(ours(output, target), torchs(output, target), rtol=0, atol=0)


def test_plain_mean_is_the_mean_of_the_output_whatever_the_target() -> None:
    mean = loss("plain_mean")

    assert mean(LOGITS) == LOGITS.mean()
    assert mean(LOGITS, TARGET) == LOGITS.mean()


def test_weights_move_with_the_module() -> None:
    assert loss("cel", weight=WEIGHT).double().weight.dtype == torch.float64


def test_what_the_caller_insists_on_wins() -> None:
    component = Component.model_validate({"name": "mse", "reduction": "mean"})

    assert build_loss(component, "losses", reduction="none")(LOGITS, TARGET).shape == LOGITS.shape


def test_a_loss_without_what_the_caller_insists_on_is_refused() -> None:
    with pytest.raises(ConfigError, match="losses: plain_mean cannot be used here: it has no parameter reduction"):
        build_loss(Component(name="plain_mean"), "losses", reduction="none")


def test_a_wrong_value_names_the_place_and_what_is_allowed() -> None:
    with pytest.raises(ConfigError) as caught:
        loss("mse", reduction="avg")

    assert str(caught.value) == "losses: reduction: 'avg' is not valid; allowed: mean, sum, none"


def test_an_unknown_name_names_the_place() -> None:
    with pytest.raises(ConfigError, match=r"losses: unknown name 'mze' in losses; .*did you mean 'mse'\?"):
        loss("mze")


def test_hinge_counts_what_lacks_to_the_margin_on_each_side() -> None:
    by_hand = torch.relu(1 - LOGITS * (2 * TARGET - 1)).mean()

    assert loss("hinge")(LOGITS, TARGET) == by_hand
    assert loss("hinge", margin=0.1)(LOGITS, TARGET) < by_hand
