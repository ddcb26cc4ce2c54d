"""``sweep-sampler`` finds a setting, and ``generate`` uses it."""

import json
from pathlib import Path

from tests.factories import Cli, TinyConfig, blob_picture, write_picture, write_table


def test_the_best_setting_becomes_the_models_own(
    cli: Cli, pictures_table: Path, pictures_model: Path, tmp_path: Path
) -> None:
    words = ("-m-dir", pictures_model, "-dt", pictures_table, "--samplers", "ddim,unipc", "--steps", "3,6", "-n", 8)

    code, out, err = cli("sweep-sampler", *words, "--extractor", "random-conv")

    assert code == 0, err
    page = Path(out.strip())
    assert "unipc" in page.read_text()
    found = json.loads(page.with_suffix(".json").read_text())
    measured = [(each["sampler"], each["num_inference_steps"]) for each in found["settings"]]
    assert measured == [("ddim", 3), ("ddim", 6), ("unipc", 3), ("unipc", 6)]
    kept = json.loads((pictures_model / "sampling.json").read_text())
    assert kept == {key: found["best"][key] for key in ("sampler", "num_inference_steps")}

    (pictures_model / "sampling.json").write_text('{"sampler": "unipc", "num_inference_steps": 4}')
    code, out, err = cli("generate", "-m-dir", pictures_model, "-n", 2)
    assert code == 0, err
    wanted = json.loads((Path(out.strip()) / "inference_logs" / "request.json").read_text())
    assert (wanted["sampler"], wanted["num_inference_steps"]) == ("unipc", 4)
    code, out, _ = cli("generate", "-m-dir", pictures_model, "-n", 2, "--sampler", "ddim")
    wanted = json.loads((Path(out.strip()) / "inference_logs" / "request.json").read_text())
    assert wanted["sampler"] == "ddim"


def test_a_sampler_that_does_not_exist_is_refused_with_those_that_do(
    cli: Cli, pictures_table: Path, pictures_model: Path
) -> None:
    words = ("-m-dir", pictures_model, "-dt", pictures_table, "--extractor", "random-conv")

    code, _, err = cli("sweep-sampler", *words, "--samplers", "ddmi")

    assert code == 2
    assert "unknown name 'ddmi'" in err
    assert "did you mean 'ddpm'" in err
    assert not (pictures_model / "sampling.json").exists()


def test_a_model_that_makes_images_from_others_is_not_swept(cli: Cli, tiny_config: TinyConfig, tmp_path: Path) -> None:
    rows = []
    for number in range(4):
        for name in ("made", "given"):
            write_picture(tmp_path / f"{name}_{number}.png", blob_picture(16, number))
        rows.append([f"p{number}", f"made_{number}.png", f"given_{number}.png"])
    table = write_table(tmp_path / "data.csv", ["SubjectID", "Channel_0", "Source_0"], rows)
    config = tiny_config([16, 16])
    config.write_text(config.read_text().replace("model_config:\n", "model_config:\n  conditioning: [image]\n"))
    code, _, err = cli("train", "-c", config, "-dt", table, "-m-dir", tmp_path / "model")
    assert code == 0, err

    code, _, err = cli("sweep-sampler", "-m-dir", tmp_path / "model", "-dt", table, "--extractor", "random-conv")

    assert code == 2
    assert "makes images from others (image), which a comparison would leave unknown" in err
