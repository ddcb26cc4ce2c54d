"""A blinded quiz: real or synthetic?"""

from gandlf_synth.evaluation.report.panels.panel import Panel, StoredEvaluation
from gandlf_synth.evaluation.report.pictures import picture
from gandlf_synth.evaluation.report.templates import render_part


def quiz_panel(stored: StoredEvaluation) -> Panel:
    """Return the quiz, whose images and answers the page's script reads."""
    arrays = stored.arrays
    items = [
        {"src": picture(plane, "", largest=160).uri, "synthetic": bool(synthetic)}
        for plane, synthetic in zip(arrays["quiz"], arrays["quiz_synthetic"], strict=True)
    ]
    return Panel(
        "Real or synthetic?",
        f"{len(items)} images, half of them real, one after the other; the page counts how many you get right.",
        "About half right, which is what guessing gives.",
        "Clearly more than half right: a reader can tell them apart.",
        "Let several readers do it, each alone, and save their answers.",
        render_part("quiz.html", items=items),
        width="full",
        printed=False,
    )
