"""Files that somebody made to do harm: nothing leaves its folder, nothing takes minutes, everything is a message."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.factories import Cli, TinyConfig, spec_of
from tests.runs import tiny_config as config_of
from tests.runs import tiny_module, tiny_spec

from gandlf_synth.config import parse_document
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import CheckpointError, ConfigError, DataError
from gandlf_synth.files import atomic_path, file_name, read_json, write_text
from gandlf_synth.models.checkpoint import HEADER_KEY, describe_module, load_module, read_checkpoint

NAMES = [
    "../../victim",
    "/victim",
    "x/../../../victim",
    "a\0b",
    "CON",
    "nul.nii",
    "a" * 5000,
    "a\nb",
    "..",
    "",
    "ü" * 200,
    "C:\\x",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_text_becomes_a_file_in_the_folder(tmp_path: Path, name: str) -> None:
    part = file_name(name)
    path = tmp_path / f"generated_image_0_{part}.nii.gz"

    write_text(path, "image")

    assert path.resolve().parent == tmp_path.resolve()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert part.partition(".")[0].upper() not in ("CON", "NUL")


def test_different_texts_never_become_one_file() -> None:
    names = [*NAMES, "a/b", "a_b", "a\\b", "a:b", "_.._victim"]

    assert len({file_name(name) for name in names}) == len(names)


@pytest.fixture
def hostile(pictures_model: Path, tmp_path: Path) -> Callable[[dict[str, object]], Path]:
    """Write the model's checkpoint with other facts of the data."""

    def write(facts: dict[str, object]) -> Path:
        content = torch.load(pictures_model / "checkpoints" / "last.ckpt", weights_only=True)
        content[HEADER_KEY]["spec"] |= facts
        path = tmp_path / "hostile.ckpt"
        torch.save(content, path)
        return path

    return write


def test_columns_of_a_checkpoint_never_name_a_file_outside_the_output(
    cli: Cli, hostile: Callable[[dict[str, object]], Path], pictures_model: Path, tmp_path: Path
) -> None:
    names = ["x/../../../../victim", "\0", "\n"]
    checkpoint = hostile({"column_names": names, "column_channels": [1, 1, 1], "column_modalities": []})
    before = {path for path in tmp_path.rglob("*") if path.is_file()}

    code, out, err = cli("generate", "-m-dir", pictures_model, "-ckpt-path", checkpoint, "-n", 1, "--format", "nifti")

    assert code == 0, err
    written = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert len([path for path in written if path.name.startswith("generated_image_0")]) == 4
    assert all(Path(out.strip()) in path.parents for path in written)


@pytest.mark.parametrize(
    "facts",
    [
        {"shape": [10**9, 10**9]},
        {"shape": [8]},
        {"column_channels": [10**6]},
        {"affine": [[float("nan")] * 4] * 4},
        {"dtype": "__import__('os')"},
        {"labels": [0, 0]},
        {"spatial_dims": "2; rm"},
    ],
)
def test_facts_that_contradict_one_another_are_refused(
    cli: Cli, hostile: Callable[[dict[str, object]], Path], pictures_model: Path, facts: dict[str, object]
) -> None:
    code, _, err = cli("generate", "-m-dir", pictures_model, "-ckpt-path", hostile(facts), "-n", 1)

    assert code == 4, err
    assert "hostile.ckpt" in err


@pytest.mark.parametrize(
    "header", [None, [], {}, {"format": 1}, {"format": 1, "model_name": 3, "model_config": [], "spec": "x"}]
)
def test_a_header_of_another_form_is_refused(tmp_path: Path, header: object) -> None:
    torch.save({HEADER_KEY: header, "state_dict": {}}, tmp_path / "x.ckpt")
    save_file({"w": torch.zeros(1)}, tmp_path / "x.safetensors", metadata={HEADER_KEY: json.dumps(header)})

    for name in ("x.ckpt", "x.safetensors"):
        with pytest.raises(CheckpointError):
            load_module(tmp_path / name)


