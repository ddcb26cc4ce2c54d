"""What has to answer fast imports nothing heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "lightning", "monai", "diffusers", "torchio", "scipy"}


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["train", "--help"], ["train", "-c", "wrong.yaml", "-dt", "d.csv", "-m-dir", "m"]],
)
def test_help_and_configuration_errors_import_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("model_config: {model_name: ddpm, optimizers: {name: adam, lr: fast}}\n")
    code = f"""
import sys
from gandlf_synth.cli.main import main
main({words!r})
print(sorted({HEAVY!r} & set(sys.modules)))
"""

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)

    assert run.stdout.splitlines()[-1] == "[]", run.stderr
