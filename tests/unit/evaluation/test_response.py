"""Whatever is wrong with synthetic images moves the measure that is meant to see it, and the verdict names it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.factories import Array, heads, metric_value, verdict_of

from gandlf_synth.evaluation.results import Evaluation

COUNT = 80


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_filter(images, (0, sigma, sigma))


def noisy(images: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, sigma, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def test_other_real_images_pass(saved: Callable[..., Path], evaluated: Callable[..., Evaluation]) -> None:
    found = evaluated(
        saved("real", heads(COUNT, 1)), saved("same", heads(COUNT, 2)), train=saved("train", heads(COUNT, 3))
    )

    assert [each.outcome for each in found.verdicts] == ["good", "good", "good", "unknown"]
    assert "have no labels" in verdict_of(found, "useful").sentence
    kid = found.metric("kid")
    assert kid.value.low <= kid.floor.high


@pytest.mark.parametrize(
    ("worsen", "levels", "sign", "word"), [(blurred, (0.7, 1.5), -1, "blur"), (noisy, (10, 30), 1, "noise")]
)
def test_blur_and_noise_are_seen_and_told_apart(
    saved: Callable[..., Path],
    evaluated: Callable[..., Evaluation],
    worsen: Callable[..., Array],
    levels: tuple[float, float],
    sign: int,
    word: str,
) -> None:
    real, images = saved("real", heads(COUNT, 1)), heads(COUNT, 2)
    found = [evaluated(real, saved("clean", images))]
    found += [evaluated(real, saved(f"worse{level}", worsen(images, level))) for level in levels]

    for name in ("spectrum", "texture", "kid"):
        values = [metric_value(each, name) for each in found]
        assert values == sorted(values), name
    assert verdict_of(found[-1], "faithful").outcome == "bad"
    sentence = next(check.sentence for check in verdict_of(found[-1], "faithful").checks if check.metric == "spectrum")
    assert word in sentence
    assert f"{'too little' if sign < 0 else 'too much'} fine detail" in sentence


def test_brightness_is_seen(saved: Callable[..., Path], evaluated: Callable[..., Evaluation]) -> None:
    brighter = np.clip(heads(COUNT, 2) * 1.6, 0, 255).astype(np.uint8)

    found = evaluated(saved("real", heads(COUNT, 1)), saved("bright", brighter))

    check = next(check for check in verdict_of(found, "faithful").checks if check.metric == "histogram")
    assert check.outcome != "good"
    assert "mean intensity +" in check.sentence


def test_repeated_images_are_seen(saved: Callable[..., Path], evaluated: Callable[..., Evaluation]) -> None:
    repeated = heads(4, 2).repeat(COUNT // 4, axis=0)

    found = evaluated(saved("real", heads(COUNT, 1)), saved("repeated", repeated))

    answer = verdict_of(found, "diverse")
    assert answer.outcome == "bad"
    assert "images are repeated: 100.0%" in answer.sentence.lower()
    assert "Mode collapse: 80 images fall into 4 groups" in answer.sentence


@pytest.mark.parametrize("labelled", [True, False])
def test_a_dropped_class_is_named(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], labelled: bool
) -> None:
    both = np.concatenate([heads(COUNT // 2, 1), heads(COUNT // 2, 4, bright=True)])
    labels = ["dark"] * (COUNT // 2) + ["bright"] * (COUNT // 2)
    only = heads(COUNT, 2)

    found = evaluated(saved("real", both, labels), saved("dark", only, ["dark"] * COUNT if labelled else None))

    answer = verdict_of(found, "diverse")
    assert answer.outcome == "bad"
    assert ("Class 'bright' (50% of the real images) has no synthetic image" in answer.sentence) is labelled
    assert ("class 'bright' is covered" in answer.sentence) is not labelled
    assert "'dark'" not in answer.sentence


def test_copied_training_images_are_counted_and_shown(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    train, images = heads(COUNT, 3), heads(COUNT, 2)
    images[:20] = train[:20, :, ::-1]
    train_csv = saved("train", train)

    found = evaluated(saved("real", heads(COUNT, 1)), saved("copies", images), train=train_csv)

    answer = verdict_of(found, "private")
    assert answer.outcome == "bad"
    assert "20 of 80 synthetic images are the same as a training image to the pixel: " in answer.sentence
    assert "copies/0.png is train/0.png (mirrored left-right)" in answer.sentence
    copies = found.metric("copies")
    assert copies.value.low <= 0.25 <= copies.value.high
    shown = [pair for pair in found.copies if not pair.held_out]
    assert all(pair.identical and pair.kind == "mirrored left-right" for pair in shown)
    assert any(pair.held_out for pair in found.copies), "what real images look like at worst is shown too"
    assert metric_value(found, "membership") > 0.55


def test_held_out_images_that_are_training_images_are_said_and_excuse_no_copies(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    train = heads(COUNT, 3)
    leaking = np.concatenate([heads(COUNT // 2, 1), np.roll(train[: COUNT // 2], 1, axis=2)])
    real, train_csv = saved("real", leaking), saved("train", train)

    clean = evaluated(real, saved("clean", heads(COUNT, 2)), train=train_csv)
    copied = evaluated(real, saved("copied", train[:, ::-1]), train=train_csv)

    assert verdict_of(clean, "private").outcome == "look"
    assert "50.0% of the held-out real images are nearly training images" in verdict_of(clean, "private").sentence
    assert verdict_of(copied, "private").outcome == "bad"


def test_without_training_images_nothing_is_known_of_copies(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    real = heads(20, 1)
    files = saved("real", real)

    clean = verdict_of(evaluated(files, saved("clean", heads(20, 2))), "private")
    same = verdict_of(evaluated(files, saved("same", np.concatenate([heads(18, 2), real[:2]]))), "private")

    assert clean.outcome == "unknown"
    assert "name them with --train" in clean.sentence
    assert same.outcome == "bad"
    assert "2 of 20 synthetic images are the same as a real image to the pixel" in same.sentence


def test_two_identical_files_are_bad_and_named_however_few_held_out_images_there_are(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    train, images = heads(12, 3), heads(12, 2)
    images[[3, 7]] = train[[5, 6]]

    answer = verdict_of(
        evaluated(saved("real", heads(6, 1)), saved("some", images), train=saved("train", train)), "private"
    )

    assert answer.outcome == "bad"
    assert "some/3.png is train/5.png" in answer.sentence
    assert "some/7.png is train/6.png" in answer.sentence


def test_too_few_held_out_images_leave_the_answer_open_and_say_what_would_do(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    sets = [saved(name, heads(12, seed)) for name, seed in (("real", 1), ("some", 2), ("train", 3))]

    answer = verdict_of(evaluated(sets[0], sets[1], train=sets[2]), "private")

    assert answer.outcome == "unknown"
    assert "20 are needed to tell what is unusual, 200 for a limit of 1 %" in answer.sentence


def test_labelled_images_that_help_and_that_mislead_are_told_apart(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    def both(seed: int) -> np.ndarray:
        return np.concatenate([heads(30, seed), heads(30, seed + 100, bright=True)])

    labels = ["dark"] * 30 + ["bright"] * 30
    real = saved("real", both(1), labels)

    helps = evaluated(real, saved("right", both(2), labels))
    misleads = evaluated(real, saved("wrong", both(3), labels[::-1]))

    assert verdict_of(helps, "useful").outcome == "good"
    assert verdict_of(misleads, "useful").outcome == "bad"
    assert metric_value(misleads, "train_synthetic") < 0.2
    assert metric_value(helps, "train_synthetic") > 0.8


def test_thresholds_decide(saved: Callable[..., Path], evaluated: Callable[..., Evaluation]) -> None:
    from gandlf_synth.evaluation.thresholds import parse_thresholds

    real, noise = saved("real", heads(COUNT, 1)), saved("noise", noisy(heads(COUNT, 2), 30))
    generous = parse_thresholds(
        [
            "spectrum_good=99",
            "texture_good=99",
            "kid_good=99",
            "histogram_good=1",
            "precision_of_real_good=0",
            "difference_good=999",
            "other_content_good=1",
        ]
    )

    assert verdict_of(evaluated(real, noise, thresholds=generous), "faithful").outcome == "good"


def test_the_same_call_gives_the_same_numbers_with_and_without_the_cache(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, other = saved("real", heads(20, 1)), saved("other", heads(20, 2))

    runs = [evaluated(real, other), evaluated(real, other)]
    monkeypatch.setenv("GANDLF_SYNTH_CACHE", str(tmp_path / "another"))
    runs.append(evaluated(real, other))

    assert runs[0].metrics == runs[1].metrics == runs[2].metrics
