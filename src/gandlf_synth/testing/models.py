"""The conformance kit: what every model family promises, checked on tiny data, for plugin authors too.

``check_model("my_model", spatial_dims=2, paradigm="custom")`` trains, resumes, saves, loads and samples, and raises a
``PluginError`` that lists every broken promise.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.config import Config, Document, LabelingParadigm, SamplingOptions, validate
from gandlf_synth.data.loading.condition import Condition, class_condition
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import PluginError, Problem, StoppedError, raise_if_any
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.build import build_module
from gandlf_synth.models.checkpoint import load_module
from gandlf_synth.models.family import ModelFamily
from gandlf_synth.models.sampling import sample_batches
from gandlf_synth.testing.synthetic_data import synthetic_condition, synthetic_data, synthetic_spec, with_conditions
from gandlf_synth.training.fit import fit

_SEEDS = (11, 12, 13)


@dataclass(frozen=True)
class _Case:
    config: Config
    spec: DataSpec
    root: Path

    def module(self) -> GenerativeModule:
        torch.manual_seed(0)
        return build_module(self.config.model.model_dump(mode="json"), self.spec)

    def train(
        self,
        name: str,
        epochs: int,
        *,
        resume: bool = False,
        precision: str = "32-true",
        module: GenerativeModule | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> GenerativeModule:
        compute = self.config.compute.model_copy(update={"precision": precision})
        config = self.config.model_copy(update={"num_epochs": epochs, "compute": compute})
        folder = ModelFolder(self.root / name)
        data = synthetic_data(self.spec, self.root)
        fit(
            module or self.module(),
            data,
            config,
            folder,
            Console(quiet=True),
            resume_from=folder.last if resume else None,
            callbacks=callbacks,
        )
        return load_module(folder.last)

    def condition(self, count: int) -> Condition:
        return synthetic_condition(self.spec, count)

    def sample(self, module: GenerativeModule, seeds: tuple[int, ...], condition: Condition) -> Tensor:
        (images,) = sample_batches(module.eval(), [(seeds, condition)], SamplingOptions())
        return images


def check_model(
    name: str,
    *,
    spatial_dims: int = 2,
    paradigm: LabelingParadigm = "unlabeled",
    num_channels: int = 1,
    shape: tuple[int, ...] | None = None,
    model_config: Mapping[str, Any] | None = None,
) -> None:
    """Check a registered model family.

    Args:
        name: the registered name.
        spatial_dims: 2 or 3.
        paradigm: with which kind of labels.
        num_channels: channels of the images.
        shape: voxels along each axis; absent: one that no stride divides.
        model_config: the section to use; absent: the family's ``tiny`` one.

    Raises:
        PluginError: every promise that the family breaks.
    """
    family: ModelFamily = registry.load("models", name)
    size = shape or (10, 12, 9)[:spatial_dims]
    section = {"model_name": name, **(family.tiny if model_config is None else model_config)}
    document = Document(
        "conformance", {"model_config": {**section, "save_eval_images_every_n_epochs": -1}, "batch_size": 4}
    )
    with TemporaryDirectory() as folder:
        config = _resolved(document)
        spec = with_conditions(synthetic_spec(size, num_channels, paradigm), config.model.conditioning)
        case = _Case(config, spec, Path(folder))
        where = f"models.{name}, {spatial_dims}D, {paradigm}"
        raise_if_any(_broken_promises(case, where), PluginError)


def _broken_promises(case: _Case, where: str) -> list[Problem]:
    problems = []
    trained = case.train("whole", 2)
    for promise, holds in _PROMISES.items():
        if not holds(case, trained):
            problems.append(Problem(where, f"breaks a promise: {promise}"))
    return problems


def _every_parameter_learns(case: _Case, _: GenerativeModule) -> bool:
    module = case.module()
    waiting = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(lambda _, name=name: waiting.discard(name))
    case.train("hooked", 1, module=module)
    return not waiting


def _shape_and_range(case: _Case, trained: GenerativeModule) -> bool:
    images = case.sample(trained, _SEEDS, case.condition(3))
    expected = (3, case.spec.num_channels, *case.spec.shape)
    return images.shape == expected and bool(torch.isfinite(images).all()) and float(images.abs().max()) <= 1


def _same_seed(case: _Case, trained: GenerativeModule) -> bool:
    torch.manual_seed(1)
    first = case.sample(trained, _SEEDS, case.condition(3))
    torch.manual_seed(2)
    return torch.equal(first, case.sample(trained, _SEEDS, case.condition(3)))


def _own_seed(case: _Case, trained: GenerativeModule) -> bool:
    condition = case.condition(3)
    together = case.sample(trained, _SEEDS, condition)
    alone = case.sample(trained, _SEEDS[2:], condition.rows(slice(2, None)))
    different = not torch.equal(together[0], together[2])
    return different and torch.allclose(together[2:], alone, atol=1e-4)


def _untouched_rng(case: _Case, trained: GenerativeModule) -> bool:
    before = torch.get_rng_state()
    case.sample(trained, _SEEDS, case.condition(3))
    return torch.equal(before, torch.get_rng_state())


def _repeatable(case: _Case, trained: GenerativeModule) -> bool:
    return _equal_weights(case.train("again", 2), trained)


def _exact_resume(case: _Case, trained: GenerativeModule) -> bool:
    with suppress(StoppedError):
        case.train("resumed", 2, callbacks=[_SignalAfterEpoch(0)])
    return _equal_weights(case.train("resumed", 2, resume=True), trained)


def _exact_resume_in_an_epoch(case: _Case, trained: GenerativeModule) -> bool:
    with suppress(StoppedError):  # where gradients of a whole epoch are added up, the epoch is finished first
        return _equal_weights(case.train("stopped", 2, callbacks=[_SignalInEpoch(1)]), trained)
    return _equal_weights(case.train("stopped", 2, resume=True), trained)


class _SignalInEpoch(Callback):
    """Sends SIGTERM before the first batch of an epoch ends."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == (self._epoch, 0):
            signal.raise_signal(signal.SIGTERM)


