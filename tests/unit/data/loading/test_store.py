"""Prepared images: made once, found again by content and code, and never read damaged."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from tests.factories import blob, write_nifti
from tests.opened import opened_files
from tests.ordinary_user import as_ordinary_user

from gandlf_synth import registry
from gandlf_synth.config import Step
from gandlf_synth.data.formats.cache_folder import writable_cache
from gandlf_synth.data.loading.dataset import PreparedDataset
from gandlf_synth.data.loading.patches import Patches
from gandlf_synth.data.loading.prepared import PreparedSamples
from gandlf_synth.data.loading.store import prepare
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError

PIPELINE = Pipeline((), (1,), (8, 8))
AS_IT_IS = ValueRange(np.array([1e-3]), np.array([0.0]))
IMAGE_BYTES = 8 * 8 * 4
PLUGIN = """
import numpy as np
from gandlf_synth.data.processing.base import Transform
from gandlf_synth.registry import register

@register("preprocessing", "brighter")
class Brighter(Transform):
    def __call__(self, image):
        return image.rescaled(np.full(image.num_channels, {factor}), np.zeros(image.num_channels))
"""


def images_in(folder: Path, count: int = 4) -> Manifest:
    paths = [write_nifti(folder / f"{index}.nii.gz", blob((8, 8), index)) for index in range(count)]
    return Manifest(folder / "data.csv", tuple(Sample(n + 1, f"s{n}", (path,)) for n, path in enumerate(paths)), "rows")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return images_in(tmp_path / "images")


def voxel_files(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.bin"))


def batch_of(samples: PreparedSamples) -> np.ndarray:
    """Return all images as a network gets them, with the range undone."""
    images = PreparedDataset(samples, AS_IT_IS).__getitems__(range(len(samples)))["image"]
    return images[:, 0].numpy() * 1000


def wanted(count: int = 4) -> np.ndarray:
    return np.stack([blob((8, 8), index) for index in range(count)])


def flip_a_bit(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x40
    path.write_bytes(content)


def test_voxels_lie_on_disk_once(manifest: Manifest, tmp_path: Path) -> None:
    batch_of(prepare(manifest, PIPELINE, tmp_path / "c"))

    large = [path for path in (tmp_path / "c").rglob("*") if path.is_file() and path.suffix not in (".sqlite",)]
    assert sum(path.stat().st_size for path in large) == 4 * IMAGE_BYTES


def test_the_same_images_elsewhere_are_found_again_and_others_are_not(manifest: Manifest, tmp_path: Path) -> None:
    prepare(manifest, PIPELINE, tmp_path / "c")
    prepare(images_in(tmp_path / "a_copy"), PIPELINE, tmp_path / "c")
    once = voxel_files(tmp_path / "c")
    prepare(images_in(tmp_path / "a_copy", 5), PIPELINE, tmp_path / "c")
    (more,) = set(voxel_files(tmp_path / "c")) - set(once)

    assert len(once) == 1
    assert more.stat().st_size == IMAGE_BYTES


def test_voxels_that_changed_under_the_same_size_are_prepared_again(manifest: Manifest, tmp_path: Path) -> None:
    prepare(manifest, PIPELINE, tmp_path / "c")
    write_nifti(manifest.samples[0].channels[0], blob((8, 8), 9))

    assert np.allclose(batch_of(prepare(manifest, PIPELINE, tmp_path / "c"))[0], blob((8, 8), 9), atol=1e-3)


def test_a_step_whose_code_changed_is_done_again(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    values = []
    for factor in (1.0, 0.5):
        (tmp_path / "brighter_step.py").write_text(PLUGIN.format(factor=factor))
        registry.load_plugin(tmp_path / "brighter_step.py")
        pipeline = Pipeline((Step(name="brighter"),), (1,), (8, 8))
        values.append(batch_of(prepare(manifest, pipeline, tmp_path / "c")))

    assert np.allclose(values[1], values[0] / 2, atol=1e-3)


def test_a_flipped_bit_is_found_when_it_is_first_read_and_mended(
    manifest: Manifest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepare(manifest, PIPELINE, tmp_path / "c")
    (file,) = voxel_files(tmp_path / "c")
    whole = file.read_bytes()
    flip_a_bit(file, IMAGE_BYTES + 3)

    images = batch_of(prepare(manifest, PIPELINE, tmp_path / "c"))

    assert np.allclose(images, wanted(), atol=1e-3)
    assert file.read_bytes() == whole
    assert f"{file} in the cache is damaged" in caplog.text


def test_a_flipped_bit_whose_image_is_gone_is_an_error_that_says_what_to_do(manifest: Manifest, tmp_path: Path) -> None:
    samples = prepare(manifest, PIPELINE, tmp_path / "c")
    flip_a_bit(voxel_files(tmp_path / "c")[0], 3)
    for sample in manifest.samples:
        sample.channels[0].unlink()

    with pytest.raises(DataError, match=r"row \d, column Channel_0 .*does not exist"):
        batch_of(samples)


def test_a_flipped_bit_in_a_volume_that_patches_are_cut_from_is_mended(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", blob((12, 12, 12), 0))
    volumes = Manifest(tmp_path / "data.csv", (Sample(1, "s", (path,)),), "rows")
    samples = prepare(volumes, Pipeline((), (1,), None), tmp_path / "c")
    patches = PreparedDataset(samples, AS_IT_IS, patches=Patches((8, 8, 8), 1, weighted=False), fixed=True)
    first = patches.__getitems__([0])["image"]
    (file,) = voxel_files(tmp_path / "c")
    flip_a_bit(file, 2 * 12**3 + 3)

    again = PreparedDataset(
        prepare(volumes, Pipeline((), (1,), None), tmp_path / "c"), AS_IT_IS,
        patches=Patches((8, 8, 8), 1, weighted=False), fixed=True,
    ).__getitems__([0])["image"]  # fmt: skip

    assert first.equal(again)


def test_a_file_of_voxels_that_is_too_short_is_no_crash(manifest: Manifest, tmp_path: Path) -> None:
    prepare(manifest, PIPELINE, tmp_path / "c")
    (file,) = voxel_files(tmp_path / "c")
    file.write_bytes(file.read_bytes()[: IMAGE_BYTES + 8])

    assert np.allclose(batch_of(prepare(manifest, PIPELINE, tmp_path / "c")), wanted(), atol=1e-3)


def test_an_interrupted_preparation_goes_on_where_it_was(manifest: Manifest, tmp_path: Path) -> None:
    def interrupted(items: Iterable[object], _total: int, _description: str) -> Iterable[object]:
        for number, item in enumerate(items):
            if number == 3:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        prepare(manifest, PIPELINE, tmp_path / "c", interrupted)
    with opened_files() as opened:
        prepare(manifest, PIPELINE, tmp_path / "c")

    assert {Path(name).name for name in opened if name.endswith(".nii.gz")} == {"3.nii.gz"}


def test_a_shared_cache_that_can_only_be_read_is_trained_from_and_damage_in_it_does_no_harm(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, shared, own = images_in(open_folder / "images"), open_folder / "shared", open_folder / "own"
    prepare(manifest, PIPELINE, shared)
    flip_a_bit(voxel_files(shared)[0], 3)
    for path in (shared, *shared.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    own.mkdir()
    own.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(own))
    writable_cache.cache_clear()
    more = images_in(open_folder / "images", 5)

    with as_ordinary_user():
        samples = prepare(more, PIPELINE, shared)
        first, again = batch_of(samples), batch_of(samples)

    assert np.allclose(first, wanted(5), atol=1e-3)
    assert np.array_equal(first, again)
    assert [path.stat().st_size for path in voxel_files(own)] == [IMAGE_BYTES]
