"""``init --model`` writes, for every family, a project that ``check`` lets pass."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.factories import Cli, add_sources, blob, blob_picture, write_nifti, write_picture, write_series, write_table

from gandlf_synth import registry
from gandlf_synth.config import load_config, resolved

SIZES = {"pictures": 24, "volumes": 12}
"""The longest side of the fixtures."""


@pytest.mark.parametrize("data", SIZES)
@pytest.mark.parametrize("family", sorted(registry.entries("models")))
def test_every_family_gets_a_project_that_fits_the_data(
    cli: Cli, request: pytest.FixtureRequest, tmp_path: Path, family: str, data: str
) -> None:
    images: Path = request.getfixturevalue(data)
    project = tmp_path / "project"

    code, _, err = cli("init", images, "-o", project, "--model", family)
    assert code == 0, err
    if registry.load("models", family).config_class().required_kind:
        add_sources(project / "data.csv")
    config = load_config(project / "config.yaml").config
    code, out, err = cli("check", "-c", project / "config.yaml", "-dt", project / "data.csv", "--fast")

    assert code == 0, out + err
    margin = 8 if config.model.keeps_resolution else 1
    assert SIZES[data] <= max(resolved(config.model.tensor_shape)) < SIZES[data] + margin
    assert config.model.network_size == "auto"
    assert " # " in (project / "config.yaml").read_text().split("model_config:")[1].split("num_epochs")[0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="speaks of processors")
@pytest.mark.parametrize(("side", "told"), [(32, False), (64, True)])
def test_diffusion_of_large_pictures_on_a_processor_is_said_to_be_slow(
    cli: Cli, tmp_path: Path, side: int, told: bool
) -> None:
    for number in range(4):
        write_picture(tmp_path / "images" / f"p{number}" / "image.png", blob_picture(side, number))

    code, out, err = cli("init", tmp_path / "images", "-o", tmp_path / "project")

    assert code == 0, err
    assert ("init --model dcgan" in out + err) is told


def test_the_columns_of_a_table_choose_the_task(cli: Cli, tmp_path: Path) -> None:
    rows = []
    for number in range(4):
        files = [f"{number}_{name}.nii.gz" for name in ("t2", "t1", "seg")]
        for place, file in enumerate(files[:2]):
            write_nifti(tmp_path / file, blob((12, 12, 10), 2 * number + place))
        write_nifti(tmp_path / files[2], (blob((12, 12, 10), number) > 500).astype(np.uint8))
        rows.append([f"p{number}", *files])
    pairs = write_table(tmp_path / "pairs.csv", ["SubjectID", "Channel_0", "Source_0"], [row[:3] for row in rows])
    sides = [[row[0], row[1], ""] for row in rows] + [[f"{row[0]}b", "", row[2]] for row in rows]
    unpaired = write_table(tmp_path / "unpaired.csv", ["SubjectID", "Channel_0", "Source_0"], sides)
    masks = write_table(
        tmp_path / "masks.csv", ["SubjectID", "Channel_0", "Mask"], [[row[0], row[1], row[3]] for row in rows]
    )

    texts = {}
    for csv in (pairs, unpaired, masks):
        code, out, _ = cli("init", csv, "-o", tmp_path / csv.stem)
        assert code == 0
        texts[csv] = (tmp_path / csv.stem / "config.yaml").read_text()
        assert f"-dt {csv} -i-dir" in out

    assert "model_name: pix2pix" in texts[pairs]
    assert "conditioning: [image]" in texts[pairs]
    assert "model_name: cyclegan" in texts[unpaired]
    assert "model_name: flow_matching" in texts[masks]
    assert "conditioning: [mask]" in texts[masks]
    assert "labels 0, 1" in texts[masks]


def test_slices_whose_names_recur_in_every_patient_are_volumes_and_no_channels(cli: Cli, tmp_path: Path) -> None:
    for number in range(4):
        write_series(tmp_path / "scans" / f"patient_{number}", slices=8, seed=number)

    code, _, err = cli("init", tmp_path / "scans", "-o", tmp_path / "project")

    assert code == 0, err
    table = (tmp_path / "project" / "data.csv").read_text().splitlines()
    assert len(table) == 5
    assert "Channel_1" not in table[0]
