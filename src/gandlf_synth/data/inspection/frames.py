"""Whether the images of a row lie in one frame of reference, without which equal grids say nothing (PS3.3 C.7.4.1)."""

from collections.abc import Iterator, Sequence

from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.inspection.checks import Finding
from gandlf_synth.data.table.manifest import Manifest, Sample

_WHAT = (
    "lies in another frame of reference than {column}: what their headers say of places cannot be compared, and equal "
    "grids do not mean that they show the same place; register them, unless a program did that and kept the old headers"
)


def other_frames(manifests: Sequence[Manifest], scans: Scans) -> list[Finding]:
    """Return the files that state another frame of reference than the first file of their row that states one.

    Args:
        manifests: the rows.
        scans: of every file.
    """
    return [
        finding for manifest in manifests for sample in manifest.samples for finding in _apart(manifest, sample, scans)
    ]


def _apart(manifest: Manifest, sample: Sample, scans: Scans) -> Iterator[Finding]:
    stating = {name: scans[path].frame for name, path in sample.named_files.items() if scans[path].frame}
    first = next(iter(stating), "")
    for name, frame in stating.items():
        if frame != stating[first]:
            where = f"{manifest.path} row {sample.row}, column {name} ({sample.named_files[name]})"
            what = _WHAT.format(column=first)
            yield Finding("warning", "frame of reference", where, what, str(manifest.path), sample.row)
