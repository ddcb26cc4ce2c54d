"""This project's families, trained and sampled by the functions that its commands call."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.quality.result import Trained
from benchmarks.quality.tasks import Task
from gandlf_synth import api
from gandlf_synth.config import Document, SamplingOptions
from gandlf_synth.data.loading.condition import class_condition
from gandlf_synth.models.sampling import batched, sample_batches
from gandlf_synth.provenance import Purpose, fold_seed
from gandlf_synth.training.request import TrainingRequest

BATCH = {2: 32, 3: 4}


def train(section: dict[str, Any], task: Task, seconds: float, seed: int, folder: Path) -> Trained:
    """Train ``section``, a ``model_config``, on ``task`` for ``seconds``, and return how to sample from it."""
    content = {
        "model_config": {**section, "tensor_shape": list(task.shape), "save_eval_images_every_n_epochs": -1},
        "data_preprocessing": {"train": task.steps},
        "num_epochs": 10_000,
        "batch_size": BATCH[len(task.shape)],
        "seed": seed,
        "compute": {"accelerator": "cpu"},
    }
    request = TrainingRequest(
        Document("benchmark", content), task.write_csv(folder / "data.csv"), folder / "model", seconds=seconds
    )
    result = api.train(request)
    module = api.load_model(result.model_dir)

    def sample(count: int, batch: int, labels: Tensor | None) -> Tensor:
        seeds = [fold_seed(seed, Purpose.IMAGE, index) for index in range(count)]
        condition = class_condition(None if labels is None else labels.tolist())
        return torch.cat(list(sample_batches(module, batched(seeds, condition, batch), SamplingOptions())))

    steps = str(module.sampling_defaults(SamplingOptions()))
    return Trained(sample, result.record.steps, sum(p.numel() for p in module.parameters()), steps)
