"""The page in a browser: complete, usable by keyboard, and readable at any width and on paper."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from tests.browser import BROWSER, press
from tests.factories import Cli

MOST_PAGES = 6


def test_every_image_is_shown(flat: Path, browser: Any) -> None:
    browser.get((flat / "report.html").as_uri())

    broken = "return [...document.images].filter(image => image.src && (!image.complete || !image.naturalWidth)).length"
    assert browser.execute_script(broken) == 0
    assert browser.execute_script("return document.images.length") > 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_every_width_and_no_text_stands_in_a_column_of_single_words(
    flat: Path, browser: Any, scheme: str
) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    for width in (400, 1280, 2000):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get((flat / "report.html").as_uri())

        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        narrow = browser.execute_script(
            "return [...document.querySelectorAll('p, h2, h3, h4, dd, li > b, label, .pill')].filter(each =>"
            " each.offsetParent && each.textContent.trim().split(/\\s+/).length > 3 && each.clientWidth < 100)"
            ".map(each => each.textContent)"
        )
        assert narrow == []
        cut = browser.execute_script(
            "return [...document.querySelectorAll('svg text')].filter(each => each.textContent).filter(each => {"
            " const a = each.getBoundingClientRect(), b = each.closest('svg').getBoundingClientRect(); return a.left < b.left - 1 || a.right > b.right + 1 })"
            ".map(each => each.textContent)"
        )
        assert cut == []
        assert width < 1600 or browser.execute_script("return document.querySelector('main').clientWidth") > 1500


def test_it_prints_on_few_pages_with_its_cautions(flat: Path, browser: Any) -> None:
    browser.get((flat / "report.html").as_uri())

    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])

    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= MOST_PAGES
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script("return document.querySelector('.banner').offsetHeight") > 0
    assert browser.execute_script("return document.querySelector('#quiz').offsetParent") is None


def test_an_image_is_enlarged_and_left_by_keyboard(flat: Path, browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get((flat / "report.html").as_uri())
    press(browser, "#samples .zoom", Keys.ENTER)
    first = browser.execute_script("return document.querySelector('#viewer img').alt")
    press(browser, "#viewer", Keys.ARROW_RIGHT)

    assert first == "real image 1 of 12"
    assert browser.execute_script("return document.querySelector('#viewer img').alt") == "real image 2 of 12"
    press(browser, "#viewer", Keys.ESCAPE)
    assert not browser.execute_script("return document.querySelector('#viewer').open")


def test_the_quiz_counts_right_answers(flat: Path, browser: Any) -> None:
    browser.get((flat / "report.html").as_uri())
    press(browser, "#quiz button", "\ue007")
    browser.execute_script(
        "const items = JSON.parse(document.getElementById('quiz-items').textContent);"
        "for (let k = 0; k < items.length; k++) {"
        "  const shown = items.find(item => item.src === document.querySelector('.asked').src);"
        "  const wrong = k < 4; document.querySelectorAll('#quiz .controls button')[shown.synthetic !== wrong ? 1 : 0]"
        ".click(); }"
    )

    text = browser.execute_script("return document.querySelector('#quiz [role=status]').textContent")
    assert text.startswith("36 of 40 right (95 % interval 77 % to 96 %; guessing: 50 %; p = ")
    assert "You can tell them apart." in text


def test_answers_on_copies_survive_a_reload(flat: Path, browser: Any) -> None:
    browser.get((flat / "report.html").as_uri())
    press(browser, ".judge input[value='no copy']", " ")
    browser.refresh()

    kept = browser.execute_script("return document.querySelectorAll('.judge input:checked').length")
    assert kept == 1
    assert browser.execute_script("return document.querySelectorAll('.match .difference').length") >= 1


def test_the_map_shows_the_image_of_a_mark_by_keyboard(flat: Path, browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get((flat / "report.html").as_uri())
    press(browser, ".map", Keys.ARROW_RIGHT)

    text = browser.execute_script("return document.querySelector('.tip').textContent")
    assert re.search(r"(real|synthetic) [ab] .*\.png", text)


def test_a_pdf_is_printed_from_the_page(flat: Path, cli: Cli) -> None:
    if not BROWSER:
        pytest.skip("needs chromium")
    code, out, err = cli("report", flat, "--format", "pdf")

    assert code == 0, err
    assert out.split()[-1].endswith("report.pdf")
    content = (flat / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) <= MOST_PAGES


@pytest.mark.slow
def test_volumes_open_in_the_viewer_or_the_page_says_why_not(volume: Path, browser: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get((volume / "report.html").as_uri())
    press(browser, "#open-volumes", "\ue007")
    state = (
        "return document.getElementById('volume-views').dataset.open ||"
        " (/does not run here/.test(document.getElementById('volumes').innerText) ? 'refused' : '')"
    )

    assert WebDriverWait(browser, 60).until(lambda driver: driver.execute_script(state)) in {"1,1", "refused"}
    log = [line["message"] for line in browser.get_log("browser")]
    assert [line for line in log if "WebGL" not in line and "GPU" not in line and "GL Driver" not in line] == []


def test_one_slider_moves_through_the_slices_of_both_sets(volume: Path, browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get((volume / "report.html").as_uri())
    visible = "return [...document.querySelectorAll('#samples .stack > div:not([hidden]) img')].map(image => image.alt)"
    before = browser.execute_script(visible)
    press(browser, "#samples input[type=range]", Keys.END)
    moved = browser.execute_script(visible)
    press(browser, "#samples select", "cor")

    assert before == ["real, axial slice 3 of 4", "synthetic, axial slice 3 of 4"]
    assert moved == ["real, axial slice 4 of 4", "synthetic, axial slice 4 of 4"]
    assert browser.execute_script(visible) == ["real, coronal slice 4 of 4", "synthetic, coronal slice 4 of 4"]
    assert browser.execute_script("return document.querySelector('#samples output').textContent") == "4"
