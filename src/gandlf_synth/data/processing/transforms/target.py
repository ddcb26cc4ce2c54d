"""The image that a step compares others with."""

from functools import lru_cache
from pathlib import Path

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.data.processing.transforms.base import TransformError


@lru_cache(maxsize=8)
def target_image(path: Path) -> Image:
    """Return the image in ``path``, kept in memory.

    Raises:
        TransformError: it cannot be read.
    """
    try:
        return read_image(path)
    except UnreadableError as error:
        raise TransformError(f"the target {path} {error.what}") from error
