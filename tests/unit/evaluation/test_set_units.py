"""Sets in different units: the same pictures are the same pictures, and what differs is named."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.factories import Array, heads, spec_of, verdict_of, write_nifti

from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.recorded_scale import read_in_data_units
from gandlf_synth.data.formats.writers import choose_writer
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import DataError
from gandlf_synth.evaluation.paired.request import PairedRequest
from gandlf_synth.evaluation.paired.run import run_paired
from gandlf_synth.evaluation.report import render_markdown, render_page
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.store import EvaluationFolder
from gandlf_synth.progress import no_progress
from gandlf_synth.synthesis.image_files import ImageFiles
from gandlf_synth.synthesis.layout import PlainLayout
from gandlf_synth.synthesis.requests import ImageRequest

Saved = Callable[..., Path]
Evaluated = Callable[..., Evaluation]


def deep(images: Array, factor: int = 257) -> Array:
    return images.astype(np.uint16) * factor


def spectrum_db(found: Evaluation) -> float:
    metric = found.metric("spectrum")
    assert metric is not None
    assert metric.value is not None
    return metric.value.value


@pytest.mark.parametrize("factor", [257, 16])
def test_the_same_pictures_in_eight_and_sixteen_bits_are_the_same(
    saved: Saved, evaluated: Evaluated, factor: int
) -> None:
    images = heads(40, 1)

    found = evaluated(saved("real", deep(images, factor)), saved("synthetic", images))

    assert spectrum_db(found) == pytest.approx(0, abs=0.05)
    answer = verdict_of(found, "faithful")
    assert answer.outcome == "look"
    assert [check.metric for check in answer.checks if check.outcome in ("look", "bad")] == ["units"]
    assert "Values are in another unit" in answer.sentence
    (warning,) = found.warnings
    assert warning.startswith("different units: real images span ")
    assert "(uint16), synthetic images" in warning
    assert f"{factor} times apart. Each set is compared in its own window" in warning


def test_the_unit_is_named_before_the_verdicts_of_the_page(saved: Saved, evaluated: Evaluated, tmp_path: Path) -> None:
    images = heads(12, 1)

    found = evaluated(saved("real", deep(images)), saved("synthetic", images))
    page = render_page(*EvaluationFolder(tmp_path / "out").read())

    assert page.index("different units: real images span") < page.index('class="verdicts"')
    assert "> different units: real images span" in render_markdown(found)


def test_one_window_is_kept_where_it_is_asked_for(saved: Saved, evaluated: Evaluated) -> None:
    images = heads(12, 1)

    found = evaluated(saved("real", deep(images)), saved("synthetic", images), intensity="common")

    assert found.comparison["intensity_rule"].startswith("one window")
    assert found.warnings[0].startswith("are these different units?")


def test_images_without_contrast_are_no_other_unit(saved: Saved, evaluated: Evaluated) -> None:
    images = heads(12, 1)
    grey = (120 + heads(12, 2) / 40).astype(np.uint8)

    found = evaluated(saved("real", images), saved("synthetic", grey))

    assert verdict_of(found, "faithful").outcome == "bad"
    assert found.comparison["intensity_rule"] == "one window for all images, clipped: 0 to 255"


def test_8_bit_pictures_that_are_brighter_are_in_no_other_unit(saved: Saved, evaluated: Evaluated) -> None:
    images = heads(12, 1) // 3

    found = evaluated(saved("real", images), saved("synthetic", (images + 60).astype(np.uint8)))

    assert not found.warnings
    assert found.comparison["intensity_rule"] == "one window for all images, clipped: 0 to 255"


def test_ct_without_its_intercept_is_told(evaluated: Evaluated, tmp_path: Path) -> None:
    for k, head in enumerate(heads(8, 1)):
        hounsfield = head.astype(np.int16)[..., None].repeat(8, axis=-1) * 8 - 1000
        write_nifti(tmp_path / "real" / f"{k}.nii.gz", hounsfield)
        write_nifti(tmp_path / "synthetic" / f"{k}.nii.gz", hounsfield + 1024)

    found = evaluated(tmp_path / "real", tmp_path / "synthetic", slices=2)

    assert "as if 1024 were added" in found.warnings[0]


def write_pictures(folder: Path, spec: DataSpec, images: Array) -> Path:
    """Write ``images`` (8 bits) as ``generate --format png`` does."""
    folder.mkdir()
    writer = choose_writer("png", "rad", 2, "uint8")
    files = ImageFiles(PlainLayout(folder, spec.column_names), writer, spec, {})
    requests = [ImageRequest(index, index, None) for index in range(len(images))]
    for request, image in zip(requests, images, strict=True):
        files.write(request, (image.T[None] / 127.5 - 1).astype(np.float32), {})
    return folder


def deep_spec() -> DataSpec:
    return spec_of("uint16", shape=(32, 32), spatial_dims=2, physical=False, low=(0.0,), high=(65535.0,))


def test_pictures_that_generate_writes_record_their_scale(saved: Saved, evaluated: Evaluated, tmp_path: Path) -> None:
    images = heads(12, 1)
    folder = write_pictures(tmp_path / "generated", deep_spec(), images)
    path = folder / "generated_image_0.png"

    stored, restored = read_image(path), read_in_data_units(path)
    assert np.array_equal(stored.array[0], images[0].T)
    assert np.allclose(restored.array[0], deep(images[0]).T)
    assert json.loads(path.with_suffix(".json").read_text())["values"]["scale"] == [257.0]

    found = evaluated(saved("real", deep(images)), folder)
    assert found.warnings == []
    assert found.comparison["intensity_rule"].startswith("one window")
    assert spectrum_db(found) == pytest.approx(0, abs=0.05)
    assert any("12 pictures are taken in the units of the data" in note for note in found.facts)


def test_pairs_are_compared_in_the_units_of_the_data_or_not_at_all(saved: Saved, tmp_path: Path) -> None:
    images = heads(6, 1)
    real, other = saved("real", deep(images)), saved("other", images)
    folder = write_pictures(tmp_path / "generated", deep_spec(), images)
    for k in range(6):
        (folder / f"generated_image_{k}.png").rename(folder / f"{k}.png")
    request = PairedRequest(real, folder, tmp_path / "out", ("mean_absolute_error",))

    assert run_paired(request, no_progress).metrics["mean_absolute_error"].value == pytest.approx(0, abs=1)
    with pytest.raises(DataError, match=r"in another unit than the originals: real images span .* 257 times apart"):
        run_paired(PairedRequest(real, other, tmp_path / "out"), no_progress)
