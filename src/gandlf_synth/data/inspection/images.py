"""Images in which there is nothing to see."""

from collections.abc import Iterable

from gandlf_synth.data.inspection.finding import Finding
from gandlf_synth.data.inspection.fingerprint import Scans
from gandlf_synth.data.table.manifest import Manifest


def constant_images(manifests: Iterable[Manifest], scans: Scans) -> list[Finding]:
    """Return images of which 99 % of the voxels in some channel have one value."""
    found = []
    for manifest in manifests:
        for sample in manifest.samples:
            for column, path in enumerate(sample.channels):
                scan = scans[path]
                if scan.problem is None and any(low == high for low, high in zip(scan.low, scan.high, strict=True)):
                    what = f"is {scan.low[0]:g} nearly everywhere; leave the row out unless that is meant"
                    where = manifest.where(sample, column)
                    found.append(Finding("warning", "constant", where, what, str(manifest.path), sample.row))
    return found
