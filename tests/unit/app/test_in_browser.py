"""The page in a browser: usable by mouse and keyboard, readable at any width, and complete."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.browser import ENTER, RIGHT, press, wait
from tests.factories import blob_picture, write_picture
from tests.pages import Page


@pytest.fixture
def opened(page: Page, browser: Any) -> Any:
    browser.get(page.url)
    wait(browser, "document.body.dataset.model === 'ready'")
    return browser


def fill(browser: Any, **values: object) -> None:
    for name, value in values.items():
        browser.execute_script(f"document.getElementById('{name}').value = arguments[0]", value)


def test_images_are_ordered_seen_and_announced(opened: Any, tmp_path: Path) -> None:
    mask = write_picture(tmp_path / "mask.png", (blob_picture(16, 3) > 100).astype(np.uint8))
    before = opened.execute_script("return document.querySelectorAll('.job').length")
    press(opened, "input[type=file]", str(mask))
    wait(opened, "document.querySelector('.drop [role=status]').textContent === 'Received.'")
    fill(opened, number=2, seed=11)
    press(opened, "#cell-age", "50")
    press(opened, "#submit", ENTER)
    wait(opened, f"document.querySelectorAll('.job').length === {before + 1}")
    wait(opened, "document.querySelector('.job').dataset.state === 'done'")
    wait(opened, "document.getElementById('news').textContent === '2 images ready.'")
    shown = "[...document.querySelector('.job').querySelectorAll('img')]"
    wait(opened, f"{shown}.every((image) => image.complete && image.naturalWidth)")

    assert opened.execute_script(f"return {shown}.map((image) => image.alt)") == [
        "Mask", "synthetic image 1", "synthetic image 2",
    ]  # fmt: skip
    title = opened.execute_script("return document.querySelector('.job h3').textContent")
    assert title == "2 images · age 50 · seed 11"
    command = opened.execute_script("return document.querySelector('.job code').textContent")
    assert command.startswith("gandlf-synth generate -m-dir ")
    assert opened.execute_script("return document.getElementById('news').ariaLive") == "polite"


def test_a_wrong_wish_is_said_beside_the_form_or_the_order(opened: Any) -> None:
    fill(opened, number=500)
    press(opened, "#submit", ENTER)
    assert opened.execute_script("return document.getElementById('number').matches(':user-invalid')")

    opened.execute_script("document.getElementById('order').noValidate = true")
    press(opened, "#submit", ENTER)
    wait(opened, "document.getElementById('form-error').textContent.includes('less than or equal to 64')")
    opened.get_log("browser")  # the browser lists every answer that refuses


def test_tabs_follow_the_arrow_keys_and_show_the_training(opened: Any) -> None:
    press(opened, "#tab-generate", RIGHT)
    wait(opened, "document.getElementById('report-about').textContent.startsWith('No report lies beside this model')")
    press(opened, "#tab-evaluation", RIGHT)
    wait(opened, "document.querySelectorAll('#curves svg').length >= 1")

    label = opened.execute_script("return document.querySelector('#curves svg').ariaLabel")
    assert "loss" in label
    assert "at step" in label
    assert opened.execute_script("return document.activeElement.id") == "tab-training"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_every_width(page: Page, opened: Any, scheme: str) -> None:
    page.order(number=5, cells={"age": 99})
    wait(opened, "document.querySelectorAll('.job[data-state=done]').length >= 1")
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    colors = set()
    for width in (400, 1280):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
        colors.add(opened.execute_script("return getComputedStyle(document.body).backgroundColor"))

    assert colors == {"rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 25, 31)"}


def test_every_control_has_a_name(opened: Any) -> None:
    nameless = (
        "return [...document.querySelectorAll('input, select, button')].filter((each) => each.offsetParent &&"
        " !(each.labels?.length || each.ariaLabel || each.textContent.trim())).map((each) => each.outerHTML)"
    )
    assert opened.execute_script(nameless) == []


def test_a_page_of_another_site_cannot_order(page: Page, browser: Any, tmp_path: Path) -> None:
    before = len(page.ask("v1/jobs").json["jobs"])
    attack = tmp_path / "attack.html"
    attack.write_text(
        f"<form id=f method=post enctype='text/plain' target=frame action='{page.url}v1/jobs'>"
        "<input name='{&quot;seed&quot;: 1, &quot;x&quot;: &quot;' value='&quot;}'></form><iframe name=frame></iframe>"
        f"<script>f.submit(); fetch('{page.url}v1/jobs', {{method: 'POST', mode: 'no-cors', body: '{{}}'}})"
        ".catch(() => {}).finally(() => document.title = 'sent')</script>"
    )

    browser.get(attack.as_uri())
    wait(browser, "document.title === 'sent'")

    assert len(page.ask("v1/jobs").json["jobs"]) == before
    browser.get_log("browser")  # the browser tells of what was refused
