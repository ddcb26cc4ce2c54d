"""What the page shows below the verdicts: each panel with what is shown, what is good, what is bad, what to do."""

from dataclasses import dataclass, field
from html import escape

import numpy as np
from markupsafe import Markup

from gandlf_synth.evaluation.report.figures import (
    Axes,
    Pixels,
    bands,
    data_uri,
    figure,
    lines,
    mark,
    mosaic,
    scatter,
    to_picture,
)
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.store import Arrays
from gandlf_synth.metrics.intervals import Floats
from gandlf_synth.metrics.results import CopyPair
from gandlf_synth.metrics.slicing import STACKS

_KEY = Markup('<p class="key"><span class="real">real</span> <span class="synthetic">synthetic</span></p>')
_COLUMNS = 6
_CURVES = 6


@dataclass(frozen=True)
class Panel:
    """A part of the page.

    Args:
        title: its heading.
        what: what is shown.
        good: what good looks like.
        bad: what bad looks like.
        do: what to do about it.
        content: figures, as HTML.
    """

    title: str
    what: str
    good: str
    bad: str
    do: str
    content: list[Markup] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The panel's address in the page."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())


def build_panels(evaluation: Evaluation, arrays: Arrays) -> list[Panel]:
    """Return the panels that have something to show."""
    candidates = [
        _samples(arrays),
        _map(arrays),
        _spectrum(arrays),
        _histogram(arrays),
        _copies(evaluation, arrays),
        _classes(evaluation),
        _curves(arrays),
    ]
    return [panel for panel in candidates if panel is not None]


def _image(pixels: Pixels, alt: str) -> Markup:
    rows, columns = pixels.shape[:2]
    return Markup('<img src="{}" alt="{}" width="{}" height="{}">').format(data_uri(pixels), alt, columns, rows)


def _samples(arrays: Arrays) -> Panel:
    real, synthetic = arrays["samples_real"], arrays["samples_synthetic"]
    content = [_flat(real, synthetic)] if real.shape[1] == 1 else _stacks(real, synthetic)
    return Panel(
        "Samples",
        "Random images of both sets, on the grid on which they are compared.",
        "You cannot say which side is which.",
        "Odd anatomy, seams, checkerboards, blur, the same image again and again.",
        "Show them to somebody who reads such images, without saying which are real.",
        content,
    )


