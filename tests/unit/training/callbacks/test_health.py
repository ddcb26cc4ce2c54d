"""Training that has gone wrong is said once, in the log and in the run's record."""

from collections.abc import Sequence

import pytest
import torch
from rich.console import Console
from tests.factories import spec_of

from gandlf_synth.models.dcgan import FAMILY
from gandlf_synth.models.dcgan.module import DCGAN
from gandlf_synth.models.health import SampleHealth, Symptom, sample_symptoms
from gandlf_synth.training.callbacks import HealthMonitor


class _Reporting(DCGAN):
    readings: list[Sequence[Symptom] | None] = []

    def symptoms(self) -> Sequence[Symptom] | None:
        return self.readings.pop(0)


class _Trainer:
    is_global_zero = True
    current_epoch = 0


def said(readings: list[Sequence[Symptom] | None]) -> list[str]:
    config = FAMILY.config_class().model_validate({"model_name": "dcgan", **FAMILY.tiny})
    module = _Reporting(config, spec_of(shape=(8, 8)))
    module.readings = list(readings)
    monitor, trainer = HealthMonitor(Console(quiet=True)), _Trainer()
    for epoch in range(len(readings)):
        trainer.current_epoch = epoch
        monitor.on_train_epoch_end(trainer, module)
    return monitor.findings


COLLAPSE = Symptom("mode collapse", "little variance", "try hinge")


def test_a_symptom_is_said_once_when_it_persists() -> None:
    assert said([[COLLAPSE]] * 6) == ["health, epoch 3: mode collapse: little variance; try hinge"]


def test_a_passing_symptom_is_not_said_and_epochs_without_news_do_not_count() -> None:
    assert said([[COLLAPSE], [COLLAPSE], [], [COLLAPSE], [COLLAPSE]]) == []
    assert len(said([[COLLAPSE], None, [COLLAPSE], None, [COLLAPSE]])) == 1


REAL = torch.rand(32, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    ("fake", "expected"),
    [
        (REAL.flip(0), []),
        (torch.full_like(REAL, -0.9), ["blank samples"]),
        (REAL[:1].expand_as(REAL), ["mode collapse"]),
        (torch.where(REAL > 0, 1.0, -1.0), ["saturated samples"]),
        (torch.full_like(REAL, torch.nan), ["numbers that are not finite"]),
    ],
    ids=["healthy", "blank", "collapsed", "saturated", "not finite"],
)
def test_synthetic_images_are_compared_with_real_ones(fake: torch.Tensor, expected: list[str]) -> None:
    health = SampleHealth()
    for _ in range(2):
        health.observe(REAL, fake)

    assert [symptom.name for symptom in sample_symptoms(health.read())] == expected


def test_classes_that_collapse_each_for_itself_are_noticed() -> None:
    labels = torch.arange(32) % 2
    health = SampleHealth()
    for _ in range(2):
        health.observe(REAL, REAL[labels], labels)

    assert [symptom.name for symptom in sample_symptoms(health.read())] == ["mode collapse"]


def test_nothing_is_said_of_a_few_images() -> None:
    health = SampleHealth()
    health.observe(REAL, REAL)

    assert health.read() is None
