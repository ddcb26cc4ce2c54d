"""How good images are, and how best to sample."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gandlf_synth import registry
from gandlf_synth.api.models import configuration_of, given_images, load_model
from gandlf_synth.errors import ConfigError, Problem, listing, raise_if_any
from gandlf_synth.files import TakesPaths, only_writer

if TYPE_CHECKING:
    from rich.console import Console

    from gandlf_synth.evaluation.comparison import Comparison
    from gandlf_synth.evaluation.paired.request import PairedRequest, PairedResult
    from gandlf_synth.evaluation.request import EvaluationRequest
    from gandlf_synth.evaluation.results import Evaluation
    from gandlf_synth.evaluation.sweep import SweepResult
    from gandlf_synth.models.base import GenerativeModule


@dataclass(frozen=True)
class EvaluationResult:
    """What ``evaluate`` found, and the reports that it wrote."""

    evaluation: "Evaluation"
    reports: list[Path]


def evaluate(
    request: "EvaluationRequest", formats: Sequence[str] = ("html",), console: "Console | None" = None
) -> EvaluationResult:
    """Compare two sets of images and write numbers and reports; see ``evaluation.run.run_evaluation``."""
    from gandlf_synth.display.console import progress_bar, silent_console
    from gandlf_synth.evaluation.run import run_evaluation

    with only_writer(request.output_dir, "output folder"):
        evaluation = run_evaluation(request, progress_bar(console or silent_console()))
        return EvaluationResult(evaluation, report(request.output_dir, formats))


def evaluate_paired(request: "PairedRequest", console: "Console | None" = None) -> "PairedResult":
    """Compare reconstructions with their originals, image by image; see ``evaluation.paired.run.run_paired``."""
    from gandlf_synth.display.console import progress_bar, silent_console
    from gandlf_synth.evaluation.paired.run import run_paired

    with only_writer(request.output_dir, "output folder"):
        return run_paired(request, progress_bar(console or silent_console()))


def report(folder: Path | str, formats: Sequence[str] = ("html",)) -> list[Path]:
    """Write the reports of an evaluation from its stored numbers, and return their paths.

    Args:
        folder: what ``evaluate`` wrote.
        formats: ``html``, ``pdf`` (which a Chromium prints from the page), ``md``, or ``json`` (the numbers, which are
            there already).

    Raises:
        DataError: the folder holds no evaluation.
        ResourceError: no browser to print with.
    """
    from gandlf_synth.evaluation.report import render_markdown, render_page
    from gandlf_synth.evaluation.store import EvaluationFolder

    place = EvaluationFolder(Path(folder))
    evaluation, arrays = place.read()
    contents = {
        "html": lambda: render_page(evaluation, arrays),
        "md": lambda: render_markdown(evaluation),
        "json": lambda: place.metrics.read_text(encoding="utf-8"),
    }
    paths = {name: place.metrics if name == "json" else place.report(name) for name in formats}
    return _write_formats(paths, contents, place.report("html"))


@dataclass(frozen=True)
class ComparisonResult:
    """Evaluations side by side, and the files that say so."""

    comparison: "Comparison"
    reports: list[Path]


def compare(
    folders: Sequence[Path | str], output_dir: Path | str, formats: Sequence[str] = ("html",)
) -> ComparisonResult:
    """Lay evaluations side by side: which is better where, beyond its interval.

    Args:
        folders: what ``evaluate`` wrote, two or more.
        output_dir: where ``comparison.html`` and ``comparison.json`` go.
        formats: ``html``, ``pdf``, ``md``, ``json``.

    Raises:
        ConfigError: fewer than two folders.
        DataError: a folder holds no evaluation.
        ResourceError: no browser to print with.
    """
    from gandlf_synth.evaluation.comparison import compare_evaluations
    from gandlf_synth.evaluation.report.comparison_page import render_comparison
    from gandlf_synth.evaluation.store import EvaluationFolder

    places = [Path(folder) for folder in folders]
    if len(places) < 2:
        what = f"{len(places)} evaluation{'' if len(places) == 1 else 's'} to compare"
        raise ConfigError(Problem("--compare", what, "two or more folders that evaluate has written"))
    evaluations = {name: EvaluationFolder(place).read()[0] for name, place in zip(_names(places), places, strict=True)}
    comparison = compare_evaluations(evaluations)
    contents = {
        "html": lambda: render_comparison(comparison, evaluations, "html"),
        "md": lambda: render_comparison(comparison, evaluations, "md"),
        "json": lambda: comparison.model_dump_json(indent=2) + "\n",
    }
    root = Path(output_dir)
    paths = {name: root / f"comparison.{name}" for name in dict.fromkeys([*formats, "json"])}
    reports = _write_formats(paths, contents, root / "comparison.html")
    return ComparisonResult(comparison, [path for path in reports if path.suffix.lstrip(".") in formats])


def _names(places: Sequence[Path]) -> list[str]:
    """Return the folders' own names, or as much of their paths as tells them apart."""
    parts = [place.resolve().parts for place in places]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    what = "the same folder is named twice"
    raise ConfigError(Problem("--compare", what, "folders of different evaluations"))


