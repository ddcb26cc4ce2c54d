"""Requests as one writes them in a notebook."""

from pathlib import Path

from gandlf_synth import GenerationRequest, TrainingRequest


def test_texts_become_paths_and_nothing_else_does() -> None:
    request = TrainingRequest(config="c.yaml", train_csv="train.csv", model_dir=Path("model"), test_csv="test.csv")
    made = GenerationRequest("model", refuse_copies="train.csv", sampler="ddim")

    assert (request.config, request.train_csv, request.val_csv) == (Path("c.yaml"), Path("train.csv"), None)
    assert (request.model_dir, request.test_csv) == (Path("model"), Path("test.csv"))
    assert (made.model_dir, made.refuse_copies, made.sampler) == (Path("model"), Path("train.csv"), "ddim")
