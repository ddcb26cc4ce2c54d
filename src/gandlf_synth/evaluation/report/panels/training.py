"""What the training logged."""

from markupsafe import Markup

from gandlf_synth.evaluation.report.figures import Axes, data_range, figure, lines
from gandlf_synth.evaluation.report.panels.panel import Panel, StoredEvaluation

_CURVES = 6


def training_panel(stored: StoredEvaluation) -> Panel | None:
    """Return the curves of the training log, where a model folder was given."""
    arrays = stored.arrays
    names = [name for name in sorted(arrays) if name.startswith("curve:") and len(arrays[name]) > 1][:_CURVES]
    if not names:
        return None
    content = Markup("")
    for name in names:
        points = arrays[name]
        title = name.removeprefix("curve:")
        axes = Axes(data_range(points[:, 0]), data_range(points[:, 1]), "step", title)
        last = f"{points[-1, 1]:.4g} at step {points[-1, 0]:.0f}"
        drawn = lines(axes, {"synthetic": (points[:, 0], points[:, 1])})
        content += figure(axes, drawn, f"{title} during training; {last}")
    return Panel(
        "Training",
        "What the training logged.",
        "Losses that fall and level off; validation beside training.",
        "Validation that rises while training falls: the model memorizes.",
        "Stop earlier, or use checkpoints/best.ckpt.",
        content,
    )
