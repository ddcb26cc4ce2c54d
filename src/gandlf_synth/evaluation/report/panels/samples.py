"""Random images of both sets, side by side."""

from gandlf_synth.evaluation.report.panels.panel import Panel, StoredEvaluation
from gandlf_synth.evaluation.report.pictures import Picture, Pixels, picture, sheet
from gandlf_synth.evaluation.report.templates import render_part
from gandlf_synth.metrics.slicing import STACKS


def samples_panel(stored: StoredEvaluation) -> Panel:
    """Return random images; of volumes, slices that one slider moves through in both sets."""
    arrays = stored.arrays
    sets = {name: arrays[f"samples_{name}"] for name in ("real", "synthetic")}
    if sets["real"].shape[1] == 1:
        content = render_part("samples.html", sets={name: _flat(name, planes) for name, planes in sets.items()})
    else:
        stacks = {name: slice_sheets(name, planes) for name, planes in sets.items()}
        slices = sets["real"].shape[2]
        content = render_part("slices.html", sets=stacks, directions=STACKS, slices=slices, middle=slices // 2 + 1)
    return Panel(
        "Samples",
        "Random images of both sets, on the grid on which they are compared.",
        "You cannot say which side is which.",
        "Odd anatomy, seams, checkerboards, blur, the same image again and again.",
        "Show them to somebody who reads such images, without saying which are real: the quiz on this page does so.",
        content,
        width="full",
    )


def _flat(name: str, planes: Pixels) -> list[Picture]:
    return [picture(plane[0, 0], f"{name} image {k + 1} of {len(planes)}") for k, plane in enumerate(planes)]


def slice_sheets(name: str, planes: Pixels) -> list[tuple[str, int, Picture]]:
    """Return direction, number and picture of every slice of ``(n, stacks, slices, channels, rows, columns)``."""
    _, stacks, slices = planes.shape[:3]
    return [
        (
            STACKS[stack],
            k + 1,
            sheet(planes[:, stack, k], f"{name}, {STACKS[stack]} slice {k + 1} of {slices}", len(planes)),
        )
        for stack in range(stacks)
        for k in range(slices)
    ]
