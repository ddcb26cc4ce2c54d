"""Every registered reader keeps its promises, and the checker finds those that do not."""

from pathlib import Path

import numpy as np
import pytest
from tests.damage import cell_of, valid_files
from tests.factories import write_series
from tests.storages import make_scan, ome_zarr

from gandlf_synth import registry
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import Reader
from gandlf_synth.errors import PluginError
from gandlf_synth.geometry import Geometry
from gandlf_synth.registry import register
from gandlf_synth.testing import check_reader

EXAMPLES = {
    "dicom": ("dicom", "dicom rle"),
    "itk": ("mha", "nrrd"),
    "nifti": ("nifti1", "nifti1 gzip"),
    "numpy": ("npy", "npz"),
    "ome_tiff": ("ome-tiff",),
    "picture": ("png", "jpeg"),
    "slide": ("slide",),
    "tar": ("tar",),
    "tiff": ("tiff", "tiff deflate"),
}


def test_every_reader_is_tried() -> None:
    assert {*EXAMPLES, "dicom_series", "ome_zarr", "store"} == set(registry.names("readers"))


@pytest.mark.parametrize(("name", "example"), [(name, example) for name in EXAMPLES for example in EXAMPLES[name]])
def test_reader_keeps_its_promises(name: str, example: str, tmp_path: Path) -> None:
    if name == "slide":
        pytest.importorskip("tiffslide")
    suffix, content = valid_files(tmp_path)[example]
    path = tmp_path / f"example{suffix}"
    path.write_bytes(content)

    check_reader(name, path, cell_of(path).partition("#")[2])


def test_the_reader_of_dicom_folders_keeps_its_promises(tmp_path: Path) -> None:
    write_series(tmp_path / "series")

    check_reader("dicom_series", tmp_path / "series")


def test_the_reader_of_ome_zarr_keeps_its_promises(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    path = ome_zarr(tmp_path, make_scan().as_type("int16"), compressor=None)

    check_reader("ome_zarr", path)


class Careless(Reader):
    """Reads numbers from text, and does not look at them."""

    suffixes = (".TXT",)
    has_parts = True

    def __call__(self, path: Path, part: str = "") -> Image:
        array = np.loadtxt(path, ndmin=2)
        return Image(array[None], Geometry(array.shape[::-1]), "text", np.full(1, 2.0), np.zeros(1))


def test_broken_promises_are_named(plugins: None, tmp_path: Path) -> None:
    register("readers", "careless")(Careless)
    path = tmp_path / "a.TXT"
    path.write_text("1 2 3\n4 5 6\n")

    with pytest.raises(PluginError) as error:
        check_reader("careless", path)

    message = str(error.value)
    assert "its endings are lower case and start with a dot, or stand for folders; it gives ['.TXT']" in message
    assert "it is the reader of the example" in message
    assert "it raises UnreadableError for what is damaged, and nothing else" in message
    assert "it raises UnreadableError for a part that is not there; it gives an image" in message
