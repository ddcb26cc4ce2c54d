"""The contact sheet of new images: the first of them, a row for each class."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.display import SheetRow, View, contact_sheet, save_png, views
from gandlf_synth.synthesis.requests import ImageRequest

Made = tuple[ImageRequest, NDArray[np.float32], dict[str, Any]]
"""A request, its image ``(channels, *spatial)`` in [-1, 1], and what to record of it."""
_MOST_VIEWS = 64


class SampleSheet:
    """Collects views of the images that pass, until the sheet is full.

    Args:
        spec: of the data, for classes, geometry and colors.
    """

    def __init__(self, spec: DataSpec) -> None:
        self._spec = spec
        self._views: dict[str, list[View]] = {}

    def pass_on(self, images: Iterable[Made]) -> Iterator[Made]:
        """Yield ``images`` as they are, and keep views of the first."""
        spec = self._spec
        for request, image, more in images:
            if sum(map(len, self._views.values())) < _MOST_VIEWS:
                title = "" if request.class_index is None else spec.class_names[request.class_index]
                shown = views(image, spec.geometry, colour=spec.modality == "histo")
                self._views.setdefault(title, []).extend(shown)
            yield request, image, more

    def save(self, path: Path) -> None:
        """Write the sheet, marked as synthetic; nothing where no image has passed."""
        rows = [SheetRow(title, shown) for title, shown in self._views.items()]
        if rows:
            save_png(contact_sheet(rows, title="Synthetic"), path, synthetic=True)
