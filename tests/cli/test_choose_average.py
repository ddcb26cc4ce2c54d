"""``choose-average`` finds an average, and everything that uses the model takes it."""

import json
from pathlib import Path

import pytest
from tests.factories import Cli, TinyConfig

WIDTHS = "model_config:\n  ema_widths: [0.05, 0.1]\n"


@pytest.fixture
def model(cli: Cli, tiny_config: TinyConfig, pictures_table: Path, tmp_path: Path) -> Path:
    config = tiny_config([16, 16])
    config.write_text(config.read_text().replace("model_config:\n", WIDTHS))
    code, _, err = cli("train", "-c", config, "-dt", pictures_table, "-m-dir", tmp_path / "model")
    assert code == 0, err
    return tmp_path / "model"


def sidecars(cli: Cli, model: Path) -> list[dict[str, object]]:
    code, out, err = cli("generate", "-m-dir", model, "-n", 2)
    assert code == 0, err
    return [json.loads(path.read_text()) for path in sorted(Path(out.strip()).glob("generated_*.json"))]


def test_the_average_with_the_nearest_images_is_used_from_then_on(
    cli: Cli, model: Path, pictures_table: Path, tmp_path: Path
) -> None:
    words = ("-m-dir", model, "-dt", pictures_table, "-n", 8, "--extractor", "random-conv")
    code, out, err = cli("choose-average", *words)

    assert code == 0, err
    found = json.loads((model / "averages.json").read_text())
    assert [each["name"] for each in found["averages"]] == ["usual", "0.05", "0.1"]
    assert found["best"] == min(found["averages"], key=lambda each: each["kid"])
    assert err.index("← kept") < err.index("\n", err.index("KID"))
    expected = "last.ckpt" if found["best"]["name"] == "usual" else "chosen.ckpt"
    assert Path(out.strip()) == model / "checkpoints" / expected


def test_an_average_can_be_named_and_stands_in_the_record_of_its_images(cli: Cli, model: Path, tmp_path: Path) -> None:
    usual = cli("generate", "-m-dir", model, "-n", 2, "--dry-run")[1]
    code, _, err = cli("choose-average", "-m-dir", model, "--keep", "0.1")
    assert code == 0, err
    assert "last.ckpt" in usual
    assert "chosen.ckpt" in cli("generate", "-m-dir", model, "-n", 2, "--dry-run")[1]
    assert {each["ema_width"] for each in sidecars(cli, model)} == {0.1}
    cli("export", "-m-dir", model, "-o", tmp_path / "exported")
    assert {each["ema_width"] for each in sidecars(cli, tmp_path / "exported")} == {0.1}

    cli("choose-average", "-m-dir", model, "--keep", "usual")
    assert "last.ckpt" in cli("generate", "-m-dir", model, "-n", 2, "--dry-run")[1]


def test_a_training_that_goes_on_forgets_the_choice(
    cli: Cli, model: Path, pictures_table: Path, tmp_path: Path
) -> None:
    cli("choose-average", "-m-dir", model, "--keep", "0.05")
    config = model / "config.yaml"
    text = config.read_text().replace("num_epochs: 2", "num_epochs: 3")
    (tmp_path / "longer.yaml").write_text(text)
    code, _, err = cli("train", "-c", tmp_path / "longer.yaml", "-dt", pictures_table, "-m-dir", model, "--resume")

    assert code == 0, err
    assert not (model / "checkpoints" / "chosen.ckpt").exists()
    assert "last.ckpt" in cli("generate", "-m-dir", model, "-n", 2, "--dry-run")[1]


def test_a_training_cannot_go_on_with_what_was_chosen(
    cli: Cli, model: Path, pictures_table: Path, tmp_path: Path
) -> None:
    cli("choose-average", "-m-dir", model, "--keep", "0.05")
    chosen = (tmp_path / "kept.ckpt").absolute()
    chosen.write_bytes((model / "checkpoints" / "chosen.ckpt").read_bytes())
    words = ("-c", model / "config.yaml", "-dt", pictures_table, "-m-dir", model, "--resume", "-ckpt-path", chosen)
    code, _, err = cli("run", "-t", *words)

    assert code == 4
    assert "kept.ckpt: holds a finished model, without the state of its training; resume without" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "needs real images to compare with"),
        (("--keep", "0.3"), "holds no average of width 0.3; allowed: 0.05, 0.1"),
        (("--keep", "wide"), "'wide' is no average"),
    ],
)
def test_what_cannot_be_chosen_is_said(cli: Cli, model: Path, words: tuple[str, ...], message: str) -> None:
    code, _, err = cli("choose-average", "-m-dir", model, *words)

    assert code in (2, 4)
    assert message in err
