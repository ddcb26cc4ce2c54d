"""The images most like a training image, each beside it, for a reader to judge."""

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth.metrics.detail import FLIP_NAMES
from gandlf_synth.metrics.image_set import ImageSetFeatures
from gandlf_synth.metrics.intervals import Indices
from gandlf_synth.metrics.memorization import Matches, Numbers
from gandlf_synth.metrics.results import CopyPair
from gandlf_synth.metrics.turns import turned_planes


def worst_pairs(
    images: ImageSetFeatures,
    reference: ImageSetFeatures,
    matches: Matches,
    order: Numbers,
    count: int,
    flagged: NDArray[np.bool_],
    identical: NDArray[np.bool_],
    beyond: NDArray[np.bool_],
    *,
    places: Indices | None = None,
) -> tuple[list[CopyPair], list[NDArray[np.float16]]]:
    """Return the pairs that come first, and their middle planes, each ``(2, channels, rows, columns)``.

    Args:
        images: the set that was searched for.
        reference: the training images.
        matches: of the images.
        order: the largest comes first.
        count: pairs.
        flagged: which matches are called copies.
        identical: which are a training image to the pixel.
        beyond: which are nearer than held-out images get.
        places: of the matches in ``images``, which then are held-out real images; None: all, synthetic ones.
    """
    pairs: list[CopyPair] = []
    pictures: list[NDArray[np.float16]] = []
    for row in np.argsort(-order, kind="stable")[:count]:
        place = int(row if places is None else places[row])
        index, second = int(matches.index[row]), int(matches.second[row])
        flip, turn = int(matches.flip[row]), int(matches.turn[row])
        pixels = np.asarray(images.pixels[place : place + 1], dtype=np.float32)
        query = np.asarray(turned_planes(pixels, turn, flip)[0], dtype=np.float32)
        original = np.asarray(reference.pixels[index], dtype=np.float32)
        pairs.append(
            CopyPair(
                synthetic=images.files[place], training=reference.files[index], flip=FLIP_NAMES[flip], turn=turn,
                correlation=float(matches.correlation[row]), likeness=float(matches.likeness[row]),
                ssim=ssim(query, original), flagged=bool(flagged[row]), identical=bool(identical[row]),
                kind=matches.kind(row), second=reference.files[second] if second != index else "",
                held_out=places is not None, beyond=bool(beyond[row]),
            )
        )  # fmt: skip
        middle = query.shape[1] // 2
        pictures.append(np.stack([query[0, middle], original[0, middle]]).astype(np.float16))
    return pairs, pictures


def ssim(image: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Return the SSIM (Wang et al. 2004) of two images, the reference brought to the image's mean and deviation.

    Args:
        image: ``(stacks, slices, channels, rows, columns)``.
        reference: of the same shape.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure as measure

    spread = reference.std() or 1.0
    aligned = (reference - reference.mean()) / spread * image.std() + image.mean()
    pair = [torch.from_numpy(np.ascontiguousarray(side)).flatten(0, 1) for side in (image, aligned)]
    return float(measure(pair[0], pair[1], data_range=1.0))
