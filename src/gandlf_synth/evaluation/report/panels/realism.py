"""The most, the typically and the least realistic synthetic images."""

from gandlf_synth.evaluation.report.panels.panel import Panel, StoredEvaluation
from gandlf_synth.evaluation.report.pictures import picture
from gandlf_synth.evaluation.report.templates import render_part, short_path

_GROUPS = ("most realistic", "typical", "least realistic")


def realism_panel(stored: StoredEvaluation) -> Panel | None:
    """Return the images at both ends and in the middle of the realism score."""
    arrays = stored.arrays
    planes, scores, files = (arrays[name] for name in ("extremes", "extremes_score", "extremes_file"))
    if not len(planes):
        return None
    count = len(planes) // len(_GROUPS)
    pictures = [
        picture(plane, f"{_GROUPS[k // count]} synthetic image {files[k]}", f"{scores[k]:.2f} · {short_path(files[k])}")
        for k, plane in enumerate(planes)
    ]
    groups = {name: pictures[k * count : (k + 1) * count] for k, name in enumerate(_GROUPS)}
    return Panel(
        "Most and least realistic",
        "Synthetic images by their realism score (Kynkäänniemi et al. 2019): above 1, an image lies among real ones in "
        "feature space.",
        "The least realistic ones could still be real.",
        "Broken or empty images among the least realistic ones.",
        "images.csv has the score of every image (column realism): leave out what a reader would reject, and say so.",
        render_part("groups.html", groups=groups),
        width="full",
    )
