"""Copies are found whatever was done to hide them, and real images are not taken for copies."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import affine_transform, gaussian_filter, rotate
from scipy.ndimage import shift as moved

from gandlf_synth.metrics.copy_limit import fit_copy_limit, surely_identical, unexplained_share
from gandlf_synth.metrics.detail import FLIPS, mirror
from gandlf_synth.metrics.membership import true_positive_rate
from gandlf_synth.metrics.memorization import CopySearch, Matches
from gandlf_synth.metrics.repeated_images import NearestOthers

Array = np.ndarray
SIDE = 40


def anatomy(count: int, seed: int, shape: tuple[int, ...] = (SIDE, SIDE)) -> Array:
    """Images that share a head and differ in what is in it, ``(count, 1, *shape)``."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij")
    head = (sum(axis**2 for axis in axes) < 0.8) * 0.5
    images = []
    for _ in range(count):
        spots = 12 if len(shape) == 2 else 60
        places, signs = rng.uniform(-0.7, 0.7, (spots, len(shape))), rng.choice([-0.4, 0.4], spots)
        distances = (sum((axis - x) ** 2 for axis, x in zip(axes, place, strict=True)) for place in places)
        blobs = sum(sign * np.exp(-distance / 0.03) for sign, distance in zip(signs, distances, strict=True))
        images.append(np.clip(head * (1 + blobs) + rng.normal(0, 0.01, head.shape), 0, 1))
    return np.stack(images)[:, None].astype(np.float32)


