"""A CSV or a folder of images as a manifest; what cannot be read is an error, or left out and said."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from gandlf_synth.data.formats.cache_folder import writable_cache
from gandlf_synth.data.formats.readers import is_readable, readable_in_words
from gandlf_synth.data.formats.recorded_scale import scan_in_data_units
from gandlf_synth.data.formats.scan import Scans, scan_files
from gandlf_synth.data.formats.shards.index import is_store
from gandlf_synth.data.formats.shards.location import as_place
from gandlf_synth.data.table.manifest import Manifest, read_manifest
from gandlf_synth.data.table.stored_manifest import rows_of_store
from gandlf_synth.errors import DataError, Problem, listing
from gandlf_synth.files import write_csv
from gandlf_synth.model_folder import InferenceFolder
from gandlf_synth.progress import Progress
from gandlf_synth.provenance import digest


@dataclass(frozen=True)
class ImageSet:
    """A set of images.

    Args:
        name: ``real``, ``synthetic`` or ``train``.
        path: the CSV or folder.
        manifest: its samples.
        scans: what each file holds, in the units of the data where the file records them.
        cautions: what was left out.
        facts: what was brought back to the units of the data.
    """

    name: str
    path: Path
    manifest: Manifest
    scans: Scans
    cautions: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @property
    def unmasked(self) -> Manifest:
        """The samples with what is compared only: masks, regions and sources are not scanned."""
        samples = self.manifest.samples
        return self.manifest.subset(replace(sample, mask=None, region=None, sources=()) for sample in samples)


def load_image_set(name: str, source: Path, cache: Path, progress: Progress, *, skip_unreadable: bool) -> ImageSet:
    """Return the images of a CSV or a store, of a folder of ``generate``, or of any folder (one file, one image).

    Raises:
        DataError: nothing there; fewer than two images; without ``skip_unreadable``, unusable files are found later.
    """
    source = as_place(source)
    manifest = rows_of_store(source) if is_store(source) else read_manifest(_find_csv(source, cache))
    stored = scan_files([path for sample in manifest.samples for path in sample.channels], cache, progress)
    scans = {path: scan_in_data_units(path, scan) for path, scan in stored.items()}
    converted = sum(scans[path] is not scan for path, scan in stored.items())
    cautions, facts = list[str](), list[str]()
    if converted:
        facts.append(f"{name}: the values of {converted} pictures are taken in the units of the data, as they record")
    if skip_unreadable:
        usable = [s for s in manifest.samples if not any(scans[path].problem for path in s.channels)]
        left_out = len(manifest.samples) - len(usable)
        if left_out:
            bad = [path for sample in manifest.samples for path in sample.channels if scans[path].problem]
            reasons = listing((f"{path} {(scans[path].problem or ('',))[0]}" for path in bad), 5)
            cautions.append(f"{name}: {left_out} of {len(manifest.samples)} images left out: {reasons}")
        manifest = manifest.subset(usable)
    if not manifest.samples:
        raise DataError(
            Problem(f"{name} images in {source}", "holds no usable image", "at least 1; 50 or more for a useful answer")
        )
    return ImageSet(name, source, manifest, scans, tuple(cautions), tuple(facts))


def _find_csv(source: Path, cache: Path) -> Path:
    if not source.is_dir():
        return source
    generated = InferenceFolder(source).images_csv
    if generated.is_file():
        return generated
    inside = sorted(folder for folder in source.iterdir() if InferenceFolder(folder).images_csv.is_file())
    if len(inside) > 1:
        what = f"holds {len(inside)} sets of generated images: {listing(folder.name for folder in inside)}"
        raise DataError(Problem(str(source), what, fix="name one of these folders"))
    if inside:
        return InferenceFolder(inside[0]).images_csv
    files = sorted(_images_under(source))
    if not files:
        raise DataError(
            Problem(str(source), "holds no images", readable_in_words(), "a CSV with a column Channel_0 works too")
        )
    path = writable_cache(cache) / "folders" / f"{digest([str(file) for file in files])}.csv"
    write_csv(path, [["Channel_0"], *([str(file.resolve())] for file in files)])
    return path


def _images_under(root: Path) -> Iterable[Path]:
    for folder, names, files in os.walk(root, followlinks=True):
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield from (Path(folder) / file for file in files if not file.startswith(".") and is_readable(Path(file)))
