"""The conditioner ``spacing``: how large the voxels are, so that one model serves images of many resolutions."""

from collections.abc import Mapping

import numpy as np
from pydantic import JsonValue

from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.loading.conditioners import ImageConditioner, ImagePart
from gandlf_synth.data.loading.sample_images import SampleImages, Voxels32
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem


class VoxelSpacing(ImageConditioner):
    """The logarithm of the size of a voxel along each axis, as the network sees it.

    Example:
        >>> images = SampleImages(
        ...     image=np.zeros((1, 1, 2), np.float32), sources=np.zeros((0, 1, 2), np.float32), source_channels=(),
        ...     available=(), mask=None, region=None, spacing=(1.0, 2.0),
        ... )
        >>> VoxelSpacing().paint(images, {}, None).round(3).tolist()
        [0.0, 0.6930000185966492]
    """

    kind = "vector"
    reads = frozenset[ImagePart]()

    @property
    def part_name(self) -> str:
        """``spacing``."""
        return "spacing"

    def says(self, sample: Sample) -> bool:
        """Return true: every image has a grid."""
        return True

    def fit_images(self, train: Manifest, data: Fingerprint) -> tuple[int, dict[str, JsonValue]]:
        """Return the number of axes.

        Raises:
            DataError: the files state no sizes.
        """
        if not data.physical:
            what = "names images that state no size of their voxels, and the model is conditioned on it"
            raise DataError(Problem(str(train.path), what, "NIfTI, DICOM and the like", "leave spacing out"))
        return data.spatial_dims, {}

    def paint(
        self, images: SampleImages, facts: Mapping[str, JsonValue], rng: np.random.Generator | None
    ) -> Voxels32 | None:
        """Return the logarithms of the sizes in mm."""
        return np.log(np.array(images.spacing, np.float32))
