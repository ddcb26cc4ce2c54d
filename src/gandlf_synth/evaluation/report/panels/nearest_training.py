"""The synthetic images most like a training image, beside it."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from gandlf_synth.evaluation.report.figures import Axes, figure, legend, lines, mark
from gandlf_synth.evaluation.report.panels.panel import Panel, StoredEvaluation
from gandlf_synth.evaluation.report.pictures import Picture, Pixels, picture
from gandlf_synth.evaluation.report.templates import render_part, short_path
from gandlf_synth.evaluation.store import Arrays
from gandlf_synth.metrics.intervals import Floats
from gandlf_synth.metrics.results import CopyPair, Outcome
from gandlf_synth.metrics.slicing import STACKS

_LARGEST = 256
_LARGEST_SLICE = 128


@dataclass(frozen=True)
class PairView:
    """A pair as the page shows it.

    Args:
        pair: the two images in words.
        sides: the pictures of each; more than one for volumes, each with its direction and slice.
        answer: what is said of privacy.
    """

    pair: CopyPair
    sides: tuple[list[tuple[str, int, Picture]], list[tuple[str, int, Picture]]]
    answer: Outcome = "unknown"

    @property
    def verdict(self) -> str:
        """What the pair is called.

        Held-out images are flagged by chance, too. So a flagged pair is a copy only if it is one to the pixel, or is
        nearer than held-out images get while more of them are near than chance gives.
        """
        pair = self.pair
        if not pair.flagged:
            return ""
        if pair.held_out or self.answer == "good":
            return "as near as a copy"
        if pair.identical or (pair.beyond and self.answer == "bad"):
            return "copy"
        return "perhaps a copy" if pair.beyond or self.answer == "bad" else "as near as a copy"

    @property
    def called_copy(self) -> bool:
        """Whether it is called a copy, surely or perhaps."""
        return self.verdict in ("copy", "perhaps a copy")

    @property
    def key(self) -> str:
        """What answers are saved under."""
        return f"{self.pair.synthetic}|{self.pair.training}"

    @property
    def caption(self) -> str:
        """How alike the two are."""
        pair = self.pair
        second = f" with {short_path(pair.second)}" if pair.second else ""
        return f"{pair.kind}{second}; correlation {pair.correlation:.4f}, of the detail {pair.likeness:.3f}"

    @property
    def files(self) -> tuple[str, str]:
        """The ends of both paths."""
        return short_path(self.pair.synthetic), short_path(self.pair.training)


def render_pairs(stored: StoredEvaluation, *, flagged: bool, held_out: bool = False) -> Markup:
    """Return the pairs that were called copies, or the others; nothing where there are none.

    Args:
        stored: the evaluation.
        flagged: which of the synthetic images' pairs.
        held_out: instead, all pairs of held-out real images.
    """
    arrays = stored.arrays
    answers = {verdict.question: verdict.outcome for verdict in stored.evaluation.verdicts}
    answer = answers.get("private", "unknown")
    views = [
        PairView(pair, (_side(arrays, k, 0, pair.synthetic), _side(arrays, k, 1, pair.training)), answer)
        for k, pair in enumerate(stored.evaluation.copies)
        if pair.held_out == held_out and (held_out or pair.flagged == flagged)
    ]
    if not views:
        return Markup("")
    slices = arrays["pair_slices"].shape[3] if "pair_slices" in arrays else 1
    return render_part(
        "pairs.html",
        views=views,
        directions=STACKS,
        slices=slices,
        middle=slices // 2 + 1,
    )


def nearest_training_panel(stored: StoredEvaluation) -> Panel | None:
    """Return how alike nearest images are, and the pairs that are no copies; copies stand with the verdict."""
    arrays = stored.arrays
    if not stored.evaluation.copies or not len(arrays["correlation"]):
        return None
    others = render_pairs(stored, flagged=False, held_out=True)
    pairs = render_pairs(stored, flagged=False)
    if pairs:
        pairs = Markup("<h3>Synthetic images most like a training image, and no copies</h3>{}").format(pairs)
    if others:
        others = Markup("<h3>For comparison: held-out real images most like a training image</h3>{}").format(others)
    return Panel(
        "Nearest training images",
        "How alike each image and the nearest training image are, and the pairs that are most alike and no copies; "
        "copies are shown with the verdict.",
        "Synthetic and held-out real images are alike; pairs differ in anatomy.",
        "Synthetic images beyond the limit, pairs that show the same patient.",
        "Do not share flagged images. Train shorter, with more images or augmentation; "
        "then evaluate again with --train.",
        Markup("{}{}{}{}").format(legend("held-out real", "synthetic"), _scores(arrays), pairs, others),
        width="full",
    )


def _side(arrays: Arrays, row: int, side: int, name: str) -> list[tuple[str, int, Picture]]:
    kind = ("synthetic", "training")[side]
    if "pair_slices" not in arrays:
        return [("", 1, picture(arrays["pairs"][row][side], f"{kind} {name}", largest=_LARGEST))]
    volume: Pixels = arrays["pair_slices"][row][side]
    return [
        (STACKS[stack], k + 1, picture(plane, f"{kind} {name}, {STACKS[stack]} slice {k + 1}", largest=_LARGEST_SLICE))
        for stack, planes in enumerate(volume)
        for k, plane in enumerate(planes)
    ]


def _scores(arrays: Arrays) -> Markup:
    """Return the share of images that are at least so alike, of both sets."""
    sets: list[Floats] = [np.sort(arrays[name])[::-1] for name in ("held_out", "correlation")]
    lowest, limit = min(float(np.quantile(part, 0.02)) for part in sets), float(arrays["limit"])
    highest = 3 * max(limit, 1.0)
    sets = [np.minimum(part, highest) for part in sets]
    title = "likeness to a training image (0: half of held-out images, 1: a tenth)"
    axes = Axes((lowest, highest), (0, 1), title, "share at least so alike")
    drawn: dict[str, tuple[Floats, Floats]] = {
        name: (np.repeat(part, 2)[1:], np.repeat(np.arange(1, len(part) + 1) / len(part), 2)[:-1])
        for name, part in zip(("real", "synthetic"), sets, strict=True)
    }
    inside: dict[str, tuple[Floats, Floats]] = {
        name: (x[x >= lowest], y[x >= lowest]) for name, (x, y) in drawn.items()
    }
    content = [*lines(axes, inside), mark(axes, limit, "limit")]
    return figure(axes, content, "share of held-out real and of synthetic images that are at least so alike")