@pytest.mark.parametrize("size", [2**63, 2**40, 2**20, 0])
def test_a_header_that_is_said_to_be_enormous_is_damage(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", size) + b'{"__metadata__":{}}' + b"[" * 3000)

    with pytest.raises(CheckpointError, match=r"x\.safetensors: is damaged"):
        read_checkpoint(path)


def test_nested_metadata_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"w": torch.zeros(1)}, path, metadata={HEADER_KEY: "[" * 100_000})

    with pytest.raises(CheckpointError, match="nested too deeply"):
        read_checkpoint(path)


def test_a_checkpoint_that_was_written_is_read(tmp_path: Path) -> None:
    spec = tiny_spec(2)
    module = tiny_module(config_of("ddpm", {}), spec)
    torch.save({HEADER_KEY: describe_module(module), "state_dict": module.state_dict()}, tmp_path / "x.ckpt")

    assert load_module(tmp_path / "x.ckpt").spec == spec
    assert DataSpec.model_validate_json(spec_of().model_dump_json()) == spec_of()


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, r"c\.yaml:\d+: holds too many values, .* aliases"),
        ("a: " + "[" * 3000 + "]" * 3000, r"c\.yaml:1: is nested too deeply; allowed: 50 levels"),
        ("".join(f"{' ' * level}a:\n" for level in range(3000)), "is nested too deeply"),
        ("seed: 1e999", r"c\.yaml:1: 1e999 is too large a number"),
        ("seed: " + "9" * 100_000, r"9999.* \(100000 characters\) is too long for a number"),
        ("seed: 0x" + "f" * 100_000, "is too long for a number"),
        ("seed: 99999999999999999999", "is too large a number"),
        ("a: &a [*a]", "stands inside of what it repeats"),
    ],
)
def test_a_yaml_that_would_take_minutes_is_refused_at_once(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_document(text, "c.yaml")


def test_aliases_and_infinity_that_a_person_writes_are_read() -> None:
    text = "a: &a {b: [1, 2e300, .inf]}\nc: *a\nd: {<<: *a, e: 12345678901234}\n"

    assert parse_document(text, "c.yaml").content["c"] == {"b": [1, 2e300, float("inf")]}


def test_hostile_values_on_the_command_line_are_refused(cli: Cli, tiny_config: TinyConfig) -> None:
    for value in ("[" * 3000, "9" * 5000, "1e999"):
        code, _, err = cli("config", "show", "-c", tiny_config([8, 8]), "--set", f"seed={value}")

        assert code == 2
        assert "--set seed" in err


@pytest.mark.parametrize("text", ["", "[", "[]", "[" * 100_000, '{"epochs": 1' + "0" * 5000 + "}", "\xff"])
def test_json_of_ours_that_somebody_changed_is_a_message(
    cli: Cli, pictures_model: Path, tmp_path: Path, text: str
) -> None:
    path = pictures_model / "run.json"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(DataError, match=r"run\.json: "):
        read_json(path)
    for command in (("generate", "-n", 1), ("export", "-o", tmp_path / "out")):
        code, _, err = cli(command[0], "-m-dir", pictures_model, *command[1:])
        assert code == 3
        assert "run.json" in err
        assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_card_is_not_made_of_wrong_values(cli: Cli, pictures_model: Path, tmp_path: Path) -> None:
    path = pictures_model / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metrics": {"loss": "low"}}))

    code, _, err = cli("export", "-m-dir", pictures_model, "-o", tmp_path / "out")

    assert code == 3
    assert "metrics.loss" in err
    assert not (tmp_path / "out").exists()


def test_a_new_file_never_replaces_one_that_came_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"

    def write_late() -> None:
        with atomic_path(path, new=True) as temporary:
            temporary.write_text("mine")
            path.write_text("theirs")

    with pytest.raises(ConfigError, match="exists"):
        write_late()

    assert path.read_text() == "theirs"
    assert [each.name for each in tmp_path.iterdir()] == ["data.csv"]
