"""``--allow-download`` is refused where there is nothing to download."""

from pathlib import Path

import pytest
from tests.factories import Cli


@pytest.mark.parametrize("extractor", ["random-conv", "efficientnet-lite0"])
def test_the_flag_is_for_extractors_that_can_fetch(cli: Cli, extractor: str, tmp_path: Path) -> None:
    words = ("-r", tmp_path, "-s", tmp_path, "-o", tmp_path / "out")

    code, _, err = cli("evaluate", *words, "--extractor", extractor, "--allow-download")

    assert code == 2
    assert f"--allow-download: {extractor} has nothing to download; drop it" in err
    assert not (tmp_path / "out").exists()