def _flat(real: Pixels, synthetic: Pixels) -> Markup:
    sides = [
        Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(
            _image(mosaic(planes[:, 0, 0], _COLUMNS // 2), f"{len(planes)} random {name} images"), name
        )
        for name, planes in (("real", real), ("synthetic", synthetic))
    ]
    return Markup('<div class="pair">{}</div>').format(Markup("").join(sides))


def _stacks(real: Pixels, synthetic: Pixels) -> list[Markup]:
    """Return one slider per direction; it moves through the slices of all volumes at once."""
    sliders = []
    for stack in range(real.shape[1]):
        slices, sides = real.shape[2], []
        for name, planes in (("real", real), ("synthetic", synthetic)):
            pictures = [
                _image(mosaic(planes[:, stack, k], len(planes)), f"{name}, {STACKS[stack]} slice {k + 1} of {slices}")
                for k in range(slices)
            ]
            sides.append(
                Markup('<figure><div class="stack">{}</div><figcaption>{}</figcaption></figure>').format(
                    Markup("").join(pictures), name
                )
            )
        sliders.append(
            Markup(
                '<div class="slices"><label>{} slice <input type="range" min="1" max="{}" value="{}"> '
                '<output>{}</output> of {}</label><div class="pair">{}</div></div>'
            ).format(STACKS[stack], slices, slices // 2 + 1, slices // 2 + 1, slices, Markup("").join(sides))
        )
    return sliders


def _range(*values: Floats) -> tuple[float, float]:
    every = np.concatenate([np.ravel(value) for value in values])
    low, high = float(every.min()), float(every.max())
    margin = (high - low) * 0.05 or 1.0
    return low - margin, high + margin


def _map(arrays: Arrays) -> Panel:
    real, synthetic = arrays["map_real"], arrays["map_synthetic"]
    method = str(arrays["map_method"])
    axes = Axes(_range(real[:, 0], synthetic[:, 0]), _range(real[:, 1], synthetic[:, 1]), "first axis", "second axis")
    picture = figure(
        axes,
        scatter(axes, {"real": real, "synthetic": synthetic}),
        f"{len(real)} real and {len(synthetic)} synthetic images in two dimensions ({method})",
    )
    return Panel(
        "Map of the features",
        f"Each mark is an image; near marks have similar features ({method}).",
        "Discs and crosses are mixed everywhere.",
        "Crosses in a cluster of their own (unlike real), or regions with discs only (missing variety).",
        "Find out which images lie in regions without crosses; train longer, or give more such images.",
        [_KEY, picture],
    )


def _spectrum(arrays: Arrays) -> Panel:
    real, synthetic = arrays["spectrum_real"], arrays["spectrum_synthetic"]
    x = (np.arange(real.shape[1]) + 0.5) / real.shape[1]
    axes = Axes((0, 1), _range(real, synthetic), "spatial frequency (1 is the finest detail)", "power (dB)")
    picture = figure(
        axes,
        bands(axes, x, {"real": real, "synthetic": synthetic}),
        f"power spectra; at the finest detail the median is {real[1, -1]:.0f} dB in real and "
        f"{synthetic[1, -1]:.0f} dB in synthetic images",
    )
    return Panel(
        "Power spectra",
        "How much there is of coarse (left) and fine detail (right): median, and the middle 90 % of the images.",
        "The lines lie on each other.",
        "The synthetic line falls at the right: blur. It rises there: noise; peaks: checkerboards.",
        "Blur: train longer, weigh the perceptual or adversarial loss more. Noise: more sampling steps.",
        [_KEY, picture],
    )


def _histogram(arrays: Arrays) -> Panel:
    real, synthetic = arrays["histogram_real"], arrays["histogram_synthetic"]
    content = [_KEY]
    for channel in range(len(real)):
        x = (np.arange(real.shape[1]) + 0.5) / real.shape[1]
        logs = [np.log10(np.maximum(part[channel], 1e-5)) for part in (real, synthetic)]
        axes = Axes((0, 1), _range(*logs), f"intensity of channel {channel} (share of the range)", "log₁₀ of the share")
        sets = {"real": (x, logs[0]), "synthetic": (x, logs[1])}
        content.append(figure(axes, lines(axes, sets), f"intensity histograms of channel {channel}"))
    return Panel(
        "Intensities",
        "Which share of all pixels has which intensity.",
        "The lines lie on each other.",
        "A shifted line: brightness. A missing spike at the left: the background is not black.",
        "Look at the normalisation in resolved_config.yaml, and at clipping in the sampler.",
        content,
    )


def _copies(evaluation: Evaluation, arrays: Arrays) -> Panel | None:
    if not evaluation.copies:
        return None
    pairs = zip(evaluation.copies, arrays["pairs"], strict=True)
    figures = Markup("").join(_pair(pair, pixels) for pair, pixels in pairs)
    grid = Markup('<div class="pairs">{}</div>').format(figures)
    return Panel(
        "Nearest training images",
        "Left the synthetic image, right the training image most like it; the blue line is of held-out real images.",
        "The synthetic line lies where the line of held-out real images does; pairs differ in anatomy.",
        "Synthetic images beyond the limit, pairs that show the same patient.",
        "Do not share flagged images. Train shorter, with more images or augmentation; "
        "then evaluate again with --train.",
        [_KEY, _correlations(arrays), grid],
    )


def _correlations(arrays: Arrays) -> Markup:
    synthetic, held_out = arrays["correlation"], arrays["held_out"]
    low, _ = _range(synthetic, held_out)
    edges = np.linspace(max(low, -1), 1, 41)
    x = (edges[1:] + edges[:-1]) / 2
    shares = [np.histogram(part, edges)[0] / max(len(part), 1) for part in (held_out, synthetic)]
    axes = Axes((float(edges[0]), 1), (0, float(max(map(np.max, shares))) * 1.05), "correlation", "share of images")
    content = [
        *lines(axes, {"real": (x, shares[0]), "synthetic": (x, shares[1])}),
        mark(axes, float(arrays["limit"]), "limit"),
    ]
    text = "correlation of held-out real and of synthetic images with the nearest training image"
    return figure(axes, content, text)


def _pair(pair: CopyPair, pixels: Pixels) -> Markup:
    names = (f"synthetic {pair.synthetic}", f"training {pair.training}")
    images = [_image(to_picture(plane), name) for plane, name in zip(pixels, names, strict=True)]
    text = f"correlation {pair.correlation:.4f}, SSIM {pair.ssim:.3f}, {pair.flip}" + (": copy" if pair.flagged else "")
    return Markup('<figure class="{}">{} {}<figcaption>{}<br><small>{} | {}</small></figcaption></figure>').format(
        "flagged" if pair.flagged else "", *images, text, _short(pair.synthetic), _short(pair.training)
    )


def _short(path: str) -> str:
    return "/".join(path.split("/")[-2:])


def _classes(evaluation: Evaluation) -> Panel | None:
    if not evaluation.per_class:
        return None
    rows = [
        Markup("<tr><th scope=row>{}</th><td>{}</td><td>{}</td><td>{:.0%}</td><td>{:.0%}</td></tr>").format(
            row.name, row.num_real, "no labels" if row.num_synthetic is None else row.num_synthetic,
            row.coverage.value, row.floor.value,
        )
        for row in evaluation.per_class
    ]  # fmt: skip
    table = Markup(
        '<div class="wide"><table><thead><tr><th scope=col>class<th scope=col>real images<th scope=col>synthetic images'
        "<th scope=col>covered<th scope=col>covered by real (floor)</tr></thead><tbody>{}</tbody></table></div>"
    ).format(Markup("").join(rows))
    return Panel(
        "Classes",
        "For each class, the share of its real images that have a synthetic image in their neighbourhood.",
        "Each class is covered about as well as by real images.",
        "A class far below its floor: the model has dropped it.",
        "Give the class more images, or more weight, and look at its samples.",
        [table],
    )


def _curves(arrays: Arrays) -> Panel | None:
    names = [name for name in sorted(arrays) if name.startswith("curve:") and len(arrays[name]) > 1][:_CURVES]
    if not names:
        return None
    content = []
    for name in names:
        points = arrays[name]
        axes = Axes(_range(points[:, 0]), _range(points[:, 1]), "step", name.removeprefix("curve:"))
        last = f"{points[-1, 1]:.4g} at step {points[-1, 0]:.0f}"
        drawn = lines(axes, {"synthetic": (points[:, 0], points[:, 1])})
        content.append(figure(axes, drawn, f"{escape(axes.y_title)} during training; {last}"))
    return Panel(
        "Training",
        "What the training logged.",
        "Losses that fall and level off; validation beside training.",
        "Validation that rises while training falls: the model memorises.",
        "Stop earlier, or use checkpoints/best.ckpt.",
        content,
    )