def each(change: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda images: np.stack([change(image[0]) for image in images])[:, None].astype(np.float32)


def zoomed(image: Array, factor: float) -> Array:
    center = (np.array(image.shape) - 1) / 2
    return affine_transform(image, np.eye(image.ndim) / factor, center - center / factor, order=1, mode="nearest")


def noisy(images: Array) -> Array:
    return np.clip(images + np.random.default_rng(9).normal(0, 0.05, images.shape), 0, 1).astype(np.float32)


DISGUISES: dict[str, tuple[Callable[[Array], Array], str]] = {
    "exact": (lambda images: images, "as it is"),
    "mirrored": (lambda images: images[..., ::-1], "mirrored left-right"),
    "upside down": (lambda images: images[:, :, ::-1], "mirrored up-down"),
    "darker": (lambda images: images * 0.7, "as it is"),
    "gamma": (lambda images: images**1.5, "as it is"),
    "inverted": (lambda images: 1 - images, "inverted"),
    "shifted by 2 pixels": (each(lambda image: moved(image, 2, mode="nearest")), "shifted by 5% of the side"),
    "shifted by 5 pixels": (each(lambda image: moved(image, -5, mode="nearest")), "shifted by 12% of the side"),
    "turned": (each(lambda image: rotate(image, 5, (-2, -1), reshape=False, order=1)), "turned by 5°"),
    "enlarged": (each(lambda image: zoomed(image, 1.1)), "enlarged by"),
    "made smaller": (each(lambda image: zoomed(image, 0.9)), "made smaller by"),
    "noisy": (noisy, "as it is"),
    "blurred": (each(lambda image: gaussian_filter(image, 1)), "as it is"),
    "blended": (lambda images: (images + np.roll(images, 5, axis=0)) / 2, "a mixture of two training images"),
}


@pytest.fixture(
    scope="module",
    params=[(SIDE, SIDE), pytest.param((SIDE, SIDE, SIDE), marks=pytest.mark.slow)],
    ids=["pictures", "volumes"],
)
def searched(request: pytest.FixtureRequest) -> tuple[Array, CopySearch, Matches]:
    """Training images, the search among them, and what it says of held-out images."""
    train = anatomy(40, 1, request.param)
    search = CopySearch(train)
    return train, search, search.find(anatomy(40, 2, request.param))


@pytest.mark.parametrize("name", DISGUISES)
def test_planted_copies_are_found_and_named(name: str, searched: tuple[Array, CopySearch, Matches]) -> None:
    train, search, held_out = searched
    change, words = DISGUISES[name]
    limit = fit_copy_limit(held_out, 0.01)
    assert limit is not None

    found = search.find(change(train[10:16]))

    own = (found.index == np.arange(10, 16)) | (found.second == np.arange(10, 16))
    fewest = 0.9 if train.ndim == 4 else 0.6  # far shifts of made-up volumes, which have little in them, hide a third
    assert own.mean() >= 0.9
    assert limit.flagged(found).mean() >= fewest
    assert train.ndim > 4 or sum(words in found.kind(place) for place in range(6)) >= 5
    assert surely_identical(found).all() == (name in ("exact", "mirrored", "upside down", "darker", "inverted"))


def test_few_other_images_are_taken_for_copies(searched: tuple[Array, CopySearch, Matches]) -> None:
    train, search, held_out = searched
    limit = fit_copy_limit(held_out, 0.01)
    assert limit is not None

    others = search.find(anatomy(40, 3, train.shape[2:]))

    assert limit.flagged(others).mean() <= 0.2, "the limit of 40 images is one of 5 %"
    assert not limit.beyond(others).any()
    assert limit.false_alarm == pytest.approx(0.05)


def test_held_out_copies_of_training_images_do_not_excuse_copies() -> None:
    train, held_out = anatomy(40, 1), anatomy(40, 2)
    leaking = np.concatenate([held_out, np.roll(train[:12], 1, axis=2)])
    search = CopySearch(train)

    clean, leaked = (fit_copy_limit(search.find(images), 0.01) for images in (held_out, leaking))

    assert clean is not None
    assert leaked is not None
    assert leaked.near_duplicates == 12
    assert leaked.score == pytest.approx(clean.score, abs=1e-6)


def test_too_few_held_out_images_give_no_limit() -> None:
    train = anatomy(30, 1)
    search = CopySearch(train)

    assert fit_copy_limit(search.find(anatomy(19, 2)), 0.01) is None
    assert fit_copy_limit(search.find(train), 0.01) is None, "they are training images"


@pytest.mark.parametrize(("sizes", "flagged"), [((200, 200), 0.01), ((40, 200), 0.05), ((300, 50), 0.04)])
def test_as_many_flagged_images_as_among_held_out_ones_are_chance(sizes: tuple[int, int], flagged: float) -> None:
    """The limit is the quantile of one sample; 1 of 100 other samples of the same population exceed the bound."""
    rng = np.random.default_rng(0)
    names = [np.arange(size).astype(str) for size in sizes]
    alarms = []
    for _ in range(150):
        held_out, others = rng.random(sizes[1]), rng.random(sizes[0])
        limit = np.sort(held_out)[::-1][round(flagged * sizes[1])]
        alarms.append(unexplained_share(others > limit, held_out > limit, names) > 0)

    assert np.mean(alarms) <= 0.035


def test_flags_of_one_subject_count_once() -> None:
    flagged, none = np.arange(200) < 12, np.arange(200) < 1
    single, slices = np.arange(200).astype(str), (np.arange(200) // 12).astype(str)

    assert unexplained_share(flagged, none, [single, single]) > 0
    assert unexplained_share(flagged, none, [slices, single]) == 0


def test_a_group_is_not_matched_with_itself() -> None:
    images = anatomy(6, 0)
    names = ["a", "a", "b", "b", "c", "c"]

    found = CopySearch(images).find(images, names, names)

    assert all(names[i] != names[j] for i, j in enumerate(found.index))
    assert all(names[i] != names[j] for i, j in enumerate(found.second))
    assert not surely_identical(found).any()


def test_flat_images_are_like_nothing() -> None:
    found = CopySearch(anatomy(3, 0)).find(np.full((2, 1, SIDE, SIDE), 0.5, dtype=np.float32))

    assert found.correlation.tolist() == pytest.approx([0, 0])
    assert found.likeness.tolist() == pytest.approx([0, 0])
    assert not found.mixture.any()


def test_a_mirrored_volume_has_its_sagittal_slices_in_reverse_order() -> None:
    volume = np.random.default_rng(0).random((8, 8, 8)).astype(np.float32)

    def stacks(voxels: Array) -> Array:
        return np.stack([np.stack([voxels.take(k, axis).T for k in (1, 3, 4, 6)]) for axis in (2, 1, 0)])[
            None, :, :, None
        ]

    assert np.array_equal(mirror(stacks(volume), FLIPS[1]), stacks(volume[::-1]))
    assert np.array_equal(mirror(stacks(volume), FLIPS[2]), stacks(volume[:, :, ::-1]))


def test_the_rate_of_an_attack_that_knows_a_few_members_for_sure() -> None:
    rng = np.random.default_rng(0)
    members, others = rng.normal(size=1000), rng.normal(size=1000)
    members[:100] += 10

    assert true_positive_rate(members, others) == pytest.approx(0.11, abs=0.01)


def test_repetition_does_not_depend_on_the_size_of_the_set() -> None:
    """Values of pairs are drawn from one distribution: in larger sets the nearest of all others is ever nearer."""
    rng = np.random.default_rng(0)
    shares = []
    for size in (150, 1500):
        pairs = np.sort(rng.random((size, size - 1)), axis=1)[:, ::-1]
        nearest = NearestOthers(pairs[:, :64].astype(np.float32), np.full(size, size - 1.0))
        shares.append(nearest.repeated(0.9995, 100))

    assert shares == pytest.approx([0.0485, 0.0485], abs=0.03)
