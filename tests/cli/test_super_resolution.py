"""A coarse image comes back with as many more voxels as the model was asked to learn, whatever the plan shows it."""

from pathlib import Path

import nibabel as nib
import numpy as np
from tests.factories import Array, Cli, blob, blob_picture, write_nifti, write_picture, write_table

from gandlf_synth.data.formats.readers import read_image

FINER = """\
model_config:
  model_name: pix2pix
  conditioning: [low_resolution: {factor: 2}]
  architecture: {init_channels: 8, blocks_down: [1, 1], norm_num_groups: 2}
  adversarial_weight: 0
  optimizers: {name: adamw, lr: 5e-3}
num_epochs: 10
batch_size: 4
compute: {accelerator: cpu, precision: 32}
"""


def train(cli: Cli, root: Path, files: list[Path]) -> Path:
    config = root / "finer.yaml"
    config.write_text(FINER)
    table = write_table(root / "train.csv", ("SubjectID", "Channel_0"), [(f.stem, f) for f in files])
    code, _, err = cli("train", "-c", config, "-dt", table, "-m-dir", root / "model")
    assert code == 0, err
    return root / "model"


def refine(cli: Cli, model: Path, coarse: Path) -> Path:
    table = write_table(coarse.parent / "coarse.csv", ("SubjectID", "Channel_0"), [("a", coarse)])
    code, out, err = cli("generate", "-m-dir", model, "-dt", table, "-i-dir", coarse.parent / "out")
    assert code == 0, err
    return next(path for path in Path(out.strip()).glob("a_synthetic.*") if path.suffix != ".json")


def means_of_two(array: Array, axes: int) -> Array:
    for axis in range(axes):
        array = (
            array.take(range(0, array.shape[axis], 2), axis) + array.take(range(1, array.shape[axis], 2), axis)
        ) / 2
    return array


def test_a_picture_gets_twice_as_many_pixels(cli: Cli, tmp_path: Path) -> None:
    side = 28
    pictures = [write_picture(tmp_path / f"{seed}.png", blob_picture(side, seed)) for seed in range(4)]
    truth = blob_picture(side, 9).astype(float)
    coarse = write_picture(tmp_path / "coarse" / "a.png", means_of_two(truth, 2).astype(np.uint8))

    made = read_image(refine(cli, train(cli, tmp_path, pictures), coarse)).array[0]

    assert made.shape == (side, side)
    assert np.abs(made - truth).mean() < 25  # a picture in a corner of the grid is far from it


def test_a_scan_gets_voxels_as_small_as_those_of_the_training(cli: Cli, tmp_path: Path) -> None:
    fine, thick = np.diag([1.0, 1, 1, 1]), np.diag([2.0, 2, 2, 1])
    scans = [write_nifti(tmp_path / f"{seed}.nii.gz", blob((24, 20, 16), seed), fine) for seed in range(4)]
    coarse = write_nifti(tmp_path / "coarse" / "a.nii.gz", means_of_two(blob((24, 20, 16), 9), 3), thick)

    made = nib.load(refine(cli, train(cli, tmp_path, scans), coarse))

    assert made.shape == (24, 20, 16)
    assert np.allclose(made.header.get_zooms(), 1)