class _SignalAfterEpoch(Callback):
    """Sends SIGTERM when an epoch is over."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == self._epoch:
            signal.raise_signal(signal.SIGTERM)


def _bf16(case: _Case, _: GenerativeModule) -> bool:
    weights = case.train("bf16", 1, precision="bf16-mixed").state_dict().values()
    return all(bool(torch.isfinite(value).all()) for value in weights if value.is_floating_point())


def _labels_matter(case: _Case, trained: GenerativeModule) -> bool:
    if not case.spec.num_classes or "class" not in case.config.model.condition_kinds:
        return True
    condition = case.condition(1)
    known = [Condition({**condition, **class_condition([label])}) for label in range(2)]
    images = [case.sample(trained, _SEEDS[:1], each) for each in known]
    return not torch.equal(*images)


_PROMISES: dict[str, Callable[[_Case, GenerativeModule], bool]] = {
    "every trainable parameter gets a gradient (an unused one stops distributed training)": _every_parameter_learns,
    "sample returns finite images of (seeds, channels, *shape) within [-1, 1]": _shape_and_range,
    "the same seeds give the same bytes, whatever torch's own generator holds": _same_seed,
    "an image depends on its own seed, not on the others of its batch": _own_seed,
    "sampling leaves torch's own generator untouched": _untouched_rng,
    "two equal runs end with equal weights": _repeatable,
    "a run that was resumed ends with the weights of one that was not interrupted": _exact_resume,
    "so does one that was stopped in the middle of an epoch": _exact_resume_in_an_epoch,
    "training works in bf16-mixed": _bf16,
    "the class makes a difference": _labels_matter,
}


def _equal_weights(one: GenerativeModule, other: GenerativeModule) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(first, second) for first, second in pairs)


def _resolved(document: Document) -> Config:
    config = validate(document).config
    compute = config.compute.model_copy(update={"accelerator": "cpu", "num_devices": 1, "precision": "32-true"})
    return config.model_copy(update={"compute": compute})
