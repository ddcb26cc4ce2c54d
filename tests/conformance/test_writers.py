"""Every registered writer keeps its promises, and the checker finds those that do not."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gandlf_synth import registry
from gandlf_synth.data.formats.writers import Writer
from gandlf_synth.errors import PluginError
from gandlf_synth.geometry import Geometry
from gandlf_synth.registry import register
from gandlf_synth.testing import check_writer

LONG = {"dicom_seg"}
"""255 segments in each file."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in registry.names("writers")]
)
def test_writer_keeps_its_promises(name: str) -> None:
    check_writer(name)


class Careless(Writer):
    """Writes the name of the file into it, loses half of the precision and leaves a file beside it."""

    suffixes = (".NPY",)
    number_types = ("float32",)

    def __call__(self, path: Path, voxels: NDArray[Any], geometry: Geometry, provenance: Mapping[str, object]) -> None:
        np.save(path.with_suffix(""), voxels.astype(np.float16))
        path.with_suffix(".npy").rename(path)
        path.with_suffix(".txt").write_text(json.dumps({**provenance, "file": path.name}))

    def embedded_text(self, path: Path) -> str | None:
        return path.with_suffix(".txt").read_text()


def test_broken_promises_are_named(plugins: None) -> None:
    register("writers", "careless")(Careless)

    with pytest.raises(PluginError) as error:
        check_writer("careless")

    message = str(error.value)
    assert "its endings are lower case and start with a dot; it gives ['.NPY']" in message
    assert (
        "what is written is read back, with its number type unless it says otherwise; it gives float32 (1, 5, 7) with other values"
        in message
    )
    assert "the provenance is in the file, and is found there" in message
    assert "nothing is left beside it; it gives ['image.NPY', 'image.txt'], of float32 (1, 7, 5)" in message
