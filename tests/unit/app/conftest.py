"""A model of small pictures that is made from a class, a number and a mask, and its page."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.factories import TINY, blob_picture, write_picture, write_table
from tests.pages import Page, running

from gandlf_synth.cli.main import main

CONDITIONS = "conditioning: [class, {scalar: {column: age, unit: years}}, {mask: {drop_fraction: 0.3}}]"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model; its training images are ``../data.csv``."""
    root = tmp_path_factory.mktemp("app")
    rows = []
    for number in range(8):
        image = write_picture(root / "images" / f"{number}.png", blob_picture(16, number))
        mask = write_picture(root / "masks" / f"{number}.png", (blob_picture(16, number) > 100).astype(np.uint8))
        rows.append((f"s{number}", image, mask, number % 2, ("benign", "tumour")[number % 2], 30 + 5 * number))
    columns = ("SubjectID", "Channel_0", "Mask", "Label", "LabelMapping", "age")
    table = write_table(root / "data.csv", columns, rows)
    config = root / "config.yaml"
    config.write_text(TINY.format(shape=[16, 16]).replace("ddpm", f"ddpm\n  {CONDITIONS}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANDLF_SYNTH_CACHE", str(root / "cache"))
        assert main(["--quiet", "train", "-c", str(config), "-dt", str(table), "-m-dir", str(root / "model")]) == 0
    return root / "model"


@pytest.fixture(scope="module")
def page(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The running page of the model."""
    with running(trained, tmp_path_factory.mktemp("output")) as page:
        yield page
