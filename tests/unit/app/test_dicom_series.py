"""A DICOM series that is given over HTTP, file by file or as a ZIP, is the volume that an image is made from."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from tests.browser import ENTER, press, wait
from tests.factories import TINY, put_into_study, write_series, write_table
from tests.pages import Page, running

from gandlf_synth.cli.main import main
from gandlf_synth.data.formats.readers import read_image

STUDY = "1.2.3.0"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two CT series of each of three patients, and a model that makes the second from the first."""
    root = tmp_path_factory.mktemp("series")
    rows = []
    for number in range(3):
        for seed, series in enumerate(("plain", "contrast")):
            write_series(root / f"p{number}" / series, 6, number=seed + 1, seed=10 * number + seed)
            put_into_study(root / f"p{number}" / series, f"1.2.3.{number}")
        rows.append((f"p{number}", root / f"p{number}" / "contrast", root / f"p{number}" / "plain"))
    table = write_table(root / "data.csv", ("SubjectID", "Channel_0", "Source_0"), rows)
    config = root / "config.yaml"
    config.write_text(TINY.format(shape=[8, 8, 8]).replace("ddpm", "ddpm\n  conditioning: [image]"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANDLF_SYNTH_CACHE", str(root / "cache"))
        assert main(["--quiet", "train", "-c", str(config), "-dt", str(table), "-m-dir", str(root / "model")]) == 0
    return root


@pytest.fixture(scope="module")
def page(home: Path) -> Iterator[Page]:
    with running(home / "model", home / "output") as page:
        yield page


def sent(page: Page, files: list[Path]) -> str:
    """Send the files one after another, as the page does, and return by what the series is known."""
    known = ""
    for file in files:
        query = f"v1/uploads?name={file.name}" + (f"&to={known}" if known else "")
        known = str(page.ask(query, "POST", file.read_bytes()).json["id"])
    return known


def zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, file in enumerate(sorted(folder.iterdir())):
            archive.write(file, f"PATIENT/STUDY {number % 2}/IM{number}")
        archive.writestr("PATIENT/DICOMDIR", b"an index")
        archive.writestr("README.txt", b"how to read this disc")
    return content.getvalue()


def made(page: Page, **order: object) -> tuple[dict[str, bytes], str]:
    job = page.order(seed=3, **order)
    assert job["state"] == "done", job["error"]
    name = job["images"][0]["files"][0]
    body = page.ask(f"v1/jobs/{job['id']}/files/{name}").body
    if not name.endswith(".nii.gz"):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return {each: archive.read(each) for each in archive.namelist()}, name
    return {name: body}, name


def test_a_series_sent_in_files_or_in_a_zip_gives_one_image_where_the_patient_lay(page: Page, home: Path) -> None:
    plain = home / "p0" / "plain"
    answer = page.ask("v1/uploads?name=export.zip", "POST", zipped(plain))
    assert answer.status == 201, answer.body
    by_files = sent(page, sorted(plain.iterdir(), key=lambda file: file.name[::-1]))

    images = []
    for known in (by_files, answer.json["id"]):
        content, name = made(page, files={"Source_0": known}, format="nifti")
        (home / name).write_bytes(content[name])
        images.append(read_image(home / name))

    source = read_image(plain)
    for image in images:
        assert image.geometry.shape == source.geometry.shape
        assert np.allclose(image.geometry.affine, source.geometry.affine, atol=1e-5)
    assert np.array_equal(images[0].array, images[1].array)


def test_dicom_from_dicom_stays_in_its_study(page: Page, home: Path) -> None:
    files, _ = made(page, files={"Source_0": sent(page, sorted((home / "p0" / "plain").iterdir()))}, format="dicom")

    headers = [pydicom.dcmread(io.BytesIO(body)) for name, body in files.items() if name.endswith(".dcm")]

    assert len(headers) == 6
    assert {header.StudyInstanceUID for header in headers} == {STUDY}
    assert {header.FrameOfReferenceUID for header in headers} == {f"{STUDY}.9"}
    assert {header.get((0x0008, 0x001C)).value for header in headers} == {"YES"}


def test_two_series_in_one_place_are_named(page: Page, home: Path) -> None:
    known = sent(page, [*(home / "p0" / "plain").iterdir(), *(home / "p0" / "contrast").iterdir()])

    job = page.order(files={"Source_0": known})

    assert job["state"] == "failed"
    assert "holds 2 series: #1 (CT, 6 files of 7×6), #2 (CT, 6 files of 7×6)" in job["error"]


def test_a_zip_that_is_none_is_refused_in_a_sentence(page: Page) -> None:
    answer = page.ask("v1/uploads?name=series.zip", "POST", b"PK\x03\x04 and nothing more")

    assert answer.status == 422
    assert "the ZIP cannot be unpacked: it is damaged, encrypted" in answer.json["error"]


def test_a_series_is_chosen_in_the_browser_and_the_spread_of_its_draws_is_shown(
    page: Page, home: Path, browser: Any
) -> None:
    browser.get(page.url)
    wait(browser, "document.body.dataset.model === 'ready'")
    plain = [str(file) for file in sorted((home / "p1" / "plain").iterdir())]
    press(browser, "#cell-Source_0", "\n".join(plain))
    wait(browser, "document.querySelector('.drop [role=status]').textContent === 'Received.'")
    browser.execute_script("document.getElementById('draws').value = 3; document.getElementById('seed').value = 5")
    press(browser, "#submit", ENTER)
    wait(browser, "document.querySelector('.job')?.dataset.state === 'done'")

    titles = browser.execute_script(
        "return [...document.querySelectorAll('.job option')].map((each) => each.textContent)"
    )
    assert titles == [
        "synthetic 1", "synthetic 2", "synthetic 3",
        "row 1: mean of 3 images, voxel by voxel", "row 1: std of 3 images, voxel by voxel",
    ]  # fmt: skip
    shown = "[...document.querySelector('.job').querySelectorAll('canvas, img')]"
    assert browser.execute_script(f"return {shown}.length") >= 6
    captions = browser.execute_script(
        "return [...document.querySelectorAll('.job figcaption')].map((each) => each.textContent)"
    )
    assert "given: source image" in captions
    assert "undefined" not in browser.execute_script("return document.body.textContent")
