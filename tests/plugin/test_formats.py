"""A file format of somebody else's: written, read, chosen by name, with its provenance found again."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.factories import Cli, TableOf, TinyConfig

from gandlf_synth import registry
from gandlf_synth.data.formats.readers import is_readable, read_image
from gandlf_synth.data.formats.writers import choose_writer, read_provenance
from gandlf_synth.errors import ConfigError

PLUGIN = '''
import json

import numpy as np

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import Reader
from gandlf_synth.data.formats.writers import Writer
from gandlf_synth.geometry import Geometry
from gandlf_synth.registry import register


@register("writers", "raw_json")
class RawWriter(Writer):
    """Writes voxels as numbers in JSON."""

    suffixes = (".rawjson",)
    channels = (1, 3)
    number_types = ("uint8", "int16")

    def __call__(self, path, voxels, geometry, provenance):
        content = {"voxels": voxels.tolist(), "dtype": str(voxels.dtype), "about": provenance}
        path.write_text(json.dumps(content, sort_keys=True))

    def embedded_text(self, path):
        return json.dumps(json.loads(path.read_text())["about"])


@register("readers", "raw_json")
class RawReader(Reader):
    """Reads what ``RawWriter`` writes."""

    suffixes = (".rawjson",)

    def __call__(self, path, part=""):
        content = json.loads(path.read_text())
        voxels = np.array(content["voxels"], content["dtype"])
        return Image.from_file_values(voxels, Geometry(voxels.shape[1:], physical=False))
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "_registered", {})
    path = tmp_path / "raw_format.py"
    path.write_text(PLUGIN)
    return path


def test_images_are_written_in_the_format_of_a_plugin_and_trained_on_again(
    cli: Cli, pictures: Path, table_of: TableOf, tiny_config: TinyConfig, plugin: Path, tmp_path: Path
) -> None:
    config, csv = tiny_config([8, 8]), table_of(pictures, paradigm="custom")
    code, _, err = cli("train", "-c", config, "-dt", csv, "-m-dir", tmp_path / "model")
    assert code == 0, err

    code, out, err = cli("generate", "-m-dir", tmp_path / "model", "-n", 4, "--format", "raw_json", "--plugin", plugin)

    assert code == 0, err
    folder = Path(out.strip())
    images = sorted(folder.glob("*.rawjson"))
    assert len(images) == 4
    record = json.loads(images[0].with_suffix(".json").read_text())
    assert (read_provenance(images[0]) or {})["seed"] == record["seed"]
    assert read_image(images[0]).array.shape == (3, 8, 8)
    assert read_image(images[0]).dtype == "uint8"
    made = folder / "inference_logs" / "images.csv"
    code, _, err = cli("train", "-c", config, "-dt", made, "-m-dir", tmp_path / "again", "--plugin", plugin)
    assert code == 0, err


def test_the_yaml_names_the_format_of_a_plugin(cli: Cli, tiny_config: TinyConfig, plugin: Path) -> None:
    config = tiny_config([8, 8], "inference_parameters: {output_format: raw_json}\n")

    assert cli("config", "show", "-c", config, "--plugin", plugin)[0] == 0
    registry._registered.clear()
    code, _, err = cli("config", "show", "-c", config)

    assert code == 2
    assert (
        "unknown name 'raw_json' in writers; allowed: auto, store, dicom, dicom_ct, dicom_mr, dicom_seg, jpeg, nifti, png, tiff"
        in err
    )
    assert "inference_parameters.output_format" in err


@pytest.mark.parametrize("command", [("generate",), ("reconstruct", "-dt", "data.csv")])
def test_a_format_that_nobody_writes_is_refused_with_those_there_are(cli: Cli, command: tuple[str, ...]) -> None:
    code, _, err = cli(*command, "-m-dir", "model", "--format", "nift")

    assert code == 2
    assert (
        "--format: unknown name 'nift' in writers; allowed: dicom, dicom_ct, dicom_mr, dicom_seg, jpeg, nifti, png, tiff; did you mean 'nifti'?"
        in err
    )


def test_a_reader_is_used_as_soon_as_it_is_registered(plugin: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.rawjson"
    image.write_text(json.dumps({"voxels": [[[1, 2], [3, 4]]], "dtype": "int16"}))
    assert not is_readable(image)

    registry.load_plugin(plugin)
    assert np.array_equal(read_image(image).array, [[[1, 2], [3, 4]]])

    plugin.write_text(PLUGIN.replace('np.array(content["voxels"]', '7 * np.array(content["voxels"]'))
    registry.load_plugin(plugin)
    assert np.array_equal(read_image(image).array, [[[7, 14], [21, 28]]])


def test_a_format_is_refused_for_images_that_it_cannot_hold(plugin: Path) -> None:
    registry.load_plugin(plugin)

    assert choose_writer("RAW_JSON", "rad", 3, "int16").suffix == ".rawjson"
    with pytest.raises(
        ConfigError,
        match=r"'raw_json' cannot hold values of type float32; allowed: dicom, dicom_ct, dicom_mr, nifti, tiff",
    ):
        choose_writer("raw_json", "rad", 2, "float32")
    with pytest.raises(
        ConfigError, match=r"'png' cannot hold volumes; allowed: dicom, dicom_ct, dicom_mr, dicom_seg, nifti, raw_json"
    ):
        choose_writer("png", "rad", 3, "uint8")
    with pytest.raises(
        ConfigError, match=r"'png' cannot hold values of type int16; allowed: dicom, .*nifti, raw_json, tiff"
    ):
        choose_writer("png", "rad", 2, "int16", exact=True)


def test_auto_follows_the_modality() -> None:
    assert choose_writer("auto", "histo", 2, "uint8").suffix == ".tiff"
    assert choose_writer("auto", "histo", 3, "uint8").suffix == ".nii.gz"
    assert choose_writer("auto", "rad", 2, "float32").suffix == ".nii.gz"
