"""The numbers of challenges, through files, against implementations that share nothing with ours.

The package ``inpainting`` is the program of the BraTS inpainting challenge; where it is not installed its formulas,
written out below with other libraries, stand for it.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from tests.factories import Array, Cli, read_table, write_nifti, write_table

LPS_AFFINE = np.diag([-1.5, -1.0, 2.0, 1.0])
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SHAPE = (21, 26, 24)


def texture(seed: int, width: float) -> Array:
    return gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), width) * width**1.5


def ball(radius: float) -> Array:
    axes = np.meshgrid(*(np.linspace(-1, 1, length) for length in SHAPE), indexing="ij")
    return np.sqrt(sum(axis**2 for axis in axes)) < radius


@pytest.fixture
def inpainting(tmp_path: Path) -> list[dict[str, Path]]:
    """Files of two subjects: the region is made anew, and the voided image lacks a lesion beside it too."""
    subjects = []
    for seed in range(2):
        brain = np.where(ball(0.95), 600 + 200 * texture(seed, 2), 0).clip(0)
        region, lesion = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
        region[6:14, 8:18, 7:15], lesion[15:18, 10:14, 10:14] = True, True
        arrays = {
            "real": brain, "synthetic": np.where(region, 640 + 150 * texture(seed + 9, 3), brain),
            "region": region, "voided": brain * ~(region | lesion),
        }  # fmt: skip
        subjects.append(
            {name: write_nifti(tmp_path / f"{seed}_{name}.nii.gz", array.astype(np.float32), LPS_AFFINE)
             for name, array in arrays.items()}
        )  # fmt: skip
    return subjects


def evaluated(cli: Cli, folder: Path, preset: str, rows: list[dict[str, Path]], *columns: str) -> list[dict[str, str]]:
    """Return the rows of images.csv of a preset; ``columns`` are further columns of the originals by their files."""
    files = {"Region": "region", "Source_0": "voided", "Mask": "mask"}
    real = [[f"s{index}", row["real"], *(row[files[column]] for column in columns)] for index, row in enumerate(rows)]
    made = [[f"s{index}", row["synthetic"]] for index, row in enumerate(rows)]
    tables = (
        write_table(folder / "real.csv", ("SubjectID", "Channel_0", *columns), real),
        write_table(folder / "made.csv", ("SubjectID", "Channel_0"), made),
    )
    code, _, err = cli(
        *("evaluate", "--paired", "--preset", preset, "-r", tables[0], "-s", tables[1], "-o", folder / "out"),
        *("--error-maps", "none"),
    )
    assert code == 0, err
    assert json.loads((folder / "out" / "metrics.json").read_text())["preset"] == preset
    return read_table(folder / "out" / "images.csv")


def voxels(path: Path) -> Array:
    import nibabel as nib

    return nib.load(path).get_fdata()


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor")
def test_inpainting_equals_the_program_of_the_challenge(
    cli: Cli, inpainting: list[dict[str, Path]], tmp_path: Path
) -> None:
    program = pytest.importorskip("inpainting.challenge_metrics_2023")

    rows = evaluated(cli, tmp_path, "brats-inpainting", inpainting, "Region", "Source_0")

    for row, files in zip(rows, inpainting, strict=True):
        theirs = program.compute_image_quality_metrics(
            *(str(files[name]) for name in ("synthetic", "region", "real", "voided"))
        )
        assert float(row["structural_similarity_index"]) == pytest.approx(theirs["ssim"], abs=1e-6)
        assert float(row["mean_squared_error"]) == pytest.approx(theirs["mse"], abs=1e-6)
        assert float(row["peak_signal_noise_ratio"]) == pytest.approx(theirs["psnr"], rel=1e-6)


def test_inpainting_equals_its_formulas(cli: Cli, inpainting: list[dict[str, Path]], tmp_path: Path) -> None:
    rows = evaluated(cli, tmp_path, "brats-inpainting", inpainting, "Region", "Source_0")

    for row, files in zip(rows, inpainting, strict=True):
        region = voxels(files["region"]) > 0
        low, high = np.percentile(voxels(files["voided"]), [0.5, 99.5])
        real, made = (
            (np.clip(voxels(files[name]) * region, max(low, 0), high) - max(low, 0)) / (high - max(low, 0))
            for name in ("real", "synthetic")
        )
        similarity = [
            structural_similarity(
                *planes, data_range=max(np.ptp(real), np.ptp(made)), gaussian_weights=True, sigma=1.5,
                use_sample_covariance=False, full=True,
            )[1]
            for planes in zip(real, made, strict=True)
        ]  # fmt: skip
        counted, others = real[region], made[region]
        ends = counted.min(), counted.max()
        psnr = peak_signal_noise_ratio(counted, np.clip(others, *ends), data_range=ends[1] - ends[0])
        inside = np.stack(similarity)[region].mean()
        assert float(row["structural_similarity_index"]) == pytest.approx(inside, abs=1e-6)
        assert float(row["mean_squared_error"]) == pytest.approx(mean_squared_error(counted, others), abs=1e-6)
        assert float(row["peak_signal_noise_ratio"]) == pytest.approx(psnr, rel=1e-6)


def test_synthrad_equals_its_formulas(cli: Cli, tmp_path: Path) -> None:
    subjects = []
    for seed in range(2):
        body = ball(0.8)
        real = np.where(body, 500 * texture(seed, 2), -1000).clip(-1024, 4000).astype(np.int16)
        made = (real + np.where(body, 200 * texture(seed + 9, 1) + 20, 300)).astype(np.int16)
        arrays = {"real": real, "synthetic": made, "mask": body.astype(np.uint8)}
        subjects.append(
            {name: write_nifti(tmp_path / f"{seed}_{name}.nii.gz", array, LPS_AFFINE) for name, array in arrays.items()}
        )

    rows = evaluated(cli, tmp_path, "synthrad", subjects, "Mask")

    for row, files in zip(rows, subjects, strict=True):
        real, made, body = voxels(files["real"]), voxels(files["synthetic"]), voxels(files["mask"]) > 0
        clipped = [np.clip(image, -1024, 3071) for image in (real, made)]
        psnr = peak_signal_noise_ratio(*(image[body] for image in clipped), data_range=4095)
        assert float(row["mean_absolute_error"]) == pytest.approx(np.abs(real - made)[body].mean(), abs=1e-6)
        assert float(row["peak_signal_noise_ratio"]) == pytest.approx(psnr, abs=1e-6)
        assert float(row["masked_ms_ssim"]) == pytest.approx(masked_ms_ssim(clipped, body), abs=1e-6)


def masked_ms_ssim(images: list[Array], mask: Array) -> float:
    """Return SynthRAD's MS-SSIM from its formulas, with sums by fast Fourier transforms."""
    margins = [((97 - length) // 2, 97 - length - (97 - length) // 2) for length in mask.shape]
    one, other, inside = (
        np.pad(image, margins, mode="edge") for image in (*(np.where(mask, each + 1024, 0) for each in images), mask)
    )
    product = 1.0
    for weight in WEIGHTS:
        core = (slice(3, -3),) * 3
        product *= np.clip(similarity_at(one, other, weight)[core][inside[core]].mean(), 0, 1)
        one, other = (fftconvolve(image, np.full((2, 2, 2), 1 / 8), mode="same") for image in (one, other))
        one, other, inside = (image[::2, ::2, ::2] for image in (one, other, inside))
    return float(product)


def similarity_at(one: Array, other: Array, weight: float) -> Array:
    def mean(image: Array) -> Array:
        return fftconvolve(np.pad(image, 3, mode="symmetric"), np.full((7, 7, 7), 7**-3), mode="valid")

    means = mean(one), mean(other)
    unbiased = 343 / 342
    variances = [unbiased * (mean(image**2) - own**2) for image, own in zip((one, other), means, strict=True)]
    covariance = unbiased * (mean(one * other) - means[0] * means[1])
    deviations = np.sqrt(np.clip(variances[0], 0, None) * np.clip(variances[1], 0, None))
    c1, c2 = (0.01 * 4095) ** 2, (0.03 * 4095) ** 2
    luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
    contrast = (2 * deviations + c2) / (variances[0] + variances[1] + c2)
    structure = (covariance + c2 / 2) / (deviations + c2 / 2)
    return np.prod([np.clip(part, 0, None) ** weight for part in (luminance, contrast, structure)], axis=0)
