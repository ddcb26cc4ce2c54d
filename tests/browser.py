"""A browser without a window, for tests of pages; the fixture ``browser`` gives one."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
ENTER, RIGHT = "\ue007", "\ue014"


def running() -> Iterator[Any]:
    """Yield a browser; skip the test where there is none, and fail it where ``NEEDS_BROWSER`` says that there must be."""
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


def press(browser: Any, selector: str, key: str) -> None:
    from selenium.webdriver.common.by import By

    browser.find_element(By.CSS_SELECTOR, selector).send_keys(key)


def wait(browser: Any, condition: str) -> Any:
    """Wait until JavaScript finds something true, and return it."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 120).until(lambda driver: driver.execute_script(f"return {condition}"))
