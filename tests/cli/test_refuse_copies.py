"""``generate --refuse-copies`` lets no image through that is nearly one of the training images."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from tests.factories import Cli, TinyConfig, write_picture, write_table
from tests.processes import run, torchrun

from gandlf_synth.errors import ConfigError
from gandlf_synth.synthesis.copies import build_copy_gate


def faces(count: int, seed: int) -> torch.Tensor:
    """Smooth random pictures, ``(count, 1, 24, 20)`` in [-1, 1]."""
    coarse = torch.rand(count, 1, 6, 5, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (24, 20), mode="bicubic").clamp(-1, 1)


def test_copies_are_told_from_other_subjects_whatever_was_done_to_them() -> None:
    training, others = faces(60, 0), faces(20, 1)
    gate = build_copy_gate([training], [str(index) for index in range(60)], "data.csv")
    changed = {
        "mirrored": training.flip(2),
        "2 % brighter": (training * 0.95 + 0.02).clamp(-1, 1),
        "one pixel on": training.roll(1, dims=2),
    }

    for name, copies in changed.items():
        assert np.mean([near.copy for near in gate.judge(copies[:20])]) > 0.95, name
    assert np.mean([near.copy for near in gate.judge(others)]) < 0.2


def test_too_few_subjects_say_nothing() -> None:
    with pytest.raises(ConfigError, match="holds 3 subjects, too few"):
        build_copy_gate([faces(3, 0)], ["a", "b", "c"], "data.csv")


@pytest.fixture
def trained(cli: Cli, tiny_config: TinyConfig, tmp_path: Path) -> tuple[Path, Path]:
    pictures = ((faces(24, 5)[:, 0, :16, :16] + 1) * 127.5).byte().numpy()
    rows = [(f"s{k}", write_picture(tmp_path / "images" / f"{k}.png", each)) for k, each in enumerate(pictures)]
    table, model = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0"), rows), tmp_path / "model"
    assert cli("train", "-c", tiny_config([16, 16]), "-dt", table, "-m-dir", model)[0] == 0
    return table, model


def test_images_that_pass_are_those_of_an_ordinary_call_and_say_how_near_they_are(
    cli: Cli, trained: tuple[Path, Path]
) -> None:
    table, model = trained
    code, out, err = cli("generate", "-m-dir", model, "-n", 3, "--refuse-copies", table)
    assert code == 0, err
    assert "0 copies of training images were refused" in err
    _, plain, _ = cli("generate", "-m-dir", model, "-n", 3)

    guarded, ordinary = Path(out.strip()), Path(plain.strip())
    for path in ordinary.glob("generated_image_*.nii.gz"):
        record = json.loads((guarded / path.name.replace(".nii.gz", ".json")).read_text())
        assert record["copies_refused"] == 0
        assert -1 <= record["nearest_training_image"] <= 1
    assert len(list(guarded.glob("generated_image_*.nii.gz"))) == 3


def test_a_copy_is_made_again_from_another_seed(trained: tuple[Path, Path], tmp_path: Path) -> None:
    from gandlf_synth import api
    from gandlf_synth.config import SamplingOptions
    from gandlf_synth.data.loading.condition import Condition
    from gandlf_synth.synthesis.generate import accepted_images
    from gandlf_synth.synthesis.requests import ImageRequest

    module = api.load_model(trained[1]).eval()
    with torch.inference_mode():
        first = module.sample([5], Condition(), SamplingOptions())
    known = torch.cat([faces(30, 2)[..., :16, :16], first])
    gate = build_copy_gate([known], [str(index) for index in range(31)], "data.csv")

    ((_, image, record),) = accepted_images(module, [[ImageRequest(0, 5, None)]], SamplingOptions(), gate)

    assert record["copies_refused"] >= 1
    assert record["sampled_with_seed"] != 5
    assert not np.allclose(image, first[0].numpy())
    with torch.inference_mode():
        again = module.sample([record["sampled_with_seed"]], Condition(), SamplingOptions())
    assert np.allclose(image, again[0].numpy(), atol=1e-5)


def test_the_log_names_what_was_refused_and_a_resumed_call_remembers(
    cli: Cli, trained: tuple[Path, Path], tmp_path: Path
) -> None:
    table, model = trained
    _, out, _ = cli("generate", "-m-dir", model, "-n", 2, "--format", "png", "-i-dir", tmp_path / "first")
    leak = Path(out.strip()) / "generated_image_0.png"
    table.write_text(f"{table.read_text()}leak,{leak}\n")
    words = ("generate", "-m-dir", model, "-n", 2, "-i-dir", tmp_path / "guarded", "--refuse-copies", table)

    code, out, err = cli(*words)
    assert code == 0, err
    folder = Path(out.strip())
    record = json.loads((folder / "generated_image_0.json").read_text())
    assert record["copies_refused"] >= 1
    assert json.loads((folder / "generated_image_1.json").read_text())["copies_refused"] == 0
    said = f"{record['copies_refused']} copies of training images were refused and made again"
    assert said in err
    assert "for image 0" in (folder / "inference_manager.log").read_text()

    (folder / "generated_image_1.json").unlink()
    code, out, err = cli(*words, "--resume")
    assert code == 0, err
    assert Path(out.strip()) == folder
    assert said in err
    assert json.loads((folder / "generated_image_0.json").read_text()) == record


@pytest.mark.slow
def test_processes_that_share_the_work_refuse_the_same_copies(
    cli: Cli, trained: tuple[Path, Path], tmp_path: Path
) -> None:
    table, model = trained
    _, out, _ = cli("generate", "-m-dir", model, "-n", 4, "--format", "png", "-i-dir", tmp_path / "first")
    table.write_text(f"{table.read_text()}leak,{Path(out.strip()) / 'generated_image_1.png'}\n")
    words = ["generate", "-m-dir", str(model), "-n", "4", "--refuse-copies", str(table)]
    _, out, said = cli(*words, "-i-dir", tmp_path / "alone")
    alone = Path(out.strip())

    out, said_by_two = run(*words, "-i-dir", tmp_path / "shared", launcher=torchrun(2))

    shared = Path(out.splitlines()[0])
    for index in range(4):
        names = (f"generated_image_{index}.json", f"generated_image_{index}.nii.gz")
        assert json.loads((shared / names[0]).read_text()) == json.loads((alone / names[0]).read_text())
        assert nib.load(shared / names[1]).get_fdata() == pytest.approx(nib.load(alone / names[1]).get_fdata())
    line = next(line for line in said.splitlines() if "were refused" in line)
    assert "0 copies" not in line
    assert line in said_by_two
