"""The page: one file, complete, usable, and made again from what is stored."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.factories import Cli, heads, verdict_of

from gandlf_synth.evaluation.report import render_page
from gandlf_synth.evaluation.report.methods import write_methods
from gandlf_synth.evaluation.report.strips import build_rows, build_strip
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.store import EvaluationFolder
from gandlf_synth.metrics.intervals import Estimate
from gandlf_synth.metrics.results import Outcome


def test_the_report_is_written_in_every_format(flat: Path, cli: Cli) -> None:
    code, out, err = cli("report", flat, "--format", "html,md,json")

    assert code == 0, err
    assert [Path(line).name for line in out.split()] == ["report.html", "report.md", "metrics.json"]
    assert "## Methods" in (flat / "report.md").read_text()


def test_every_number_is_stored_with_interval_n_and_extractor(flat: Path) -> None:
    content = json.loads((flat / "metrics.json").read_text())

    assert content["extractor"]["name"] == "random-conv"
    for metric in content["metrics"]:
        if not metric["refused"]:
            low, high = metric["value"]["low"], metric["value"]["high"]
            if (low, high) == (None, None):
                assert metric["name"].startswith("texture"), "below 40 subjects its interval would not cover"
            else:
                assert low <= metric["value"]["value"] <= high, metric["name"]
            assert metric["num_synthetic"] == 30, metric["name"]
    assert {metric["name"] for metric in content["metrics"]} >= {"kid", "fid", "precision", "copies", "membership"}
    assert [row["name"] for row in content["per_class"]] == ["a", "b"]


def test_the_page_needs_no_network_and_answers_the_four_questions(flat: Path) -> None:
    page = (flat / "report.html").read_text()

    assert len(page) < 10_000_000
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "default-src 'none'" in page
    for text in (
        "Do they look real?",
        "Do they cover the variety?",
        "Are patients safe",
        "Do they help?",
        "Methods, for a paper",
    ):
        assert text in page
    assert page.count("<dt>Good</dt>") == page.count("<dt>Do</dt>") >= 7
    assert all(re.search(r'alt="[^"]+"', image) for image in re.findall(r"<img [^>]*>", page))
    words = re.sub(r"(?s)<script.*?</script>|<[^>]*>|[a-z_]*_floor_[a-z]*", "", page)
    assert "floor" not in words
    assert all(re.search(r'aria-label="[^"]+"', picture) for picture in re.findall(r"<svg [^>]*>", page))


def test_the_report_is_made_again_from_what_is_stored(flat: Path, cli: Cli) -> None:
    before = (flat / "report.html").read_text()
    (flat / "report.html").unlink()

    code, out, _ = cli("report", flat)

    assert (code, out.strip()) == (0, str(flat / "report.html"))
    assert (flat / "report.html").read_text() == before


def test_names_of_files_cannot_become_markup(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], cli: Cli, tmp_path: Path
) -> None:
    paths = [saved(name, heads(25, seed), ["<script>alert(1)</script>"] * 25) for seed, name in enumerate(("a", "b"))]
    evaluated(*paths)

    cli("report", tmp_path / "out")

    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_model_folder_adds_curves_and_the_run_record(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], cli: Cli, tmp_path: Path
) -> None:
    logs = tmp_path / "model" / "training_logs" / "version_0"
    logs.mkdir(parents=True)
    (logs / "metrics.csv").write_text("epoch,step,train_loss\n0,10,0.9\n1,20,0.5\n")
    (tmp_path / "model" / "run.json").write_text('{"model_name": "ddpm", "seed": 7}')

    evaluated(saved("a", heads(10, 0)), saved("b", heads(10, 1)), model_dir=tmp_path / "model")
    cli("report", tmp_path / "out")

    page = (tmp_path / "out" / "report.html").read_text()
    assert "train_loss during training; 0.5 at step 20" in page
    assert "&#34;model_name&#34;: &#34;ddpm&#34;" in page


def test_a_folder_without_an_evaluation_is_an_error(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("report", tmp_path)

    assert code == 3
    assert "metrics.json: does not exist; run gandlf-synth evaluate first" in err
    assert cli("report", tmp_path, "--format", "docx")[0] == 2


def test_a_strip_shows_the_value_where_it_lies_among_the_zones() -> None:
    def judge(value: float) -> Outcome:
        return "good" if value <= 0.2 else "bad" if value >= 0.6 else "look"

    strip = build_strip(Estimate(0.4, 0.3, 0.5), Estimate(0.1, 0.05, 0.15), judge)

    good, look, bad = strip.zones
    assert [zone.kind for zone in strip.zones] == ["good", "look", "bad"]
    assert strip.real is not None
    assert good.left <= strip.real <= good.left + good.width
    assert look.left < strip.interval.left < strip.value < strip.interval.left + strip.interval.width < bad.left
    assert strip.value == pytest.approx((look.left + bad.left) / 2, abs=1)
    assert bad.left + bad.width == pytest.approx(100, abs=0.1)


def test_the_zone_of_every_judged_measure_is_its_outcome(flat: Path) -> None:
    evaluation, _ = EvaluationFolder(flat).read()

    judged = [row for rows in build_rows(evaluation).values() for row in rows if row.strip and row.strip.zones]

    assert len(judged) >= 8
    for row in judged:
        zone = [part for part in row.strip.zones if part.left <= row.strip.value <= part.left + part.width]
        assert row.outcome in {part.kind for part in zone} | {"unknown"}, row.title


def test_only_cautions_stand_before_the_verdicts(flat: Path) -> None:
    page = (flat / "report.html").read_text()
    banner, origin = page[page.index('class="banner') : page.index("</aside>")], page[page.index('id="origin"') :]

    assert "few images" in banner
    assert "subjects of real: " not in banner
    assert "subjects of real: " in origin


def test_a_collection_that_holds_images_twice_is_said_beside_its_copies(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    train, real, synthetic = heads(40, 1), heads(30, 2), heads(30, 3)
    real[:4], synthetic[:2] = train[:4] // 2 + 20, train[4:6]

    found = evaluated(saved("real", real), saved("other", synthetic), train=saved("train", train))

    said = verdict_of(found, "private").sentence
    assert "2 of 30 synthetic images are the same as a training image to the pixel" in said
    assert "near-duplicates of training images, too (4 of 30 held-out ones)" in said
    assert "need not come from the model" in said


def test_copies_are_shown_with_the_verdict_on_privacy(flat: Path) -> None:
    evaluation, _ = EvaluationFolder(flat).read()

    page = (flat / "report.html").read_text()
    card = page[page.index("Are patients safe") : page.index("Do they help?")]
    assert sum(pair.flagged and not pair.held_out for pair in evaluation.copies) >= 3
    assert card.count('<figure class="match flagged"') == sum(
        pair.flagged and not pair.held_out for pair in evaluation.copies
    )
    assert "synthetic/0.png | train/0.png" in card


def test_pairs_are_no_copies_beside_a_good_verdict(flat: Path) -> None:
    evaluation, arrays = EvaluationFolder(flat).read()
    good = [
        each.model_copy(update={"outcome": "good"}) if each.question == "private" else each
        for each in evaluation.verdicts
    ]

    page = render_page(evaluation.model_copy(update={"verdicts": good}), arrays)

    card = page[page.index("Are patients safe") : page.index("Do they help?")]
    assert "<b>as near as a copy</b>: " in card
    assert '<b class="bad">copy' not in card
    assert 'class="match flagged"' not in card


def test_the_methods_name_versions_and_sources(flat: Path) -> None:
    evaluation, _ = EvaluationFolder(flat).read()

    text, references = write_methods(evaluation)

    assert "n = 30 of 30 subjects" in text
    assert f"torch {evaluation.versions['torch']}" in text
    number = re.search(r"Distance of features \(KID\) \[(\d+)\]: ", text)
    assert number
    assert "Demystifying MMD GANs" in references[int(number.group(1)) - 1]


def test_images_csv_tells_the_least_realistic_image(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], tmp_path: Path
) -> None:
    synthetic = heads(20, 1)
    synthetic[7] = np.random.default_rng(0).integers(0, 255, synthetic[7].shape)

    evaluated(saved("real", heads(30, 0)), saved("synthetic", synthetic))

    rows = [line.split(",") for line in (tmp_path / "out" / "images.csv").read_text().splitlines()]
    place = rows[0].index("realism")
    scores = {row[2]: float(row[place]) for row in rows[1:] if row[0] == "synthetic"}
    assert min(scores, key=lambda subject: scores[subject]) == "synthetic-7"
    _, arrays = EvaluationFolder(tmp_path / "out").read()
    assert str(arrays["extremes_file"][-1 - len(arrays["extremes_file"]) // 3 + 1]).endswith("synthetic/7.png")


def test_a_pdf_without_a_browser_is_refused_with_what_to_do(
    flat: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    code, _, err = cli("report", flat, "--format", "pdf")

    assert code == 7
    assert "PDF needs Chromium, Google Chrome or Microsoft Edge" in err
    assert "open report.html in any browser and print it" in err


def test_the_page_of_volumes_holds_the_viewer_with_its_licence_and_pictures_do_not(volume: Path, flat: Path) -> None:
    page = (volume / "report.html").read_text()

    assert "BSD 2-Clause License" in page
    assert "Copyright (c) 2021, Niivue" in page
    assert len(page) < 5_000_000
    assert "niivue" not in (flat / "report.html").read_text().lower()


def test_volumes_in_the_viewer_keep_their_size_and_place(volume: Path) -> None:
    _, arrays = EvaluationFolder(volume).read()

    assert [str(name).split(":")[0] for name in arrays["volume_names"]] == ["real"] * 3 + ["synthetic"] * 3
    assert arrays["volume_0"].shape == (20, 24, 16)
    assert np.abs(np.diag(arrays["affine_0"])[:3]).min() > 0
