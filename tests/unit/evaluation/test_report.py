"""The page: one file, complete, usable, and made again from what is stored."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.factories import Cli, blob, heads, write_nifti

from gandlf_synth.evaluation.results import Evaluation

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


@pytest.fixture
def flat(saved: Callable[..., Path], cli: Cli, tmp_path: Path) -> Path:
    labels = ["a"] * 15 + ["b"] * 15
    paths = [saved(name, heads(30, seed), labels) for seed, name in enumerate(("real", "synthetic", "train"))]
    words = ["-r", paths[0], "-s", paths[1], "--train", paths[2], "-o", tmp_path / "out", "--extractor", "random-conv"]
    code, out, err = cli("evaluate", *words, "--format", "html,md,json")
    assert code == 0, err
    assert [Path(line).name for line in out.split()] == ["report.html", "report.md", "metrics.json"]
    assert "faithful: " in err
    return tmp_path / "out"


@pytest.fixture
def volume(evaluated: Callable[..., Evaluation], cli: Cli, tmp_path: Path) -> Path:
    for k in range(12):
        write_nifti(tmp_path / ("real" if k % 2 else "synthetic") / f"{k}.nii.gz", blob((20, 24, 16), k))
    evaluated(tmp_path / "real", tmp_path / "synthetic", slices=4)
    code, _, err = cli("report", tmp_path / "out")
    assert code == 0, err
    return tmp_path / "out"


def test_every_number_is_stored_with_interval_n_and_extractor(flat: Path) -> None:
    content = json.loads((flat / "metrics.json").read_text())

    assert content["extractor"]["name"] == "random-conv"
    for metric in content["metrics"]:
        if not metric["refused"]:
            assert metric["value"]["low"] <= metric["value"]["value"] <= metric["value"]["high"], metric["name"]
            assert metric["num_synthetic"] == 30, metric["name"]
    assert {metric["name"] for metric in content["metrics"]} >= {"kid", "fid", "precision", "copies", "membership"}
    assert [row["name"] for row in content["per_class"]] == ["a", "b"]


def test_the_page_needs_no_network_and_answers_the_four_questions(flat: Path) -> None:
    page = (flat / "report.html").read_text()

    assert len(page) < 10_000_000
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "default-src 'none'" in page
    for text in (
        "Do they look real?",
        "Do they cover the variety?",
        "Are patients safe",
        "Do they help?",
        "Thresholds",
    ):
        assert text in page
    assert page.count("<dt>Shown</dt>") == page.count("<dt>Do</dt>") >= 7
    assert all(re.search(r'alt="[^"]+"', image) for image in re.findall(r"<img [^>]*>", page))
    assert all(re.search(r'aria-label="[^"]+"', picture) for picture in re.findall(r"<svg [^>]*>", page))


def test_the_report_is_made_again_from_what_is_stored(flat: Path, cli: Cli) -> None:
    before = (flat / "report.html").read_text()
    (flat / "report.html").unlink()

    code, out, _ = cli("report", flat)

    assert (code, out.strip()) == (0, str(flat / "report.html"))
    assert (flat / "report.html").read_text() == before


def test_names_of_files_cannot_become_markup(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], cli: Cli, tmp_path: Path
) -> None:
    paths = [saved(name, heads(25, seed), ["<script>alert(1)</script>"] * 25) for seed, name in enumerate(("a", "b"))]
    evaluated(*paths)

    cli("report", tmp_path / "out")

    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_model_folder_adds_curves_and_the_run_record(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], cli: Cli, tmp_path: Path
) -> None:
    logs = tmp_path / "model" / "training_logs" / "version_0"
    logs.mkdir(parents=True)
    (logs / "metrics.csv").write_text("epoch,step,train_loss\n0,10,0.9\n1,20,0.5\n")
    (tmp_path / "model" / "run.json").write_text('{"model_name": "ddpm", "seed": 7}')

    evaluated(saved("a", heads(10, 0)), saved("b", heads(10, 1)), model_dir=tmp_path / "model")
    cli("report", tmp_path / "out")

    page = (tmp_path / "out" / "report.html").read_text()
    assert "train_loss during training; 0.5 at step 20" in page
    assert "&#34;model_name&#34;: &#34;ddpm&#34;" in page


def test_a_folder_without_an_evaluation_is_an_error(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("report", tmp_path)

    assert code == 3
    assert "metrics.json: does not exist; run gandlf-synth evaluate first" in err
    assert cli("report", tmp_path, "--format", "pdf")[0] == 2


@pytest.fixture
def browser() -> Iterator[Any]:
    if not (BROWSER and DRIVER and find_spec("selenium")):
        refuse = pytest.fail if os.environ.get("NEEDS_BROWSER") else pytest.skip
        refuse("needs chromium, chromedriver and selenium")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def test_a_browser_shows_every_image_without_complaint(flat: Path, browser: Any) -> None:
    browser.get((flat / "report.html").as_uri())

    assert browser.get_log("browser") == []
    broken = "return [...document.images].filter(image => !image.complete || !image.naturalWidth).length"
    assert browser.execute_script(broken) == 0
    assert browser.execute_script("return document.images.length") > 4
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_the_slider_moves_through_the_slices_by_keyboard(volume: Path, browser: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.get((volume / "report.html").as_uri())
    boxes = browser.find_elements(By.CSS_SELECTOR, ".slices")
    slider = boxes[0].find_element(By.TAG_NAME, "input")

    def visible() -> list[str]:
        return [each.get_attribute("alt") for each in boxes[0].find_elements(By.TAG_NAME, "img") if each.is_displayed()]

    before = visible()
    slider.send_keys(Keys.END)

    assert len(boxes) == 3
    assert before == ["real, axial slice 3 of 4", "synthetic, axial slice 3 of 4"]
    assert visible() == ["real, axial slice 4 of 4", "synthetic, axial slice 4 of 4"]
    assert boxes[0].find_element(By.TAG_NAME, "output").text == "4"
    assert browser.get_log("browser") == []
