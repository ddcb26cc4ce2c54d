"""What families share that learn to undo noise: training at random noise levels, and sampling from pure noise."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypedDict, TypeVar

import torch
from torch import Tensor, nn

from gandlf_synth import registry
from gandlf_synth.batch_draws import draw_rand, draw_randn_like, draw_start
from gandlf_synth.config import Phase, SamplingOptions, resolved
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart, complete, network_sizes
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.diffusion.guidance import classifier_free_guidance
from gandlf_synth.diffusion.projection import Known, inpaint
from gandlf_synth.diffusion.samplers.base import ProcessKind, Sampler, sampler_names, sampler_problem
from gandlf_synth.diffusion.sampling import Denoise
from gandlf_synth.errors import CheckpointError, ConfigError, Problem, raise_if_any
from gandlf_synth.models.base import C, ExportedNetwork, GenerativeModule, noise_from
from gandlf_synth.models.components.diffusion_config import DiffusionSettings, FlowSettings
from gandlf_synth.models.components.labeled_augmentation import AUGMENTATION, BatchAugmentation
from gandlf_synth.models.components.windowed_denoiser import in_windows
from gandlf_synth.networks.controlnet import ControlledDenoiser
from gandlf_synth.provenance import Purpose, fold_seed
from gandlf_synth.ranks import data_share

S = TypeVar("S", bound=DiffusionSettings | FlowSettings)
"""The settings of a process."""

_STRETCHES = 10
"""Into how many the steps of inpainting are cut, unless ``jump_length`` is given."""
_JUMP_N_SAMPLE = 5
_OVERLAP = 0.5


class SamplingChoice(TypedDict):
    """How images are sampled; for the record."""

    sampler: str
    num_inference_steps: int
    guidance_scale: float


@dataclass(frozen=True)
class SamplingTask:
    """What a process is to make.

    Args:
        noise: ``(batch, channels, *shape)``, standard normal; what is made has its size.
        generators: one CPU generator per image, for further noise.
        condition: what the images are made from.
        options: how to sample.
        known: what stays of images that are inpainted; None: everything is made.
        window: voxels along each axis that the denoiser was trained on; larger images are denoised in windows of
            that size.
    """

    noise: Tensor
    generators: list[torch.Generator]
    condition: Condition
    options: SamplingOptions
    known: Known | None = None
    window: tuple[int, ...] | None = None


class DenoisingProcess(nn.Module, ABC, Generic[S]):
    """Noise, the network that undoes it, and the way back from noise; for images and for latents alike.

    Args:
        settings: the family's configuration.
        criterion: the loss, one value per element.
        spatial_dims: 2 or 3.
        channels: of what is noised.
        parts: what the images are conditioned on.
        controlled: whether the denoiser is a finished one, with a branch that learns to steer it by images.
    """

    kind: ClassVar[ProcessKind]
    """The path from images to noise, for which the samplers have to be made."""

    def __init__(
        self,
        settings: S,
        criterion: nn.Module,
        spatial_dims: int,
        channels: int,
        parts: Sequence[ConditionPart] = (),
        *,
        controlled: bool = False,
    ) -> None:
        super().__init__()
        self.settings = settings
        architecture, sizes = resolved(settings.architecture), network_sizes(parts)
        if controlled and not sizes["condition_channels"]:
            what = "adds a branch that learns from images, and the model is conditioned on none"
            raise ConfigError(Problem("model_config.controlnet_from", what, fix="add mask or image to conditioning"))
        if controlled:
            self.denoiser = architecture.build_controlled(spatial_dims=spatial_dims, in_channels=channels, **sizes)
        else:
            self.denoiser = architecture.build(
                spatial_dims=spatial_dims, in_channels=channels, out_channels=channels, **sizes
            )
        self.criterion = criterion
        self._guidable = any(part.name != AUGMENTATION for part in parts)
        self._drop_fractions = {
            part.name: settings.label_dropout_fraction if part.kind == "class" else part.drop_fraction for part in parts
        }

    @property
    def samplers(self) -> Sequence[str]:
        """The registered samplers that are made for the process."""
        return sampler_names(self.kind)

    @abstractmethod
    def loss(self, clean: Tensor, noise: Tensor, start: Tensor, condition: Condition) -> Tensor:
        """Return the mean loss at noise levels that are spread evenly over the batch from a random ``start``.

        Even spreading lowers the variance of the gradient (Kingma et al. 2021, appendix I.1).

        Args:
            clean: ``(batch, channels, *shape)``.
            noise: standard normal, of the same shape.
            start: a scalar in [0, 1).
            condition: what the images are made from.
        """

    @abstractmethod
    def sample(self, task: SamplingTask) -> Tensor:
        """Return what the process makes of the noise of ``task``."""

    @abstractmethod
    def sampling_defaults(self, options: SamplingOptions) -> SamplingChoice:
        """Return sampler, steps and guidance scale that ``sample`` would use."""

    def guided(
        self,
        task: SamplingTask,
        scale: float,
        *,
        active: Callable[[Tensor], bool] | None = None,
        rescale: float = 0.0,
    ) -> Denoise:
        """Return the denoiser for the condition of ``task`` with guidance; see ``classifier_free_guidance``."""
        denoiser: Callable[..., Tensor] = self.denoiser
        if task.window is not None:
            overlap = _OVERLAP if task.options.overlap is None else task.options.overlap
            denoiser = in_windows(denoiser, task.window, overlap)
        if not task.condition:
            return denoiser
        inputs, unknown = task.condition.inputs(), task.condition.hidden().inputs()
        return classifier_free_guidance(denoiser, inputs, unknown, scale, active=active, rescale=rescale)

    def sampler(self, task: SamplingTask, choice: SamplingChoice) -> Sampler:
        """Return the sampler that was chosen for ``task``; where something is known, it keeps that."""
        sampler: Sampler = registry.load("samplers", choice["sampler"])
        if task.known is None:
            return sampler
        return inpaint(sampler, task.known, **jumps(task.options, choice["num_inference_steps"]))

    def training_loss(self, clean: Tensor, condition: Condition) -> Tensor:
        """Return the loss at random noise; each part of the condition is hidden at random, for guidance."""
        fractions = {name: self._drop_fractions[name] for name in condition}
        hidden = {name: draw_rand((len(clean),), clean.device) < fraction for name, fraction in fractions.items()}
        noise = self.noise_for(clean)
        return self.loss(clean, noise, draw_start(len(clean), clean.device), condition.hidden(hidden))

    def noise_for(self, clean: Tensor) -> Tensor:
        """Return the noise that ``clean`` is trained with."""
        return draw_randn_like(clean)

    def fixed_loss(self, clean: Tensor, condition: Condition, seed: int) -> Tensor:
        """Return the loss at noise that follows from ``seed``."""
        rng = torch.Generator().manual_seed(seed)
        noise = torch.randn(clean.shape, generator=rng).to(clean)
        return self.loss(clean, noise, torch.rand((), generator=rng).to(clean.device), condition)

    def check_sampling(self, options: SamplingOptions) -> None:
        """Refuse a sampler that is unknown or made for another process, and guidance where there is no condition."""
        problem = sampler_problem(options.sampler, self.kind, "sampler") if options.sampler is not None else None
        raise_if_any([problem] if problem else [], ConfigError)
        if options.guidance_scale not in (None, 1) and not self._guidable:
            what = f"guidance_scale {options.guidance_scale} needs classes, and this model was trained without"
            raise ConfigError(Problem("guidance_scale", what, fix="leave it out"))


class Jumps(TypedDict):
    """How inpainting goes back and forth; for the record."""

    jump_length: int
    jump_n_sample: int


def jumps(options: SamplingOptions, steps: int) -> Jumps:
    """Return how inpainting in so many ``steps`` goes back and forth.

    Example:
        >>> jumps(SamplingOptions(), 50)
        {'jump_length': 5, 'jump_n_sample': 5}
    """
    length = options.jump_length or max(1, steps // _STRETCHES)
    return {"jump_length": length, "jump_n_sample": options.jump_n_sample or _JUMP_N_SAMPLE}


AnyProcess = DenoisingProcess[DiffusionSettings] | DenoisingProcess[FlowSettings]


def spread_evenly(start: Tensor, count: int) -> Tensor:
    """Return ``count`` numbers in [0, 1), the first at ``start`` and the others at equal distances, around the end.

    Example:
        >>> spread_evenly(torch.tensor(0.75), 2)
        tensor([0.7500, 0.2500])
    """
    return (start + torch.arange(count, device=start.device) / count) % 1


class _PositionalDenoiser(nn.Module):
    """A denoiser whose condition is given by position, as exported networks need it.

    Args:
        denoiser: the network.
        names: its keyword arguments, in the order of the positions.
        zeros: numbers of its vector that come last and are always 0.
    """

    def __init__(self, denoiser: nn.Module, names: Sequence[str], zeros: int) -> None:
        super().__init__()
        self.denoiser, self.names, self.zeros = denoiser, tuple(names), zeros

    def forward(self, noisy: Tensor, timesteps: Tensor, *condition: Tensor) -> Tensor:
        inputs = dict(zip(self.names, condition, strict=True))
        if self.zeros:
            given = [inputs["vector"]] if "vector" in inputs else []
            inputs["vector"] = torch.cat([*given, noisy.new_zeros(len(noisy), self.zeros)], 1)
        prediction: Tensor = self.denoiser(noisy, timesteps, **inputs)
        return prediction


class DenoisingModule(GenerativeModule[C]):
    """A ``process`` on images; a subclass may put something else in their place with ``encode`` and ``decode``."""

    process: AnyProcess
    augmentation: BatchAugmentation | None = None
    """Changes training images, and tells the process."""

    @property
    def samplers(self) -> Sequence[str]:  # type: ignore[override]
        """The solvers of the process."""
        return self.process.samplers

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """``(channels, *shape)`` of what the process works on."""
        return (self.spec.num_channels, *self.spec.shape)

    @property
    def parts(self) -> Sequence[ConditionPart]:
        """What the process is conditioned on."""
        return self.spec.parts

    def encode(self, batch: Batch, phase: Phase) -> Tensor:
        """Return what the process learns of a batch of the split ``phase``."""
        return batch["image"]

    def encode_condition(self, condition: Condition) -> Condition:
        """Return what images are made from as the process sees it."""
        return condition

    def decode(self, sample: Tensor) -> Tensor:
        """Return the images of what the process sampled."""
        return sample

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss at random noise levels."""
        loss = self.loss_of_subject(batch)
        self.log_loss("train", loss, batch)
        return loss

    def loss_of_subject(self, batch: Batch) -> Tensor:
        """Return the loss at random noise levels; see ``GenerativeModule.loss_of_subject``."""
        clean, condition = self.encode(batch, "train"), self.encode_condition(batch["condition"])
        if self.augmentation is not None:
            clean, condition = self.augmentation(clean, condition)
        return self.process.training_loss(clean, condition)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss at noise that is the same in every epoch, so that epochs can be compared."""
        self._evaluate("val", batch, batch_idx)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss on the test split."""
        self._evaluate("test", batch, batch_idx)

    def _evaluate(self, phase: Phase, batch: Batch, batch_idx: int) -> None:
        seed = fold_seed(0, Purpose.VALIDATION_NOISE, batch_idx, data_share(self._trainer)[0])
        condition = self._unaugmented(self.encode_condition(batch["condition"]), len(batch["image"]))
        loss = self.process.fixed_loss(self.encode(batch, phase), condition, seed)
        self.log_loss(phase, loss, batch)

    def _unaugmented(self, condition: Condition, count: int) -> Condition:
        """Return what the process is told of images as they are."""
        return condition if self.augmentation is None else self.augmentation.absent(condition, count, self.device)

    def networks_to_compile(self) -> Sequence[nn.Module]:
        """Return the denoiser."""
        return [self.process.denoiser]

    def networks_to_shard(self) -> Sequence[nn.Module]:
        """Return the denoiser."""
        return [self.process.denoiser]

    def networks_for_graphs(self) -> Sequence[nn.Module]:
        """Return the denoiser, unless a part of it stays as it is."""
        return [] if isinstance(self.process.denoiser, ControlledDenoiser) else [self.process.denoiser]

    def load_first_stage(self, trained: GenerativeModule) -> None:
        """Take over the denoiser of ``trained``, to which a branch is added.

        Raises:
            CheckpointError: it is of another family or process, or has another network.
        """
        denoiser = self.process.denoiser
        if not isinstance(denoiser, ControlledDenoiser) or not isinstance(trained, DenoisingModule):
            what = f"is a {trained.config.model_name} model, and a branch needs one of {self.config.model_name}"
            raise CheckpointError(Problem("controlnet_from", what))
        problems = [
            Problem(
                "controlnet_from",
                f"was trained with {key} = {before}, not {now}",
                fix=f"leave {key} and architecture out, so that they follow from it",
            )
            for key in ("model_name", *getattr(self.config, "process_keys", ()))
            if (before := getattr(trained.config, key, None)) != (now := getattr(self.config, key, None))
        ]
        raise_if_any(problems, CheckpointError)
        try:
            denoiser.load_base(trained.process.denoiser.state_dict())
        except RuntimeError as error:
            what = f"has another network, or other classes and numbers as conditions: {str(error).splitlines()[-1]}"
            raise CheckpointError(Problem("controlnet_from", what.strip(), fix="leave architecture out")) from None

    def export_networks(self) -> dict[str, ExportedNetwork]:
        """Return the denoiser; its inputs are ``noisy``, ``timesteps`` and the parts of the condition that it takes."""
        noisy = torch.randn(2, *self.noise_shape)
        parts = complete(Condition(), self.parts, len(noisy), self.noise_shape[1:]).inputs()
        if network_sizes(self.parts)["num_classes"]:
            parts = {"class_labels": torch.tensor([0, -1]), **parts}
        told = 0 if self.augmentation is None else self.augmentation.part.width
        network = _PositionalDenoiser(self.process.denoiser, tuple(parts), told).eval()
        return {"denoiser": ExportedNetwork(network, (noisy, torch.tensor([3, 7]), *parts.values()))}

    def sampling_defaults(self, options: SamplingOptions) -> SamplingChoice:
        """Return sampler, steps and guidance scale that ``sample`` would use."""
        return self.process.sampling_defaults(options)

    def inpainting_defaults(self, options: SamplingOptions) -> Jumps:
        """Return how inpainting goes back and forth."""
        return jumps(options, self.sampling_defaults(options)["num_inference_steps"])

    def check_sampling(self, options: SamplingOptions) -> None:
        """Refuse an unknown sampler, and guidance where there is no condition."""
        self.process.check_sampling(options)

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed; see ``GenerativeModule.sample``."""
        return self._sample(seeds, condition, options)

    def inpaint(self, seeds: Sequence[int], condition: Condition, known: Known, options: SamplingOptions) -> Tensor:
        """Return one image per seed with what is known kept to the last bit; see ``GenerativeModule.inpaint``."""
        return known.paste(self._sample(seeds, condition, options, self.encode_known(known)))

    def encode_known(self, known: Known) -> Known:
        """Return what is known of images as the process sees it."""
        return known

    def _sample(
        self, seeds: Sequence[int], condition: Condition, options: SamplingOptions, known: Known | None = None
    ) -> Tensor:
        condition = self._unaugmented(self.encode_condition(condition), len(seeds))
        size = known.clean.shape[2:] if known is not None else condition.image_shape or self.noise_shape[1:]
        noise, generators = noise_from(seeds, (self.noise_shape[0], *size))
        window = self.noise_shape[1:]
        task = SamplingTask(noise.to(self.device), generators, condition, options, known, window)
        return self.decode(self.process.sample(task)).clamp(-1, 1)
