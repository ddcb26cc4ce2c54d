"""Which of the averages of a model's weights gives the best images."""

from dataclasses import asdict, dataclass
from pathlib import Path

from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.network_input import batches_of
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.evaluation.sweep import condition_of, make_samples
from gandlf_synth.files import write_json
from gandlf_synth.metrics.extractors import Extractor
from gandlf_synth.metrics.scoring import features, score
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.checkpoint import load_module
from gandlf_synth.models.stored_averages import load_average, stored_widths, width_name, write_average
from gandlf_synth.progress import Progress

USUAL = "usual"
"""What the average of ``ema_decay`` is called."""


@dataclass(frozen=True)
class MeasuredAverage:
    """An average of the weights, and how good its images are.

    Args:
        name: ``usual``, or the width.
        checkpoint: the name of the file that holds it.
        kid: kernel distance to held-out real images; ``kid_low`` and ``kid_high`` are its 95 % interval.
        density, coverage: overlap with them.
    """

    name: str
    checkpoint: str
    kid: float
    kid_low: float
    kid_high: float
    density: float
    coverage: float


@dataclass(frozen=True)
class AverageChoice:
    """What a comparison found.

    Args:
        averages: everything that was measured.
        best: what the model will use from now on.
        checkpoint: the file that holds it.
    """

    averages: list[MeasuredAverage]
    best: MeasuredAverage
    checkpoint: Path


@dataclass(frozen=True)
class _Candidate:
    checkpoint: Path
    width: float | None = None

    @property
    def name(self) -> str:
        return USUAL if self.width is None else width_name(self.width)

    def load(self) -> GenerativeModule:
        return load_module(self.checkpoint) if self.width is None else load_average(self.checkpoint, self.width)


def choose_average(
    module: GenerativeModule,
    folder: ModelFolder,
    manifest: Manifest,
    pipeline: Pipeline,
    extractor: Extractor,
    options: SamplingOptions,
    device: str,
    bar: Progress,
    *,
    count: int,
    batch_size: int,
    seed: int,
) -> AverageChoice:
    """Compare the averages that the checkpoints of ``folder`` hold, and keep the one with the lowest distance.

    All of them make their images from the same noise. ``module`` is the model with any of them: what it was trained on
    is read from it.

    Raises:
        CheckpointError: there is no usable checkpoint.
    """
    candidates = _candidates(folder)
    real = features(batches_of(manifest, pipeline, module.spec, bar), extractor)
    subjects, condition = [sample.subject for sample in manifest.samples], condition_of(manifest, module)
    measured = []
    for candidate in bar(candidates, len(candidates), "Averages"):
        images = make_samples(
            candidate.load().to(device), condition, options, count=count, batch_size=batch_size, seed=seed
        )
        result = score(real, features(images, extractor), subjects, seed=seed)
        kid, overlap = result.kid, result.overlap
        measured.append(
            MeasuredAverage(
                candidate.name, candidate.checkpoint.name, kid.value, kid.low, kid.high, overlap.density,
                overlap.coverage,
            )
        )  # fmt: skip
    best = min(measured, key=lambda average: average.kid)
    _use(candidates[measured.index(best)], folder)
    about = {"images": count, "real_images": len(real), "extractor": extractor.name, "seed": seed}
    write_json(folder.averages, {**about, "best": asdict(best), "averages": list(map(asdict, measured))})
    return AverageChoice(measured, best, folder.choose_checkpoint(None))


def _use(candidate: _Candidate, folder: ModelFolder) -> None:
    """Let everybody who uses the model of ``folder`` take ``candidate``."""
    folder.forget_choice()
    if candidate.width is not None or candidate.checkpoint != folder.choose_checkpoint(None):
        write_average(candidate.checkpoint, candidate.width, folder.chosen)


def _candidates(folder: ModelFolder) -> list[_Candidate]:
    """Return the usual averages of the best and the last checkpoint, and the others of the last one.

    Raises:
        CheckpointError: there is no checkpoint.
    """
    files = [file for file in (folder.best, folder.last) if file.is_file()] or [folder.choose_checkpoint(None)]
    others = [_Candidate(files[-1], width) for width in stored_widths(files[-1])]
    return [*(_Candidate(file) for file in files), *others]
