"""Everything that can be known of a run before it begins, all at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil

from rich.console import Console

from gandlf_synth.config import Config, Phase, resolved
from gandlf_synth.data.inspection.checks import Finding, constant_images, findings_of, imbalance, outliers, remarks
from gandlf_synth.data.inspection.duplicates import duplicates
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.inspection.frames import other_frames
from gandlf_synth.data.inspection.registration import misregistered
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.display.console import progress_bar
from gandlf_synth.errors import counted
from gandlf_synth.training.cost import StageCost, in_words
from gandlf_synth.training.expectation import expect, too_few_steps, unused_time
from gandlf_synth.training.inheritance import Inheritance, inherit
from gandlf_synth.training.plan import Plan, PlannedRun
from gandlf_synth.training.request import TrainingRequest, read_configuration
from gandlf_synth.training.run_plan import check_machine, plan_inheritance
from gandlf_synth.training.survey import Findings, ImageSurvey, noting, survey_run
from gandlf_synth.training.windows import cut_off


@dataclass
class CheckReport(Findings):
    """What a check found.

    Args:
        facts: sizes, choices, memory and time, in words.
    """

    facts: dict[str, str] = field(default_factory=dict)

    def sort(self) -> None:
        """Put errors first."""
        self.findings.sort(
            key=lambda finding: (finding.severity != "error", finding.kind, finding.csv, finding.row or 0)
        )


def check_run(request: TrainingRequest, console: Console, *, fast: bool = False) -> CheckReport:
    """Look at the configuration, the CSVs, every image, and, unless ``fast``, duplicates and a few real steps."""
    report = CheckReport()
    loaded = inheritance = None
    with noting(report, "configuration"):
        loaded = read_configuration(request)
        check_machine(loaded)
        inheritance = inherit(loaded)
        loaded = inheritance.loaded
    survey = survey_run(request, loaded, console, report)
    images = survey.images
    if "train" in images.splits and images.splits["train"].samples:
        report.add(_warnings(images, console, fast=fast))
        if survey.loaded is not None and images.facts is not None:
            with noting(report, "data"):
                trying = not fast and not report.stops_a_run
                inheritance = inheritance or Inheritance(survey.loaded)
                planned = plan_inheritance(survey, inheritance, seconds=request.seconds, measured=trying)
                report.add(_notes_on_parent(inheritance, planned.facts))
                report.facts |= _facts(planned.plan, planned.splits)
                report.add(_other_units(survey.loaded.config, planned.facts))
                if trying and not report.stops_a_run:
                    report.facts |= _cost(planned, request.seconds, console)
    report.sort()
    return report


def _notes_on_parent(inheritance: Inheritance, facts: Fingerprint) -> list[Finding]:
    notes = [*inheritance.notes, *inheritance.size_notes(facts)]
    return [Finding("warning", "init_from", "model_config.init_from", note) for note in notes]


def _warnings(images: ImageSurvey, console: Console, *, fast: bool) -> list[Finding]:
    manifests = [manifest for manifest in images.splits.values() if manifest.samples]
    if isinstance(images.splits["train"], StoredManifest):  # its images were looked at when they were prepared
        return imbalance(images.splits["train"])
    warnings = [
        *constant_images(manifests, images.scans),
        *remarks(manifests, images.scans),
        *outliers(manifests, images.scans),
        *imbalance(images.splits["train"]),
        *other_frames(manifests, images.scans),
    ]
    if fast:
        return warnings
    bar = progress_bar(console)
    return [*warnings, *misregistered(manifests, images.scans, bar), *duplicates(manifests, images.scans, bar)]


def _other_units(config: Config, facts: Fingerprint) -> list[Finding]:
    """Return the images in another unit than most, and windows for another unit; where written, they stop no run."""
    problems = [problem for units in (*facts.units, *facts.source_units) for problem in units.problems]
    mixed = [replace(finding, severity="warning") for finding in findings_of(problems, "mixed units")]
    windows = cut_off(config.data_preprocessing.train or [], facts)
    return [*mixed, *(Finding("warning", "window", "data_preprocessing", what) for what in windows)]


def _facts(plan: Plan, splits: Mapping[Phase, Manifest]) -> dict[str, str]:
    shape = resolved(plan.config.model.tensor_shape)
    channels = counted(resolved(plan.config.model.n_channels), "channel")
    facts = {
        "images": ", ".join(f"{len(manifest.samples)} {phase}" for phase, manifest in splits.items()),
        "network sees": f"{'×'.join(map(str, shape))}, {channels}",
    }
    if pairs := _pairs(splits["train"]):
        facts["made from"] = pairs
    if notes := list(dict.fromkeys(note for manifest in splits.values() for note in manifest.notes)):
        facts["CSV"] = "; ".join(notes)
    levels = getattr(plan.config.model.architecture, "num_channels", None)
    stride = 2 ** (len(levels) - 1) if isinstance(levels, list) and levels else 1
    if any(length % stride for length in shape):
        padded = "×".join(str(ceil(length / stride) * stride) for length in shape)
        facts["padding"] = f"the network halves the size {len(levels or []) - 1} times: it works on {padded}"
    return facts | {choice.key: f"{choice.value} ({choice.reason})" for choice in plan.choices}


def _pairs(train: Manifest) -> str:
    """Return how many rows have what an image is made from; nothing without such columns."""
    held, paired = train.presence, train.num_sources > 0
    counts = {
        "with image and source": int((held.targets & held.sources).sum()) if paired else 0,
        "with an image alone": int((~held.sources).sum()) if paired else 0,
        "with sources alone": int((~held.targets).sum()),
        "with a mask": int(held.masks.sum()) if paired else 0,
        "with a region": int(held.regions.sum()),
    }
    return ", ".join(f"{counted(count, 'row')} {what}" for what, count in counts.items() if count)


def _cost(planned: PlannedRun, seconds: float | None, console: Console) -> dict[str, str]:
    """Return what a few real steps cost, and the whole training at that rate, after preparing all images."""
    from gandlf_synth.training.data import prepare_data
    from gandlf_synth.training.speed import measure_cost

    config = planned.plan.config
    prepare_data(planned.splits, planned.scans, config, planned.facts, planned.cache, progress_bar(console))
    cost = planned.plan.cost or measure_cost(config, planned.facts, planned.splits["train"])
    expected = expect(planned, cost, seconds)
    rows = {
        "weights": ", then ".join(f"{stage.parameters:,}" for stage in cost.stages),
        "one training step": ", then ".join(_step_of(stage) for stage in cost.stages),
        "whole training": f"{expected.steps:,} steps, about {in_words(expected.seconds)}",
        "images seen": f"{expected.images:,}",
        "memory": f"{expected.memory_mb:,.0f} MiB",
    }
    notes = unused_time(expected, seconds, config.num_epochs) + too_few_steps(expected, seconds)
    return rows | ({"note": notes[0]} if notes else {})


def _step_of(stage: StageCost) -> str:
    """Return the seconds of a step, or from the least to the most where parts of the training differ."""
    seconds = [part.seconds_per_step for part in stage.stretches]
    span = f"{min(seconds):.2f} to {max(seconds):.2f}" if len(seconds) > 1 else f"{seconds[0]:.2f}"
    return f"{span} s for {counted(stage.batch_size, 'image')}"
