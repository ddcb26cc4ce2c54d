"""The first steps of a run are compared with the trial by which its networks were chosen."""

from types import SimpleNamespace
from typing import Any

import pytest

from gandlf_synth.training.callbacks import PaceCheck, pace


def said(monkeypatch: pytest.MonkeyPatch, step: float, expected: float, between: float = 0.0) -> list[str]:
    """What is said in a run with steps of ``step`` seconds, twenty an epoch, and ``between`` seconds after each."""
    words: list[str] = []
    check = PaceCheck(expected, 19, words.append, resize="begin again with --reset")
    clock = 100.0
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: clock))
    for number in range(200):
        clock += step + (between if number % 20 == 0 else 0)
        trainer: Any = SimpleNamespace(is_global_zero=True, current_epoch=number // 20)
        check.on_train_batch_end(trainer, trainer, None, trainer, number % 20)
    return words


def test_a_run_that_is_faster_than_its_trial_says_how_many_steps_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, 0.1, 11.0) == [
        "Note: a step takes 0.1 s, not 11 s as in the trial before the run: about 2,090 steps instead of 19. Something "
        "else used the processor during the trial; wider networks may have time: begin again with --reset"
    ]


def test_a_run_that_is_held_up_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = said(monkeypatch, 1.0, 0.1)

    assert line.endswith("about 2 steps instead of 19. Is something else using the processor? The run ends in time "
                         "all the same")  # fmt: skip


@pytest.mark.parametrize("between", [0.0, 30.0])
def test_a_run_at_the_speed_of_its_trial_says_nothing(monkeypatch: pytest.MonkeyPatch, between: float) -> None:
    assert said(monkeypatch, 0.1, 0.12, between) == []
