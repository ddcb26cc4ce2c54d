"""Copies are found whatever was done to hide them, and real images are not taken for copies."""

import numpy as np
import pytest

from gandlf_synth.metrics.memorization import FLIPS, match, mirror, ssim_of, threshold


def anatomy(count: int, seed: int, size: int = 40) -> np.ndarray:
    """Images that share a head and differ in what is in it, ``(count, 1, 1, 1, size, size)``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    head = (x**2 + y**2 < 0.8) * 0.5
    images = []
    for _ in range(count):
        places, signs = rng.uniform(-0.7, 0.7, (8, 2)), rng.choice([-0.3, 0.3], 8)
        blobs = sum(s * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.02) for (a, b), s in zip(places, signs, strict=True))
        images.append(np.clip(head * (1 + blobs) + rng.normal(0, 0.01, head.shape), 0, 1))
    return np.stack(images)[:, None, None, None].astype(np.float32)


DISGUISES = {
    "exact": lambda image: image,
    "mirrored": lambda image: image[..., ::-1],
    "upside down": lambda image: image[..., ::-1, :],
    "brighter by 2 %": lambda image: image * 1.02,
    "darker by 2 %": lambda image: image * 0.98,
    "shifted by a pixel": lambda image: np.roll(image, (1, -1), axis=(-2, -1)),
}


@pytest.mark.parametrize("name", DISGUISES)
@pytest.mark.parametrize("copied", [0.01, 0.05, 0.2])
def test_planted_copies_are_found_with_few_false_alarms(name: str, copied: float) -> None:
    train, held_out, synthetic = anatomy(100, 1), anatomy(100, 2), anatomy(100, 3)
    planted = int(copied * 100)
    synthetic[:planted] = DISGUISES[name](train[10 : 10 + planted])

    limit = threshold(match(held_out, train).correlation, 0.01)
    found = match(synthetic, train)
    flagged = found.correlation > limit

    assert flagged[:planted].all(), "recall"
    assert flagged[planted:].mean() <= 0.05, "false alarms"
    assert found.index[:planted].tolist() == list(range(10, 10 + planted))


def test_the_flip_that_was_used_is_told_and_undone() -> None:
    images = anatomy(5, 0)

    found = match(images[..., ::-1], images)

    assert [FLIPS[flip] for flip in found.flip] == [(True, False)] * 5
    assert ssim_of(images[..., ::-1], images, found) == pytest.approx(np.ones(5), abs=1e-4)


def test_a_group_is_not_matched_with_itself() -> None:
    images = anatomy(6, 0)
    names = ["a", "a", "b", "b", "c", "c"]

    found = match(images, images, query_groups=names, reference_groups=names)

    assert all(names[i] != names[j] for i, j in enumerate(found.index))
    assert (found.correlation < 0.999).all()


def test_a_mirrored_volume_has_its_sagittal_slices_in_reverse_order() -> None:
    volume = np.random.default_rng(0).random((8, 8, 8)).astype(np.float32)

    def stacks(voxels: np.ndarray) -> np.ndarray:
        return np.stack([np.stack([voxels.take(k, axis).T for k in (1, 3, 4, 6)]) for axis in (2, 1, 0)])[
            None, :, :, None
        ]

    assert np.array_equal(mirror(stacks(volume), (True, False)), stacks(volume[::-1]))
    assert np.array_equal(mirror(stacks(volume), (False, True)), stacks(volume[:, :, ::-1]))
    found = match(stacks(volume[::-1]), np.concatenate([stacks(volume), stacks(volume[:, ::-1].copy() ** 2)]))
    assert (found.index[0], found.correlation[0]) == (0, pytest.approx(1, abs=1e-5))


def test_flat_images_are_like_nothing() -> None:
    flat = np.full((2, 1, 1, 1, 16, 16), 0.5, dtype=np.float32)

    assert match(flat, anatomy(3, 0, 16)).correlation.tolist() == pytest.approx([0, 0])
