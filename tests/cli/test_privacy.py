"""A training with a privacy budget, from the plan to the sidecar: what is spent is told, kept to, and goes with the model."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from opacus.accountants import RDPAccountant
from tests.factories import TINY, Cli, blob_picture, write_picture, write_table

from gandlf_synth.cli.main import main
from gandlf_synth.config import load_config
from gandlf_synth.models.checkpoint import load_module, read_checkpoint
from gandlf_synth.models.stored_averages import load_average

PRIVATE = """\
model_config: {model_name: ddpm, lora: {rank: 2, where: all}, save_eval_images_every_n_epochs: -1}
privacy: {epsilon: 4}
num_epochs: 3
batch_size: 3
compute: {accelerator: cpu}
"""


def _data(root: Path, name: str, subjects: int, images: int, column: str = "SubjectID") -> Path:
    rows = []
    for subject in range(subjects):
        for image in range(images):
            picture = write_picture(root / name / f"{subject}_{image}.png", blob_picture(12, subject * 7 + image))
            rows.append((f"s{subject}", picture))
    return write_table(root / f"{name}.csv", (column, "Channel_0"), rows)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a public model, private images, and a run that was stopped by the clock and went on to its end."""
    root = tmp_path_factory.mktemp("private")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANDLF_SYNTH_CACHE", str(root / "cache"))
        (root / "parent.yaml").write_text(TINY.format(shape=[12, 12]).replace("num_epochs: 2", "num_epochs: 12"))
        (root / "config.yaml").write_text(PRIVATE)
        public, private = _data(root, "public", 8, 1), _data(root, "private", 12, 2)
        words: list[object] = ["train", "-c", root / "parent.yaml", "-dt", public, "-m-dir", root / "public_model"]
        assert main([str(word) for word in words]) == 0
        words = ["train", "-c", root / "config.yaml", "-dt", private, "-m-dir", root / "model", "--val-ratio", 0.2]
        begun = [*words, "--init-from", root / "public_model", "--minutes", 0.001]
        with pytest.MonkeyPatch.context() as clock:
            clock.setattr(time, "monotonic", _fast_clock(time.monotonic))
            assert main([str(word) for word in begun]) == 0
        (root / "stopped.json").write_text(json.dumps(_checkpoint(root / "model")["gandlf_synth"]["privacy"]))
        assert main([str(word) for word in [*words, "--resume"]]) == 0
        yield root


def _fast_clock(clock: Callable[[], float]) -> Callable[[], float]:
    """Return a clock by which the second that every run gets is over after a step, however fast the machine."""
    begun = clock()
    return lambda: begun + 1000 * (clock() - begun)


def _checkpoint(model: Path) -> dict[str, Any]:
    return dict(read_checkpoint(model / "checkpoints" / "last.ckpt"))


def test_what_was_spent_is_that_of_all_steps_of_both_sessions(home: Path) -> None:
    stopped = json.loads((home / "stopped.json").read_text())
    spent = json.loads((home / "model" / "run.json").read_text())["privacy"]

    assert 0 < stopped["steps"] < spent["steps"]
    assert spent["subjects"] == stopped["subjects"]
    assert spent["noise_multiplier"] == stopped["noise_multiplier"]
    assert spent["steps"] == _checkpoint(home / "model")["global_step"]
    accountant = RDPAccountant()
    for record in (stopped, spent):
        accountant.history = [(record["noise_multiplier"], 3 / spent["subjects"], record["steps"])]
        assert record["epsilon"] == pytest.approx(accountant.get_epsilon(record["delta"]), abs=0.02)
    assert stopped["epsilon"] < spent["epsilon"] <= 4
    assert _checkpoint(home / "model")["gandlf_synth"]["privacy"] == spent


def test_a_finished_run_that_is_resumed_still_says_what_it_spent(home: Path, cli: Cli) -> None:
    before = json.loads((home / "model" / "run.json").read_text())["privacy"]
    words = ("train", "-c", home / "config.yaml", "-dt", home / "private.csv", "-m-dir", home / "model")

    code, _, err = cli(*words, "--val-ratio", 0.2, "--resume")

    assert code == 0, err
    assert json.loads((home / "model" / "run.json").read_text())["privacy"] == before


def test_nothing_that_images_tell_without_noise_goes_with_the_model(home: Path, cli: Cli) -> None:
    code, _, err = cli("export", "-m-dir", home / "model", "-o", home / "export")
    assert code == 0, err

    record = json.loads((home / "export" / "run.json").read_text())
    config = json.loads((home / "export" / "config.json").read_text())
    parent = json.loads((home / "public_model" / "data_spec.json").read_text())
    card = (home / "export" / "README.md").read_text()

    assert record["metrics"] == {}
    assert record["data_digest"].startswith("not told")
    assert not [note for note in record["notes"] if "loss" in note and "not covered" not in note]
    assert config["data"] == parent
    assert "differential privacy: epsilon" in card
    assert f"epsilon {record['privacy']['epsilon']}, delta {record['privacy']['delta']}" in card
    assert "epsilon does not cover them" in card
    assert "loss" not in card.split("## Training")[1].split("## Privacy")[0].replace("losses, logs", "")


def test_no_state_of_a_generator_and_no_choice_by_a_loss_is_kept(home: Path) -> None:
    states = _checkpoint(home / "model")["callbacks"]

    assert set(states["PrivateSteps"]) == {"steps", "noise_multiplier", "sampling_rate", "delta"}
    assert not (home / "model" / "checkpoints" / "best.ckpt").exists()


