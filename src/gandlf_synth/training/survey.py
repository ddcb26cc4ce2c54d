"""What is known of a run before anything is chosen: the configuration, the rows, the images, and what is wrong.

Training, preview and a new project stop at the first error. ``check`` hands in findings: then every error is taken
down, and the survey goes on with what is left.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from gandlf_synth.config import Config, LoadedConfig, Phase
from gandlf_synth.data.formats.cache_folder import default_cache
from gandlf_synth.data.formats.scan import Scans, scan_files
from gandlf_synth.data.inspection.checks import Finding, findings_of
from gandlf_synth.data.inspection.fingerprint import Fingerprint, fingerprint
from gandlf_synth.data.inspection.units import check_depths
from gandlf_synth.data.table.manifest import Manifest, read_manifest, read_usable_rows
from gandlf_synth.data.table.splits import check_disjoint, check_labels, split
from gandlf_synth.display.console import progress_bar
from gandlf_synth.errors import ConfigError, DataError, GandlfSynthError, Problem, raise_if_any
from gandlf_synth.progress import Progress
from gandlf_synth.training.request import TrainingRequest
from gandlf_synth.training.stored_data import is_stored, read_store, stored_facts, stored_scans, with_store

_FEWEST_TO_MEASURE = 5


@dataclass
class Findings:
    """What is wrong with a run.

    Args:
        findings: errors and warnings.
        bad_rows: per CSV, the rows without which it could be used.
    """

    findings: list[Finding] = field(default_factory=list)
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


@contextmanager
def noting(findings: Findings | None, kind: str) -> Iterator[None]:
    """Take an error of the block down as findings of ``kind``; without findings, let it through.

    Rows that are wrong only beside those of another split are not bad rows.
    """
    try:
        yield
    except GandlfSynthError as error:
        if findings is None:
            raise
        noted = findings_of(error.problems, "configuration" if isinstance(error, ConfigError) else kind)
        findings.add([replace(finding, row=None) if kind == "splits" else finding for finding in noted])


@dataclass(frozen=True)
class ImageSurvey:
    """What is known of the images.

    Args:
        splits: the rows of each phase; those that can be used, where errors are taken down.
        scans: what each file holds.
        facts: of all images together; None where an error is taken down that they are not one data set.
    """

    splits: Mapping[Phase, Manifest]
    scans: Scans
    facts: Fingerprint | None

    @property
    def known_facts(self) -> Fingerprint:
        """The facts of images that are one data set.

        Raises:
            ValueError: they are not.
        """
        if self.facts is None:
            raise ValueError("the images are not one data set")
        return self.facts


@dataclass(frozen=True)
class Survey:
    """What is known of a run.

    Args:
        loaded: the configuration; None where an error in it is taken down.
        images: the images.
        cache: where prepared data goes.
    """

    loaded: LoadedConfig | None
    images: ImageSurvey
    cache: Path


def survey_run(
    request: TrainingRequest, loaded: LoadedConfig | None, console: Console, findings: Findings | None = None
) -> Survey:
    """Read and divide the CSVs, and scan every image; writes nothing but the cache.

    Args:
        request: the CSVs, and how to divide them.
        loaded: the configuration; None where it is wrong, which ``findings`` says.
        console: where progress is shown.
        findings: takes errors down; None: the first one is raised.

    Raises:
        DataError: what is wrong with a CSV, a split or an image.
    """
    config = loaded.config if loaded else None
    splits = _divide(_read_tables(request, config, findings), request, config, findings)
    if loaded is not None:
        with noting(findings, "store"):
            loaded = with_store(loaded, splits)
    cache = Path(loaded.config.cache_dir) if loaded and loaded.config.cache_dir else default_cache()
    return Survey(loaded, survey_images(splits, cache, progress_bar(console), findings), cache)


def survey_images(
    splits: Mapping[Phase, Manifest], cache: Path, progress: Progress, findings: Findings | None = None
) -> ImageSurvey:
    """Scan every image of ``splits`` and find what they have in common.

    Raises:
        DataError: every file that cannot be read, or every reason why the images are not one data set.
    """
    facts = stored_facts(splits)
    if facts is not None:
        return ImageSurvey(splits, stored_scans(splits), facts)
    files = [path for manifest in splits.values() for sample in manifest.samples for path in sample.files]
    scans = scan_files(files, cache, progress)
    if findings is not None:
        splits = {phase: _readable(manifest, scans, findings) for phase, manifest in splits.items()}
    with noting(findings, "mixed data"):
        manifests = [manifest for manifest in splits.values() if manifest.samples]
        if manifests:
            facts = fingerprint(manifests, scans)
            check_depths(manifests, scans)
    return ImageSurvey(splits, scans, facts)


def _read_tables(request: TrainingRequest, config: Config | None, findings: Findings | None) -> dict[Phase, Manifest]:
    paths: dict[Phase, Path | None] = {"train": request.train_csv, "val": request.val_csv, "test": request.test_csv}
    tables = {phase: _read_table(path, config, findings) for phase, path in paths.items() if path}
    usable = {phase: table for phase, table in tables.items() if table is not None}
    known = usable["train"].labels if "train" in usable else {}
    return {phase: table if phase == "train" else table.numbered_like(known) for phase, table in usable.items()}


def _read_table(path: Path, config: Config | None, findings: Findings | None) -> Manifest | None:
    """Read a CSV or a store; with findings, without the rows that cannot be used, or None when nothing is left."""
    if is_stored(path):
        with noting(findings, "store"):
            return read_store(path, config)
        return None
    if findings is None:
        return read_manifest(path)
    manifest: Manifest | None = None
    with noting(findings, "CSV"):
        manifest, problems = read_usable_rows(path)
        findings.add(findings_of(problems, "CSV"))
    return manifest


def _divide(
    tables: dict[Phase, Manifest], request: TrainingRequest, config: Config | None, findings: Findings | None
) -> dict[Phase, Manifest]:
    """Return the rows of each phase: of CSVs of their own, or split off the training CSV by subject."""
    splits = dict(tables)
    if config is not None and "train" in tables:
        test_ratio = 0.0 if request.test_csv else request.test_ratio
        val_ratio = 0.0 if request.val_csv else request.val_ratio
        with noting(findings, "splits"):
            splits = {**split(tables["train"], test_ratio, val_ratio, config.seed), **_without_train(tables)}
    for manifest in _without_train(tables).values():
        if "train" in splits and (config is None or config.model.labeling_paradigm != "unlabeled"):
            with noting(findings, "splits"):
                check_labels(splits["train"], manifest)
    with noting(findings, "splits"):
        check_disjoint(splits)
    if config is not None and config.sample_metrics_config is not None:
        with noting(findings, "splits"):
            raise_if_any([problem for phase in ("train", "val") for problem in _too_few(splits, phase)], DataError)
    return splits


def _without_train(tables: Mapping[Phase, Manifest]) -> dict[Phase, Manifest]:
    return {phase: manifest for phase, manifest in tables.items() if phase != "train"}


def _too_few(splits: Mapping[Phase, Manifest], phase: Phase) -> list[Problem]:
    manifest = splits.get(phase)
    if manifest is None or len(manifest.samples) >= _FEWEST_TO_MEASURE:
        return []
    what = f"gives {len(manifest.samples)} {phase} images, too few for sample_metrics_config"
    allowed = f"{_FEWEST_TO_MEASURE} or more; 50 give useful intervals"
    return [Problem(str(manifest.path), what, allowed, "give more, or leave the section out")]


def _readable(manifest: Manifest, scans: Scans, findings: Findings) -> Manifest:
    """Return ``manifest`` without the rows of which a file cannot be read, and take those down."""
    problems = [
        problem
        for sample in manifest.samples
        for column, path in enumerate(sample.files)
        if scans[path].problem and (problem := scans[path].problem_at(manifest.where(sample, column)))
    ]
    findings.add(findings_of(problems, "unreadable"))
    return manifest.subset(
        sample for sample in manifest.samples if not any(scans[path].problem for path in sample.files)
    )
