"""Whether loaded weights do what they did: asked before training, because wrong ones load without an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import log10

import torch
from monai.networks.blocks.upsample import UpSample
from torch import Tensor, nn

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.errors import CheckpointError, Problem
from gandlf_synth.models.autoencoder_kl.module import AutoencoderKL
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.build import build_module
from gandlf_synth.models.components.denoising import DenoisingModule
from gandlf_synth.models.components.first_stage import AutoencoderModule
from gandlf_synth.networks.autoencoder_kl import set_upsampling
from gandlf_synth.pretrained.parent import Parent

NUM_CHECKED = 8
"""Training images that are looked at."""
_RANGES = ((-1.0, 1.0), (0.0, 1.0))
_GROUPS = (32, 16, 8, 4)
_CLEARLY = 3.0
"""Decibels by which another reading of the same weights has to be better, to be the likely one."""
_COMPARE = "compare modality, range of values, spacing and orientation with those of the parent"
_SEEDS = 4
_SPREAD = (0.3, 3.0)
"""Standard deviations of scaled latents between which a denoiser of latents knows them."""


@dataclass(frozen=True)
class _Variant:
    cause: str
    fix: str
    psnr: float


@torch.no_grad()
def check_contract(parent: Parent, module: GenerativeModule, batch: Batch) -> str:
    """Return what ``module``, with the weights of ``parent``, makes of training images.

    An autoencoder has to reconstruct them, a denoiser has to know noise better than one that was never trained.

    Args:
        parent: where the weights come from.
        module: the model.
        batch: of ``NUM_CHECKED`` training images, fewer where there are no more.

    Raises:
        CheckpointError: it does not, with the likely cause.
    """
    was_training = module.training
    module.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            if isinstance(module, AutoencoderModule):
                return _check_reconstruction(parent, module, batch["image"])
            if isinstance(module, DenoisingModule):
                return _check_denoising(parent, module, batch)
    finally:
        module.train(was_training)
    return f"no check is known for {module.config.model_name}: look at the first grid in eval_images"


def _check_reconstruction(parent: Parent, module: GenerativeModule, images: Tensor) -> str:
    psnr, needed = _psnr(module, images), parent.start.min_psnr
    told = parent.spec is not None
    better = None if told or not needed else _better_variant(module, images, psnr)
    if psnr >= needed and better is None:
        return f"{len(images)} training images are reconstructed at {psnr:.1f} dB"
    cause, fix = "the images are not like those that it was trained on", _COMPARE
    if told:
        cause, fix = f"{cause}, or it was trained for too short a time", f"{fix}, or train it longer"
    if better is not None:
        cause, fix = f"{better.cause}, with which it is {better.psnr:.1f} dB", better.fix
    what = f"reconstructs {len(images)} training images at {psnr:.1f} dB: {cause}"
    allowed = f"{needed:g} dB or more (init_from: {{min_psnr: …}})"
    raise CheckpointError(Problem(f"init_from {parent.name}", what, allowed, fix))


def _psnr(module: GenerativeModule, images: Tensor) -> float:
    """Return the mean PSNR of reconstructions in dB, for images in [-1, 1]."""
    error = (module.reconstruct(images, Condition()) - images).square().flatten(1).mean(1)
    return sum(10 * log10(4 / max(float(each), 1e-12)) for each in error) / len(error)


def _better_variant(module: GenerativeModule, images: Tensor, psnr: float) -> "_Variant | None":
    """Return what weights do not tell and makes reconstructions clearly better, from trying it."""
    tried = [_Variant(cause, fix, _psnr(module, images)) for cause, fix in _variants(module)]
    best = max(tried, key=lambda variant: variant.psnr, default=None)
    return best if best is not None and best.psnr >= psnr + _CLEARLY else None


def _variants(module: GenerativeModule) -> Iterator[tuple[str, str]]:
    """Yield cause and remedy while ``module`` is changed as the remedy says; it is as before afterwards."""
    if not isinstance(module, AutoencoderKL):
        return
    ups = [part for part in module.modules() if isinstance(part, UpSample)]
    norms = [part for part in module.autoencoder.modules() if isinstance(part, nn.GroupNorm)]
    for upsampling in ("linear", "nearest"):
        with _upsampled(ups, upsampling):
            cause = f"its decoder was trained with {upsampling} upsampling"
            yield cause, f"write architecture: {{upsampling: {upsampling}}}"
    before = module.value_range
    for low, high in _RANGES:
        module.value_range = (low, high)
        cause = f"it was trained on values in [{low:g}, {high:g}]"
        yield cause, f"write architecture: {{value_range: [{low:g}, {high:g}]}}"
    module.value_range = before
    groups = {id(norm): norm.num_groups for norm in norms}
    for count in _GROUPS:
        if all(norm.num_channels % count == 0 for norm in norms):
            for norm in norms:
                norm.num_groups = count
            yield (
                f"it was trained with {count} groups of normalization",
                f"write architecture: {{norm_num_groups: {count}}}",
            )
    for norm in norms:
        norm.num_groups = groups[id(norm)]


@contextmanager
def _upsampled(layers: list[UpSample], upsampling: str) -> Iterator[None]:
    before = [(layer.upsample_non_trainable.mode, layer.upsample_non_trainable.align_corners) for layer in layers]
    for layer in layers:
        set_upsampling(layer, "linear" if upsampling == "linear" else "nearest")
    yield
    for layer, (mode, align_corners) in zip(layers, before, strict=True):
        layer.upsample_non_trainable.mode, layer.upsample_non_trainable.align_corners = mode, align_corners


def _check_denoising(parent: Parent, module: "DenoisingModule", batch: Batch) -> str:
    clean, condition = module.encode(batch, "train"), module.encode_condition(batch["condition"])
    scale = getattr(module, "scale", None)
    if scale is not None and not scale.measured:
        clean = (clean - clean.mean()) / clean.std()
    spread = float(clean.std())
    if scale is not None and not _SPREAD[0] <= spread <= _SPREAD[1]:
        what = f"has latents of standard deviation {spread:.2g} for these images, and expects 1"
        allowed = f"{_SPREAD[0]:g} to {_SPREAD[1]:g}"
        raise CheckpointError(Problem(f"init_from {parent.name}", what, allowed, _COMPARE))
    torch.manual_seed(0)
    fresh = build_module(module.config, module.spec).eval()
    losses = [_denoising_loss(each, clean, condition) for each in (module, fresh)]
    if losses[0] < losses[1]:
        return f"its loss is {losses[0]:.3g} on {len(clean)} training images; without training it is {losses[1]:.3g}"
    what = f"predicts noise no better than a network without training: loss {losses[0]:.3g} against {losses[1]:.3g}"
    told = [key for key in parent.assumed if not key.startswith("architecture.")]
    assumed = f"; {', '.join(parent.assumed)} are not told by the weights and may be others" if parent.assumed else ""
    fix = f"write what it was trained with: {', '.join(told)}" if told else "compare its images with yours"
    raise CheckpointError(Problem(f"init_from {parent.name}", what + assumed, fix=fix))


def _denoising_loss(module: GenerativeModule, clean: Tensor, condition: Condition) -> float:
    """Return the loss at noise levels that are spread over the images, for a few draws of noise."""
    if not isinstance(module, DenoisingModule):
        raise TypeError(f"{module.config.model_name} has no loss of noise")
    return sum(float(module.process.fixed_loss(clean, condition, seed)) for seed in range(_SEEDS)) / _SEEDS