def test_images_say_under_which_budget_their_model_learned(home: Path, cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("generate", "-m-dir", home / "model", "-n", 1, "-i-dir", tmp_path)
    assert code == 0, err

    (sidecar,) = tmp_path.rglob("generated_image_0*.json")
    spent = json.loads((home / "model" / "run.json").read_text())["privacy"]
    assert json.loads(sidecar.read_text())["privacy"] == spent


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["num_epochs=30"], "30 epochs (120 steps) with a noise_multiplier of"),
        (["privacy.epsilon=9"], "privacy.epsilon: is 9.0, and was 4.0 when the run began"),
        (["batch_size=2"], "batch_size: is 2, and was 3 when the run began"),
    ],
)
def test_a_run_that_goes_on_keeps_its_budget(home: Path, cli: Cli, changes: list[str], message: str) -> None:
    more = [word for change in changes for word in ("--set", change)]
    words = ("-c", home / "config.yaml", "-dt", home / "private.csv", "--val-ratio", 0.2)
    code, _, err = cli("train", *words, "-m-dir", home / "model", "--resume", *more)

    assert code == 2, err
    assert message in " ".join(err.split())


def test_subjects_that_are_guessed_are_no_subjects(home: Path, cli: Cli, tmp_path: Path) -> None:
    table = _data(tmp_path, "guessed", 4, 2, "Other")
    words = ("-c", home / "config.yaml", "-dt", table, "-m-dir", tmp_path / "model")
    code, _, err = cli("train", *words, "--init-from", home / "public_model")

    assert code == 3
    assert "does not say whose the images are" in err
    assert "add the column SubjectID" in err
    assert not (tmp_path / "model").exists()


def test_a_private_run_is_another_one_each_time(home: Path, cli: Cli) -> None:
    words = ("-c", home / "config.yaml", "-dt", home / "private.csv", "--init-from", home / "public_model")
    code, _, err = cli("train", *words, "-m-dir", home / "again", "--val-ratio", 0.2)
    assert code == 0, err

    first, second = (_checkpoint(home / name)["state_dict"] for name in ("model", "again"))
    changed = [name for name in first if not torch.equal(first[name], second[name])]
    assert changed
    assert all(".parametrizations.weight.0." in name for name in changed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "widths"), [("ema_widths: [0.05, 0.2]", [0.05, 0.2]), ("labeled_augmentation: 0.5", [])]
)
def test_averages_and_labeled_augmentation_go_with_a_budget(
    home: Path, cli: Cli, tmp_path: Path, option: str, widths: list[float]
) -> None:
    """Averages are made of weights that may be told; an augmented image is still one of its subject alone."""
    text = PRIVATE.replace("model_name: ddpm,", f"model_name: ddpm, {option},")
    (tmp_path / "config.yaml").write_text(text)
    words = ("train", "-c", tmp_path / "config.yaml", "-dt", home / "private.csv", "-m-dir", tmp_path / "model")

    code, _, err = cli(*words, "--init-from", home / "public_model")

    assert code == 0, err
    spent = json.loads((tmp_path / "model" / "run.json").read_text())["privacy"]
    assert 0 < spent["epsilon"] <= 4
    last = tmp_path / "model" / "checkpoints" / "last.ckpt"
    before = load_module(home / "public_model" / "checkpoints" / "last.ckpt").state_dict()
    for width in widths:
        average = load_average(last, width).state_dict()
        assert any(not torch.equal(value, average[name]) for name, value in before.items() if name in average)
    assert cli("generate", "-m-dir", tmp_path / "model", "-n", 2)[0] == 0


def test_random_weights_learn_within_the_budget_and_a_given_time(home: Path, cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        TINY.format(shape=[12, 12])
        .replace("ddpm", "ddpm\n  labeling_paradigm: unlabeled")
        .replace("num_epochs: 2\n", "")
        .replace("batch_size: 4", "batch_size: 3")
        + "privacy: {epsilon: 8, from_scratch: true, value_range: [0, 300], spacing: [1, 1]}\n"
        "data_preprocessing: [{clip: {min: 0, max: 300}}]\n"
    )

    words = ("-c", config, "-dt", home / "private.csv", "-m-dir", tmp_path / "model", "--minutes", 0.1)
    code, _, err = cli("train", *words)

    assert code == 0, err
    assert "privacy: the steps that surely fit into the time; the noise is for so many" in err
    spent = json.loads((tmp_path / "model" / "run.json").read_text())["privacy"]
    planned = load_config(tmp_path / "model" / "resolved_config.yaml").config
    assert 0 < spent["steps"] <= planned.num_epochs * 4
    assert 0 < spent["epsilon"] <= 8
    spec = json.loads((tmp_path / "model" / "data_spec.json").read_text())
    assert (spec["low"], spec["high"]) == ([0.0], [300.0])
    code, _, err = cli("generate", "-m-dir", tmp_path / "model", "-n", 1, "-i-dir", tmp_path / "made")
    assert code == 0, err


@pytest.mark.parametrize("delta", ["0.1", "0.08333333333333333"])
def test_a_delta_that_one_whole_patient_fits_into_is_refused(home: Path, cli: Cli, tmp_path: Path, delta: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(PRIVATE.replace("epsilon: 4", f"epsilon: 4, delta: {delta}"))

    words = ("-c", config, "-dt", home / "private.csv", "-m-dir", tmp_path / "model")
    code, _, err = cli("train", *words, "--init-from", home / "public_model")

    assert code == 2
    assert f"config.yaml:2: privacy.delta: is {float(delta):g} for 12 subjects" in err
    assert "a model that shows one of them whole would keep within it" in err
    assert "less than 1/12" in err
    assert "leave it out: it is then 0.001" in err
    assert not (tmp_path / "model").exists()
