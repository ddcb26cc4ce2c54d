"""Whole volumes in NiiVue, two beside each other; the slices of the other panels do without it."""

import base64
import gzip
from importlib.resources import files

import numpy as np

from gandlf_synth.evaluation.report.panels.panel import Panel, StoredEvaluation
from gandlf_synth.evaluation.report.templates import render_part, short_path

_VIEWER = "niivue-0.69.0.umd.js.gz"
_LICENSE = "niivue.LICENSE.txt"


def volumes_panel(stored: StoredEvaluation) -> Panel | None:
    """Return the viewer with its volumes; None where the images are pictures."""
    names = stored.arrays.get("volume_names")
    if names is None or not len(names):
        return None
    vendor = files("gandlf_synth.evaluation.report") / "vendor"
    volumes = [
        {"name": _short(str(name)), "nifti": _nifti(stored.arrays[f"volume_{k}"], stored.arrays[f"affine_{k}"])}
        for k, name in enumerate(names)
    ]
    first_synthetic = next((k for k, name in enumerate(names) if str(name).startswith("synthetic")), 0)
    left_and_right = (0, 1) if str(names[0]).startswith("copy") else (first_synthetic, 0)
    content = render_part(
        "volumes.html",
        volumes=volumes,
        chosen=left_and_right,
        viewer=base64.b64encode((vendor / _VIEWER).read_bytes()).decode(),
        license=(vendor / _LICENSE).read_text(encoding="utf-8"),
    )
    return Panel(
        "Volumes",
        "Two volumes beside each other; a click in one moves both, the wheel goes through slices. Copies come first.",
        "Structures go on smoothly from slice to slice, in all three directions.",
        "Steps between slices; organs that end; a copy and its training image that agree everywhere.",
        "Compare a synthetic volume with several real ones.",
        content,
        width="full",
        printed=False,
    )


def _short(name: str) -> str:
    kind, _, path = name.partition(": ")
    return f"{kind}: {short_path(path)}"


def _nifti(volume: np.ndarray, affine: np.ndarray) -> str:
    """Return a volume as a compressed NIfTI file in base64."""
    import nibabel

    content = nibabel.Nifti1Image(volume, affine).to_bytes()
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()
