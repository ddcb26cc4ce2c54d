"""What to compare image by image, and what was found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing, option
from gandlf_synth.evaluation.paired.comparison import OWN_RANGE, Comparison
from gandlf_synth.evaluation.paired.presets import PRESETS, USUAL
from gandlf_synth.files import TakesPaths
from gandlf_synth.metrics.intervals import Estimate

ErrorMaps = Literal["worst", "all", "none"]
_WITH_RANGE = OWN_RANGE | {"perceptual_distance"}


@dataclass(frozen=True)
class PairedRequest(TakesPaths):
    """Two sets and how to compare them.

    Args:
        real: CSV or folder of the originals; its columns Mask, Region and Source_0 say which voxels count and what an
            image was made from.
        synthetic: CSV or folder of their reconstructions, matched by SubjectID, else by file name.
        output_dir: where ``metrics.json``, ``images.csv``, ``report.html`` and error maps go.
        metrics: registered names; none: those of the preset, or the usual ones.
        seed: of the bootstrap.
        command: the call, for the record.
        preset: the name of a challenge whose masks, ranges and windows are taken.
        data_range: the lowest and highest value that metrics take for the range; None: each original's own.
        mask_column: the column that marks the voxels that count, ``none``: all count; None: Mask, or the preset's.
        segmenter: a command that segments one image, with ``{in}`` and ``{out}`` in it; empty: none.
        segmenter_timeout: seconds that it may take for an image.
        error_maps: for which pairs an image of the errors is written.
        extractor, extractor_weights: the network of the perceptual distance.
    """

    real: Path
    synthetic: Path
    output_dir: Path
    metrics: tuple[str, ...] = ()
    seed: int = 0
    command: str = ""
    preset: str | None = None
    data_range: tuple[float, float] | None = None
    mask_column: Literal["Mask", "Region", "none"] | None = None
    segmenter: str = ""
    segmenter_timeout: float = 3600
    error_maps: ErrorMaps = "worst"
    extractor: str = "efficientnet-lite0"
    extractor_weights: Path | None = None

    @property
    def comparison(self) -> Comparison:
        """How pairs are compared.

        Raises:
            ConfigError: the preset is unknown, or contradicts the rest.
        """
        if self.data_range is not None and not self.data_range[0] < self.data_range[1]:
            low, high = self.data_range
            what = f"goes from {low:g} to {high:g}"
            raise ConfigError(Problem(option("data_range"), what, "two numbers, the smaller one first"))
        if self.preset is None:
            return self._usual
        if self.preset not in PRESETS:
            fix = did_you_mean(self.preset, PRESETS)
            raise ConfigError(Problem(option("preset"), f"unknown name {self.preset!r}", listing(PRESETS), fix))
        for name in ("metrics", "data_range", "mask_column"):
            if getattr(self, name):
                what = f"is fixed by the preset {self.preset}"
                raise ConfigError(Problem(option(name), what, fix=f"drop it, or drop {option('preset')}"))
        return PRESETS[self.preset]

    @property
    def _usual(self) -> Comparison:
        names = self.metrics or tuple(USUAL.metrics)
        ranged = {} if self.data_range is None else {"data_range": self.data_range}
        metrics = {name: ranged if name.lower() in _WITH_RANGE else {} for name in names}
        masks = {None: USUAL.mask_columns, "none": ()}.get(self.mask_column, (self.mask_column,))
        return USUAL.model_copy(update={"metrics": metrics, "mask_columns": masks})


@dataclass(frozen=True)
class PairedResult:
    """What was found.

    Args:
        metrics: each metric's mean with its interval by subject.
        per_class: the same per class of the originals; empty without classes.
        notes: what was left out, and what a reader must know.
        page: the report.
        error_maps: the images of the errors that were written.
    """

    metrics: dict[str, Estimate]
    per_class: dict[str, dict[str, Estimate]]
    notes: list[str]
    page: Path
    error_maps: list[Path]
