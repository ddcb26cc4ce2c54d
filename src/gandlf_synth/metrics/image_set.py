"""A set of images in numbers, as set metrics take it: pixels, features and statistics, with each image's subject."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.intervals import Floats, Indices, Subjects


@dataclass(frozen=True)
class ImageSetFeatures:
    """A set of ``n`` images, each with ``stacks`` stacks of ``slices`` slices; a picture has one stack of one slice.

    Features of whole volumes are one stack of one slice, whatever the pixels are.

    Args:
        name: ``real``, ``synthetic`` or ``train``.
        pixels: ``(n, stacks, slices, channels, rows, columns)`` in [0, 1].
        features: ``(n, stacks, slices, dimension)``, what the feature extractor says.
        histograms: mean over an image's planes, ``(n, channels, bins)``.
        spectra: mean over an image's planes, ``(n, bins)``, dB.
        first_order: mean over an image's planes, ``(n, len(first_order.NAMES))``.
        subjects: of each image, ``(n,)``.
        labels: the class name of each image; None where any image has none.
        files: the first file of each image.
        content: a hash of the bytes of each image's files.
        rows: what has a row of features: ``planes`` or ``volumes``.
        volumes: of volumes, small cubes, ``(n, channels, x, y, z)`` in [0, 1]; None for pictures.
    """

    name: str
    pixels: NDArray[np.float16]
    features: Floats
    histograms: Floats
    spectra: Floats
    first_order: Floats
    subjects: Subjects
    labels: list[str] | None
    files: tuple[str, ...]
    content: tuple[str, ...]
    rows: str = "planes"
    volumes: NDArray[np.float16] | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.subjects)

    @property
    def num_subjects(self) -> int:
        """The number of different subjects."""
        return len(np.unique(self.subjects))

    @property
    def dimension(self) -> int:
        """The number of features of a plane or volume."""
        return int(self.features.shape[-1])

    @property
    def whole(self) -> NDArray[np.float16]:
        """The images in one piece, ``(n, channels, rows, columns)`` or ``(n, channels, z, y, x)``.

        Where volumes were not kept, their axial slices stand for them.
        """
        if self.volumes is not None:
            return np.swapaxes(self.volumes, 2, 4)
        return self.pixels[:, 0, 0] if self.num_pixel_stacks == 1 else np.moveaxis(self.pixels[:, 0], 1, 2)

    @property
    def num_pixel_stacks(self) -> int:
        """The number of stacks of planes: 1 for pictures, 3 for volumes."""
        return int(self.pixels.shape[1])

    @property
    def num_stacks(self) -> int:
        """The number of stacks of features."""
        return int(self.features.shape[1])

    @property
    def embedding(self) -> Floats:
        """One row of features per image: the mean over the slices of each stack, side by side."""
        return np.asarray(self.features.mean(axis=2)).reshape(len(self), -1)

    def stack(self, index: int) -> Floats:
        """Return the features of the planes of one stack, or of the volumes, ``(n · slices, dimension)``."""
        return np.asarray(self.features[:, index]).reshape(-1, self.dimension)

    @property
    def row_subjects(self) -> Subjects:
        """The subject of each row of ``stack``."""
        return np.repeat(self.subjects, self.features.shape[2])


@dataclass(frozen=True)
class ImageSets:
    """The sets that are compared.

    Args:
        real: real images, best of subjects that the model was not trained on.
        synthetic: what is judged.
        train: the images that the model was trained on; None where they were not given.
    """

    real: ImageSetFeatures
    synthetic: ImageSetFeatures
    train: ImageSetFeatures | None = None

    @property
    def reference(self) -> ImageSetFeatures:
        """The images that may have been copied: the training images, or the real ones where there are none."""
        return self.real if self.train is None else self.train

    @property
    def held_out(self) -> Indices:
        """The real images that are not training images, by content; all of them without training images."""
        if self.train is None:
            return np.arange(len(self.real))
        known = set(self.train.content)
        return np.array([k for k, content in enumerate(self.real.content) if content not in known], dtype=np.int64)