def _write_formats(paths: dict[str, Path], contents: "dict[str, Callable[[], str]]", page: Path) -> list[Path]:
    """Write every format, the PDF from the page, which is written with it."""
    from gandlf_synth.evaluation.report.pdf import find_browser, print_page
    from gandlf_synth.files import write_text

    if "pdf" in paths:
        find_browser()
        paths = {"html": page, **paths}
    for name, path in paths.items():
        if name in contents:
            write_text(path, contents[name]())
    if "pdf" in paths:
        print_page(page, paths["pdf"])
    return list(paths.values())


@dataclass(frozen=True)
class SweepRequest(TakesPaths):
    """Which ways to sample to compare.

    Args:
        model_dir: the model folder.
        csv: real images, best of subjects that the model was not trained on.
        checkpoint: the checkpoint; None: the best, else the last.
        samplers: which; none: all of the family.
        steps: how many steps each is tried with.
        count: images per setting.
        batch_size: images sampled together.
        seed: decides the noise, the same for every setting.
        extractor, extractor_weights: what turns images into features.
        allow_download: let the extractor fetch its weights.
    """

    model_dir: Path
    csv: Path
    checkpoint: Path | None = None
    samplers: tuple[str, ...] = ()
    steps: tuple[int, ...] = (10, 25, 50)
    count: int = 64
    batch_size: int = 16
    seed: int = 0
    extractor: str = "efficientnet-lite0"
    extractor_weights: Path | None = None
    allow_download: bool = False


def check_makes_alone(module: "GenerativeModule") -> "GenerativeModule":
    """Return ``module``, if it makes images from nothing but noise and the text of rows.

    Raises:
        ConfigError: it makes them from other images.
    """
    if painted := [part.name for part in module.spec.parts if part.painted]:
        what = f"makes images from others ({listing(painted)}), which a comparison would leave unknown"
        raise ConfigError(Problem("the model", what, fix="compare what generate -dt makes with evaluate --paired"))
    return module


def sweep_sampler(request: SweepRequest, console: "Console | None" = None) -> "SweepResult":
    """Find the sampler and the steps that give the best images for the time; ``generate`` uses them from then on.

    Raises:
        ConfigError: the family has no samplers, an unknown one is asked for, or the images are not like those it was
            trained on.
        DataError: an image cannot be used.
        CheckpointError: there is no usable checkpoint; nothing is written.
    """
    from gandlf_synth.model_folder import ModelFolder

    folder = ModelFolder(request.model_dir)
    loaded = configuration_of(None, folder)
    module = load_model(request.model_dir, request.checkpoint)

    from gandlf_synth.config import SamplingOptions
    from gandlf_synth.display.console import progress_bar, silent_console
    from gandlf_synth.evaluation.sweep import sweep_samplers
    from gandlf_synth.metrics.extractors import build_extractor
    from gandlf_synth.ranks import Ranks

    if not module.samplers:
        what = f"{module.config.model_name!r} samples in one way only, so that there is nothing to compare"
        raise ConfigError(Problem("model_config.model_name", what))
    check_makes_alone(module)
    unknown = [registry.unknown_name("samplers", name, "samplers") for name in request.samplers]
    raise_if_any([problem for problem in unknown if problem], ConfigError)
    for name in request.samplers:
        module.check_sampling(SamplingOptions(sampler=name))
    extractor = build_extractor(request.extractor, request.extractor_weights, allow_download=request.allow_download)
    extractor.check_images(module.spec.spatial_dims)
    manifest, pipeline = given_images(request.csv, module.spec, loaded)
    device = Ranks().device
    return sweep_samplers(
        module.to(device),
        manifest,
        pipeline,
        extractor.to(device),
        [(name, steps) for name in request.samplers or module.samplers for steps in request.steps],
        folder.root,
        progress_bar(console or silent_console()),
        count=request.count,
        batch_size=request.batch_size,
        seed=request.seed,
    )
