"""The page on paper, printed by an installed browser."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from gandlf_synth.errors import Problem, ResourceError

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "brave-browser",
)
_ELSEWHERE = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
_SECONDS = 180


def find_browser(names: Iterable[str] = (*BROWSERS, *_ELSEWHERE)) -> str:
    """Return the program of an installed Chromium, Chrome or Edge.

    Raises:
        ResourceError: there is none.
    """
    for name in names:
        if program := shutil.which(name):
            return program
    what = "PDF needs Chromium, Google Chrome or Microsoft Edge, and none was found"
    fix = "install one, or open report.html in any browser and print it"
    raise ResourceError(Problem("--format", what, fix=fix))


def print_page(page: Path, pdf: Path) -> None:
    """Print an HTML file to a PDF.

    Raises:
        ResourceError: there is no browser, or it failed.
    """
    browser = find_browser()
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless=new", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={profile}", *sandbox]
        command = [browser, *options, f"--print-to-pdf={pdf.resolve()}", page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
            said = done.stderr.strip().splitlines()[-1:]
        except subprocess.TimeoutExpired:
            said = [f"it took more than {_SECONDS} s"]
    if not pdf.is_file():
        fix = "open report.html in a browser and print it"
        raise ResourceError(Problem(str(pdf), f"{browser} could not print the page: {' '.join(said)}", fix=fix))
