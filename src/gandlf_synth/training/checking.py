"""Everything that can be known of a run before it is begun, all at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any

from rich.console import Console

from gandlf_synth.config import Phase
from gandlf_synth.data.formats.scan import Scans, scan_files
from gandlf_synth.data.inspection.checks import Finding, constant_images, findings_of, imbalance, outliers
from gandlf_synth.data.inspection.duplicates import duplicates
from gandlf_synth.data.inspection.fingerprint import Fingerprint, fingerprint
from gandlf_synth.data.loading.store import default_cache
from gandlf_synth.data.table.manifest import Manifest, read_manifest
from gandlf_synth.data.table.splits import check_disjoint, check_labels, split
from gandlf_synth.display.progress import progress_bar
from gandlf_synth.errors import ConfigError, DataError, GandlfSynthError, counted
from gandlf_synth.training.defaults import detect_device
from gandlf_synth.training.loggers import check_loggers
from gandlf_synth.training.planning import Plan, make_plan
from gandlf_synth.training.preparation import prepare_data
from gandlf_synth.training.request import TrainingRequest, read_configuration
from gandlf_synth.training.strategy import check_compute, trains_several


@dataclass
class CheckReport:
    """What was found.

    Args:
        findings: everything, errors first.
        facts: sizes, choices, memory and time, in words.
        bad_rows: per CSV, the rows without which it could be used.
    """

    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    bad_rows: dict[str, set[int]] = field(default_factory=dict)

    @property
    def stops_a_run(self) -> bool:
        """Whether training would be refused."""
        return any(finding.severity == "error" for finding in self.findings)

    def add(self, findings: list[Finding]) -> None:
        """Take in ``findings``; rows of errors are bad."""
        self.findings += findings
        for finding in findings:
            if finding.severity == "error" and finding.row is not None:
                self.bad_rows.setdefault(finding.csv, set()).add(finding.row)


def check_run(request: TrainingRequest, console: Console, *, fast: bool = False) -> CheckReport:
    """Look at the configuration, the CSVs, every image, and, unless ``fast``, duplicates and a few real steps."""
    report = CheckReport()
    loaded = None
    try:
        loaded = read_configuration(request)
        check_loggers(loaded.config.logging_config)
        check_compute(loaded.config.compute, several_optimizers=trains_several(loaded.config.model))
    except GandlfSynthError as error:
        report.add(findings_of(error.problems, "configuration"))
    manifests = _read_all(request, report)
    if "train" not in manifests:
        return _sorted(report)
    paths = [path for manifest in manifests.values() for sample in manifest.samples for path in sample.files]
    cache = Path(loaded.config.cache_dir) if loaded and loaded.config.cache_dir else default_cache()
    scans = scan_files(paths, cache, progress_bar(console))
    manifests = _usable(manifests, scans, report)
    if not manifests["train"].samples:
        return _sorted(report)
    facts = _fingerprint(manifests, scans, report)
    _warnings(manifests, scans, report, console, fast=fast)
    if loaded is not None and facts is not None:
        try:
            splits = _split(manifests, request, loaded.config.seed)
            device = detect_device(loaded.config.compute)
            plan = make_plan(loaded.config, loaded.document, facts, splits["train"], device)
            _describe(plan, splits, report)
            if not fast and not report.stops_a_run:
                _try(plan, splits, facts, cache, console, report)
        except GandlfSynthError as error:
            report.add(findings_of(error.problems, "configuration" if isinstance(error, ConfigError) else "data"))
    return _sorted(report)


def _read_all(request: TrainingRequest, report: CheckReport) -> dict[Phase, Manifest]:
    given: dict[Phase, Path | None] = {"train": request.train_csv, "val": request.val_csv, "test": request.test_csv}
    manifests: dict[Phase, Manifest] = {}
    for phase, path in given.items():
        if path is not None:
            manifest = _read_tolerantly(path, report)
            if manifest is not None:
                manifests[phase] = manifest
    return manifests


def _read_tolerantly(path: Path, report: CheckReport) -> Manifest | None:
    """Read a CSV without the rows that cannot be used, noting why; None when nothing is left or it is no table."""
    left_out: frozenset[int] = frozenset()
    while True:
        try:
            return read_manifest(path, left_out)
        except DataError as error:
            findings = findings_of(error.problems, "CSV")
            report.add([finding for finding in findings if finding.where and finding not in report.findings])
            rows = {finding.row for finding in findings if finding.row is not None} - left_out
            if not rows:
                return None
            left_out |= rows


def _usable(manifests: Mapping[Phase, Manifest], scans: Scans, report: CheckReport) -> dict[Phase, Manifest]:
    usable: dict[Phase, Manifest] = {}
    for phase, manifest in manifests.items():
        problems = [
            problem
            for sample in manifest.samples
            for column, path in enumerate(sample.files)
            if (problem := scans[path].problem_at(manifest.where(sample, column)))
        ]
        report.add(findings_of(problems, "unreadable"))
        good = [sample for sample in manifest.samples if not any(scans[path].problem for path in sample.files)]
        usable[phase] = manifest.subset(good)
    return usable


def _fingerprint(manifests: Mapping[Phase, Manifest], scans: Scans, report: CheckReport) -> Fingerprint | None:
    try:
        return fingerprint([manifest for manifest in manifests.values() if manifest.samples], scans)
    except DataError as error:
        report.add(findings_of(error.problems, "mixed data"))
        return None


def _warnings(
    manifests: Mapping[Phase, Manifest], scans: Scans, report: CheckReport, console: Console, *, fast: bool
) -> None:
    every = [manifest for manifest in manifests.values() if manifest.samples]
    report.add([*constant_images(every, scans), *outliers(every, scans), *imbalance(manifests["train"])])
    if not fast:
        report.add(duplicates(every, scans, progress_bar(console)))
    for check in (check_disjoint, _labels):
        try:
            check(manifests)
        except DataError as error:
            report.add([replace(finding, row=None) for finding in findings_of(error.problems, "splits")])


def _labels(manifests: Mapping[Phase, Manifest]) -> None:
    for phase in ("val", "test"):
        if phase in manifests and manifests["train"].labels:
            check_labels(manifests["train"], manifests[phase])


def _split(manifests: Mapping[Phase, Manifest], request: TrainingRequest, seed: int) -> dict[Phase, Manifest]:
    test_ratio = 0.0 if request.test_csv else request.test_ratio
    val_ratio = 0.0 if request.val_csv else request.val_ratio
    found: dict[Phase, Manifest] = dict(split(manifests["train"], test_ratio, val_ratio, seed))
    return found | {phase: manifest for phase, manifest in manifests.items() if phase != "train"}


def _describe(plan: Plan, splits: Mapping[Phase, Manifest], report: CheckReport) -> None:
    shape = [int(length) for length in plan.config.model.tensor_shape]
    report.facts["images"] = ", ".join(f"{len(manifest.samples)} {phase}" for phase, manifest in splits.items())
    report.facts["network sees"] = (
        "×".join(map(str, shape)) + f", {counted(int(plan.config.model.n_channels), 'channel')}"
    )
    levels = getattr(plan.config.model.architecture, "num_channels", None)
    stride = 2 ** (len(levels) - 1) if isinstance(levels, list) and levels else 1
    if any(length % stride for length in shape):
        padded = "×".join(str(ceil(length / stride) * stride) for length in shape)
        report.facts["padding"] = f"the network halves the size {len(levels or []) - 1} times: it works on {padded}"
    for choice in plan.choices:
        report.facts[choice.key] = f"{choice.value} ({choice.reason})"


def _try(
    plan: Plan, splits: Mapping[Phase, Manifest], facts: Fingerprint, cache: Path, console: Console, report: CheckReport
) -> None:
    from gandlf_synth.training.trial import try_steps

    data: Any = prepare_data(splits, plan.config, facts, cache, progress_bar(console))
    trial = try_steps(plan.config, data)
    steps = ceil(len(splits["train"].samples) / int(plan.config.batch_size)) * plan.config.num_epochs
    hours = steps * trial.seconds_per_step / 3600
    report.facts |= {
        "weights": f"{trial.parameters:,}",
        "one training step": f"{trial.seconds_per_step:.2f} s, loss {trial.loss:.3f}",
        "whole training": f"{steps:,} steps, about {hours:.1f} hours"
        if hours >= 1
        else f"{steps:,} steps, about {hours * 60:.0f} minutes",
        "memory": f"{trial.peak_memory_mb:,.0f} MiB at most so far",
    }


def _sorted(report: CheckReport) -> CheckReport:
    report.findings.sort(key=lambda finding: (finding.severity != "error", finding.kind, finding.csv, finding.row or 0))
    return report
