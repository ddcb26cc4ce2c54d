"""How pairs are compared: which voxels count, what values are brought to, and what is measured.

A challenge is a ``Comparison`` too; ``presets`` holds those that are known.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

MaskColumn = Literal["Mask", "Region"]
OWN_RANGE = frozenset({"peak_signal_noise_ratio", "structural_similarity_index", "masked_ms_ssim", "ms_ssim"})
SSIM_METRICS = frozenset({"structural_similarity_index", "ms_ssim", "masked_ms_ssim"})
SSIM_NOTE = (
    "SSIM and MS-SSIM can mislead: over 48 experiments with one task, a higher SSIM went with images that were of "
    "less use (arXiv 2606.00630). Look at the error maps too, and at the Dice of a segmenter"
)


class Overlap(BaseModel):
    """Which structures of two segmentations are compared, as numbers of their labels; 0 is background.

    Args:
        structures: those of the reference only, or those of either: then an invented structure counts with a Dice of 0.
        regions: the labels that count in a region of the body, by the letters that the second and third letter of a
            subject's name are; empty, or a subject named otherwise: all.
        reference: what the segmentation of the reconstruction is compared with: the segmentation of the original, or
            the labels in the column Mask, where there is one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    structures: Literal["reference", "either"] = "either"
    regions: Mapping[str, tuple[int, ...]] = {}
    reference: Literal["original", "Mask"] = "original"


class Comparison(BaseModel):
    """How an original and its reconstruction are compared.

    Args:
        title: what it is called.
        source: where it is defined.
        mask_columns: columns of the originals' CSV; the first that a row has marks the voxels that count.
        needs_mask: whether every row must have one.
        in_file_axes: compare arrays with the axes of the original's file, as a program that knows no orientation
            does; else volumes run to the patient's right, anterior and superior.
        outside: the value that both images get outside the mask before anything else.
        normalize_by: bring both images to [0, 1] by the 0.5th and 99.5th percentile of the original or of the voided
            image (``Source_0``), not below 0, and clip them.
        metrics: the parameters of registered paired metrics by their names, in the order in which they are shown.
        overlap: which structures of segmentations are compared.
        remarks: what a reader must know.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    source: str = ""
    mask_columns: tuple[MaskColumn, ...] = ("Mask",)
    needs_mask: bool = False
    in_file_axes: bool = False
    outside: float | None = None
    normalize_by: Literal["original", "voided"] | None = None
    metrics: Mapping[str, Mapping[str, object]]
    overlap: Overlap = Overlap()
    remarks: tuple[str, ...] = ()

    @property
    def takes_own_range(self) -> bool:
        """Whether a metric takes the range of each original, which an original of one value does not have."""
        return any(
            name in OWN_RANGE and parameters.get("data_range", "original") in ("original", "both")
            for name, parameters in self.metrics.items()
        )

    @property
    def notes(self) -> list[str]:
        """What a reader must know, with what is to be said of SSIM where it is among the metrics."""
        return [*self.remarks, *([SSIM_NOTE] if SSIM_METRICS & set(self.metrics) else [])]
