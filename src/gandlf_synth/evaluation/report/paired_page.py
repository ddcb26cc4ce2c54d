"""The page of a paired comparison: every metric, what is to be said of it, and the worst pairs with their errors."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image as Picture

from gandlf_synth.evaluation.paired.comparison import SSIM_METRICS, Comparison
from gandlf_synth.evaluation.report.templates import load_template, page_file
from gandlf_synth.metrics.intervals import Estimate


@dataclass(frozen=True)
class PairShown:
    """One of the worst pairs.

    Args:
        subject: of the original.
        values: of every metric.
        picture: original, reconstruction and errors side by side; None: not shown.
        error_map: the name of the image of its errors.
    """

    subject: str
    values: Mapping[str, float]
    picture: NDArray[np.uint8] | None = None
    error_map: str = ""

    @property
    def address(self) -> Markup:
        """The picture as a ``data:`` address, empty without one."""
        if self.picture is None:
            return Markup("")
        buffer = io.BytesIO()
        Picture.fromarray(self.picture).save(buffer, format="PNG", optimize=True)
        return Markup(f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}")  # noqa: S704


def render_paired(
    metrics: Mapping[str, Estimate],
    per_class: Mapping[str, Mapping[str, Estimate]],
    notes: Sequence[str],
    comparison: Comparison,
    worst: Sequence[PairShown],
    count: int,
) -> str:
    """Return the page.

    Args:
        metrics: the mean of every metric.
        per_class: the same per class; empty without classes.
        notes: what a reader must know.
        comparison: how pairs were compared.
        worst: the worst pairs by the first metric, the worst first.
        count: how many pairs there are.
    """
    parameters = {
        name: ", ".join(f"{key} {value}" for key, value in comparison.metrics.get(name, {}).items()) for name in metrics
    }
    return load_template("paired.html").render(
        metrics=metrics,
        parameters=parameters,
        misleading=SSIM_METRICS,
        classes=per_class,
        notes=notes,
        comparison=comparison,
        worst=worst,
        count=count,
        style=page_file("style.css"),
    )
