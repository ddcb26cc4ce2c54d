"""What can be named in a YAML is listed without importing it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.factories import Cli

from gandlf_synth import registry
from gandlf_synth.registry import GROUPS

HEAVY = {"torch", "lightning", "monai", "numpy"}


def test_every_group_is_listed_with_its_purpose(cli: Cli) -> None:
    code, out, _ = cli("components")

    assert code == 0
    assert all(f"\n{name}" in f"\n{out}" and contract.purpose in out for name, contract in GROUPS.items())


@pytest.mark.parametrize("group", GROUPS)
def test_every_component_is_listed_with_one_line(cli: Cli, group: str) -> None:
    code, out, _ = cli("components", group, "--json")

    rows = json.loads(out)
    assert code == 0
    assert sorted(name for row in rows for name in row["names"]) == registry.names(group)
    assert all(row["summary"] and row["source"] == "gandlf-synth" for row in rows), rows


def test_names_of_one_component_stand_together_and_those_of_a_plugin_say_so(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from gandlf_synth.registry import register\n\n\n@register('schedulers', 'mine')\ndef mine(optimizer, horizon, /):\n    'Stays.'\n"
    )

    code, out, _ = cli("components", "schedulers", "--plugin", plugin)

    assert code == 0
    assert "exp, exponential" in out
    assert "mine                   Stays. [--plugin]" in out


def test_an_unknown_group_names_the_known_ones(cli: Cli) -> None:
    code, _, err = cli("components", "loses")

    assert code == 6
    assert "there is no group 'loses' of components; allowed: models" in err
    assert "did you mean 'losses'?" in err


@pytest.mark.parametrize("group", ["models", "preprocessing", "set_metrics"])
def test_listing_imports_nothing_heavy(group: str) -> None:
    code = f"import sys; from gandlf_synth.cli.main import main; main(['components', {group!r}]); print(sorted({HEAVY!r} & set(sys.modules)))"

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.splitlines()[-1] == "[]"
