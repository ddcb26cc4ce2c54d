"""The conditioner ``mask``: which class each voxel of the image is to have."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.loading.cell_input import CellInput
from gandlf_synth.data.loading.conditioners import ImageConditioner, ImagePart
from gandlf_synth.data.loading.sample_images import SampleImages, Voxels32
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem, listing

_NO_LABELS = "whole numbers from 0 to 65535, at most 256 different ones"


class MaskLabels(ImageConditioner):
    """The label map in the ``Mask`` column, a channel of zeros and ones for each label.

    Example:
        >>> images = SampleImages(
        ...     image=None, sources=np.zeros((0, 1, 3), np.float32), source_channels=(), available=(),
        ...     mask=np.array([[0, 5, 5]], np.uint16), region=None, spacing=(1.0, 1.0),
        ... )
        >>> MaskLabels().paint(images, {"labels": [0, 5]}, None).tolist()
        [[[1.0, 0.0, 0.0]], [[0.0, 1.0, 1.0]]]
    """

    kind = "channels"
    reads = frozenset[ImagePart]({"mask"})
    needs = "the path of a label map"

    drop_classes: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """How often each class is taken out of a mask in training: its voxels become 0, as in a mask that lacks it. The
    model then also takes masks of some of the classes (Konz et al. 2024, arXiv 2402.05210)."""

    @property
    def part_name(self) -> str:
        """``mask``."""
        return "mask"

    @property
    def cell(self) -> str:
        """``Mask``."""
        return "Mask"

    def rows_that_say(self, manifest: Manifest) -> NDArray[np.bool_]:
        """Return which rows have a mask."""
        return manifest.presence.masks

    def rows_to_check(self, manifest: Manifest) -> Iterable[Sequence[Sample]]:
        """Yield the rows that have masks, those of equal labels together."""
        return manifest.alike("mask")

    def check(self, sample: Sample, scans: Scans, facts: Mapping[str, JsonValue] | None = None) -> str:
        """Return that a mask holds no labels, or one that no training row has."""
        if sample.mask is None:
            return ""
        labels = scans[sample.mask].labels
        if not labels:
            return f"holds no label map; allowed: {_NO_LABELS}"
        known = _labels(facts) if facts is not None else list(labels)
        unseen = sorted(set(labels) - set(known))
        if not unseen:
            return ""
        return f"has labels that no mask of the training rows has: {listing(map(str, unseen))}; allowed: {_text(known)}"

    def fit_images(self, train: Manifest, data: Fingerprint) -> tuple[int, dict[str, JsonValue]]:
        """Return the number of labels, 0 among them, and the labels.

        Raises:
            DataError: there are no masks, or nothing in them.
        """
        if not train.presence.masks.any():
            what = "has no Mask column, and the model is conditioned on masks"
            fix = "add Mask with a label map for each image, or leave mask out of conditioning"
            raise DataError(Problem(str(train.path), what, fix=fix))
        if len(data.mask_labels) < 2:
            what = "has masks that hold nothing but 0, and there is nothing to learn from them"
            raise DataError(Problem(f"{train.path} column Mask", what, "a label from 1 on where something is"))
        return len(data.mask_labels), {"labels": list(data.mask_labels)}

    def paint(
        self, images: SampleImages, facts: Mapping[str, JsonValue], rng: np.random.Generator | None
    ) -> Voxels32 | None:
        """Return 1 in the channel of the label that a voxel has; labels are in the order of their numbers."""
        if images.mask is None:
            return None
        labels = _labels(facts)
        places = np.zeros(max(labels) + 1, np.uint8)
        places[labels] = np.arange(len(labels))
        if rng is not None and self.drop_classes:
            gone = np.array(labels)[rng.random(len(labels)) < self.drop_classes]
            places[gone] = 0
        indices = places[np.minimum(images.mask, max(labels))]
        channels = np.arange(len(labels), dtype=np.uint8).reshape(-1, *(1,) * indices.ndim)
        one_hot: Voxels32 = (indices == channels).astype(np.float32)
        return one_hot

    def inputs(self, facts: Mapping[str, JsonValue]) -> Sequence[CellInput]:
        """Return a label map."""
        return [CellInput(column="Mask", kind="image", about=f"a label map with labels among {_text(_labels(facts))}")]

    def pictures(self, painted: Voxels32, facts: Mapping[str, JsonValue]) -> Sequence[Voxels32]:
        """Return one picture of all labels, the higher the brighter."""
        return [(2 * painted.argmax(axis=0) / (len(painted) - 1) - 1).astype(np.float32)]


def _labels(facts: Mapping[str, JsonValue]) -> list[int]:
    labels = facts["labels"]
    return [int(str(label)) for label in labels] if isinstance(labels, list) else []


def _text(labels: Sequence[int]) -> str:
    return listing(map(str, labels))
