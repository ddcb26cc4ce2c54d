"""Histogram matching and stain normalisation against what the papers promise."""

from pathlib import Path

import numpy as np
import pytest
from tests.factories import write_nifti, write_picture

from gandlf_synth.config import Step
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.processing.base import TransformError
from gandlf_synth.data.processing.pipeline import Pipeline, make_transform
from gandlf_synth.data.processing.transforms.stain import stain_colours
from gandlf_synth.errors import ConfigError
from gandlf_synth.geometry import Geometry, picture_geometry

HAEMATOXYLIN, EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])
VIOLET, PINK = np.array([0.55, 0.75, 0.36]), np.array([0.20, 0.93, 0.30])


def stained(first: np.ndarray, second: np.ndarray, seed: int, size: int = 64) -> np.ndarray:
    """RGB rows of a picture with nuclei in the first stain, cytoplasm in the second, and glass."""
    rng = np.random.default_rng(seed)
    first, second = (stain / np.linalg.norm(stain) for stain in (first, second))
    kind = rng.integers(0, 4, (size, size, 1))
    nuclei = np.where(kind == 0, rng.uniform(0.6, 1.4, (size, size, 1)), 0)
    cytoplasm = np.where((kind == 1) | (kind == 2), rng.uniform(0.5, 1.2, (size, size, 1)), 0)
    light = np.exp(-(nuclei * first + cytoplasm * second)) * 255
    return np.rint(light).astype(np.uint8)


def density(pixels: np.ndarray) -> np.ndarray:
    return -np.log(np.clip(pixels.reshape(-1, 3) / 255, 1 / 256, 1))


@pytest.mark.parametrize("extractor", ["macenko", "vahadane"])
def test_the_stains_of_a_mixture_are_found(extractor: str) -> None:
    found = stain_colours(density(stained(VIOLET, PINK, 0)), extractor)

    for stain, own in ((VIOLET, found[0]), (PINK, found[1])):
        cosine = own @ stain / np.linalg.norm(stain)
        assert np.degrees(np.arccos(cosine)) < 6


@pytest.mark.parametrize(("extractor", "least"), [("macenko", 4), ("vahadane", 2)])
def test_a_picture_takes_the_colours_of_the_target(tmp_path: Path, extractor: str, least: float) -> None:
    target = write_picture(tmp_path / "t.png", stained(HAEMATOXYLIN, EOSIN, 1))
    other = stained(VIOLET, PINK, 2)
    image = read_image(write_picture(tmp_path / "a.png", other))
    step = make_transform(Step(name="stain_normalizer", parameters={"target": str(target), "extractor": extractor}))

    changed = step(image).array.transpose(2, 1, 0)

    same_nuclei = stained(HAEMATOXYLIN, EOSIN, 2).astype(float)
    before = np.abs(other - same_nuclei).mean()
    assert np.abs(changed - same_nuclei).mean() < before / least
    glass = (other == 255).all(axis=-1)
    assert (changed[glass] > 250).all()


def test_a_picture_normalised_to_itself_stays(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "t.png", stained(VIOLET, PINK, 0))
    step = make_transform(Step(name="stain_normalizer", parameters={"target": str(path), "extractor": "macenko"}))
    image = read_image(path)

    assert np.abs(step(image).array - image.array).mean() < 3


def test_what_has_no_stain_is_refused(tmp_path: Path) -> None:
    target = write_picture(tmp_path / "t.png", stained(VIOLET, PINK, 0))
    step = make_transform(Step(name="stain_normalizer", parameters={"target": str(target), "extractor": "vahadane"}))
    glass = Image.from_file_values(np.full((3, 9, 9), 250, np.uint8), picture_geometry((9, 9)))

    with pytest.raises(TransformError, match="only 0 pixels are stained"):
        step(glass)
    with pytest.raises(TransformError, match="before normalisation"):
        step(glass.rescaled(np.full(3, 0.1), np.zeros(3)))


def test_histograms_match_in_every_channel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    target = write_nifti(tmp_path / "t.nii.gz", rng.normal(500, 80, (12, 12, 12)).astype(np.float32))
    image = Image.from_file_values(rng.gamma(2, 1, (2, 10, 10, 10)).astype(np.float32), Geometry((10, 10, 10)))

    matched = make_transform(Step(name="histogram_matching", parameters=str(target)))(image)

    wanted = np.percentile(read_image(target).array, [5, 50, 95])
    for channel, own in zip(matched.array, image.array, strict=True):
        assert np.allclose(np.percentile(channel, [5, 50, 95]), wanted, rtol=0.03)
        assert np.array_equal(np.argsort(channel.ravel(), kind="stable"), np.argsort(own.ravel(), kind="stable"))


def test_the_cache_follows_the_target(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "t.png", stained(VIOLET, PINK, 0))
    pipeline = Pipeline((Step(name="histogram_matching", parameters={"target": str(path)}),), (3,), (8, 8))
    before = pipeline.key()
    write_picture(path, stained(VIOLET, PINK, 1, 80))

    assert pipeline.key() != before
    path.unlink()
    with pytest.raises(ConfigError, match=r"histogram_matching: .*t\.png does not exist"):
        pipeline.key()
