"""What the page shows of a model folder besides new images: the training so far, and reports of this model only."""

import json
from pathlib import Path

from gandlf_synth.app.previous_reports import find_reports
from gandlf_synth.app.training_state import describe_training, grid_file
from gandlf_synth.files import write_bytes, write_text
from gandlf_synth.model_folder import ModelFolder

LOG = "epoch,step,train_loss,val_loss\n0,10,1.5,\n0,10,,1.2\n1,20,0.9,\n1,20,,nan\n2,3"


def test_the_curves_of_all_sessions_are_joined_and_half_a_line_is_no_number(tmp_path: Path) -> None:
    write_text(tmp_path / "training_logs" / "run_0" / "metrics.csv", LOG)
    write_text(tmp_path / "training_logs" / "run_1" / "metrics.csv", "step,train_loss\n30,0.5\n")

    curves = {curve["name"]: curve["points"] for curve in describe_training(ModelFolder(tmp_path))["curves"]}

    assert curves == {"train_loss": [(10, 1.5), (20, 0.9), (30, 0.5)], "val_loss": [(10, 1.2)]}


def test_a_long_training_is_thinned_and_keeps_its_last_value(tmp_path: Path) -> None:
    lines = "".join(f"{step},{step}\n" for step in range(5001))
    write_text(tmp_path / "training_logs" / "run_0" / "metrics.csv", f"step,loss\n{lines}")

    (curve,) = describe_training(ModelFolder(tmp_path))["curves"]

    assert len(curve["points"]) <= 501
    assert curve["points"][-1] == (5000, 5000)


def test_while_the_first_stage_trains_it_is_shown(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path)
    write_text(folder.first_stage.logs / "run_0" / "metrics.csv", "step,loss\n1,2\n")
    write_bytes(folder.first_stage.eval_images / "epoch_0001.png", b"picture")

    state = describe_training(folder)

    assert (state["stage"], state["grids"]) == ("first stage", ["epoch_0001.png"])
    assert grid_file(folder, "epoch_0001.png") == folder.first_stage.eval_images / "epoch_0001.png"
    assert grid_file(folder, "../../run.json") is None


def test_an_empty_folder_has_nothing_to_show(tmp_path: Path) -> None:
    assert describe_training(ModelFolder(tmp_path)) == {
        "stage": "", "silent_for": None, "curves": [], "grids": [], "lines": [],
    }  # fmt: skip


def test_reports_of_another_model_are_not_shown(tmp_path: Path) -> None:
    own = {"config_digest": "c", "data_digest": "d", "started": "2026-01-01T00:00:00"}
    model = tmp_path / "model"
    write_text(model / "run.json", json.dumps(own))
    for name, record in (("own", own), ("other", {**own, "config_digest": "x"}), ("unknown", None)):
        verdicts = [{"question": "faithful", "outcome": "good"}]
        write_text(tmp_path / name / "report.html", "page")
        write_text(tmp_path / name / "metrics.json", json.dumps({"run_record": record, "verdicts": verdicts}))
    write_text(model / "evaluation" / "report.html", "page")
    write_text(model / "evaluation" / "metrics.json", "damaged {")

    found = {report.path.parent.name: report.of_this_model for report in find_reports(model)}

    assert found == {"own": True, "unknown": None, "evaluation": None}
