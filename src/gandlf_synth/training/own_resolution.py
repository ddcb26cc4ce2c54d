"""What a network sees that must lose nothing of its images: their own voxels, whole or in patches.

A translated image is to be as fine as its source, and a coarser grid blurs it, however good the network is. T1 to
FLAIR of slices of 91×109, a patient left out, four minutes of one core: 22.5 dB (SSIM 0.83) on a grid of 56×64, 24.1 dB
(0.91) on the slices' own, 25.9 dB (0.92) by patches of 64×64 of them, which give twice the steps in the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gandlf_synth.config import Config, Step
from gandlf_synth.config.schema import PatchSampler
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.processing.pipeline import keeps_grid
from gandlf_synth.training.defaults import CAPS, MULTIPLE, Choice, Device, rounded

_AS_FINE = frozenset({"sources", "region"})
"""What images are made from that is itself as fine as the files."""


@dataclass(frozen=True)
class OwnResolution:
    """How a network sees images at their own resolution.

    Args:
        shape: what it sees at once.
        patches: how patches are drawn; None: images are seen whole.
        sizing: the preprocessing that brings whole images to one size; None: patches.
    """

    shape: Choice[list[int]]
    patches: Choice[PatchSampler] | None
    sizing: Choice[list[Step]] | None


def find_own_resolution(config: Config, data: Fingerprint, device: Device) -> OwnResolution | None:
    """Return how the network sees the images' own voxels; None where it sees another size of them.

    A family that only translates always does. One that denoises does where images are made from others or have a region
    to fill, which are as fine as the files; otherwise where images are small enough to be seen whole, since a patch of
    a mask does not say where it lies.
    """
    if not _is_open(config):
        return None
    family, looked_at = config.model, _images_looked_at(config)
    if not (family.keeps_resolution or looked_at):
        return None
    cut = config.patch_sampler is not None
    own = choose_own_resolution(data, device, allow_whole=not cut)
    in_patches = family.keeps_resolution or (family.patches and (cut or bool(looked_at & _AS_FINE)))
    return own if own is None or own.patches is None or in_patches else None


def coarser_by(config: Config, data: Fingerprint, shape: Sequence[int]) -> float:
    """Return how many times coarser images are that are made from others than the files; 1 where they are not."""
    sized = config.patch_sampler is None and bool(_images_looked_at(config))
    return max(1.0, *(own / seen for own, seen in zip(data.largest_shape, shape, strict=True))) if sized else 1.0


def _is_open(config: Config) -> bool:
    """Say whether nothing that is written sets a size: of the network, of the images, of a model it stands on."""
    model = config.model
    stands_on = getattr(model, "controlnet_from", None) is not None
    return model.tensor_shape == "auto" and not stands_on and keeps_grid(config.data_preprocessing.train or [])


def _images_looked_at(config: Config) -> frozenset[str]:
    steps = [step for step in config.model.conditioning if step.name.lower() != "class"]
    if not steps:
        return frozenset()
    from gandlf_synth.data.loading.conditioners import ImageConditioner, build_conditioner  # imports torch

    conditioners = [build_conditioner(step.name, step.parameters) for step in steps]
    return frozenset(name for one in conditioners if isinstance(one, ImageConditioner) for name in one.reads)


def choose_own_resolution(data: Fingerprint, device: Device, *, allow_whole: bool = True) -> OwnResolution | None:
    """Choose between whole images and patches; None where an axis is too short for either.

    Args:
        data: the facts of the images.
        device: what training will run on.
        allow_whole: whether whole images can be chosen; of a store with images of several sizes, only patches can.
    """
    limit = CAPS[device.kind, data.spatial_dims]
    size = "×".join(str(length) for length in data.shape)
    if allow_whole and max(data.largest_shape) <= limit:
        shape = [rounded(length) for length in data.largest_shape]
        steps = [
            *([Step(name="to_canonical")] if data.orientations else []),
            Step(name="crop_or_pad", parameters=shape),
        ]
        reason = f"images are {size}, and what is made is to be as fine: their own voxels, with a margin"
        whole = "padded, not resampled: what is made is to be as fine as what it is made from"
        return OwnResolution(
            Choice("model_config.tensor_shape", shape, reason), None, Choice("data_preprocessing", steps, whole)
        )
    patch = [min(limit, length // MULTIPLE * MULTIPLE) for length in data.smallest_shape]
    if min(patch) < MULTIPLE:
        return None
    reason = f"images are {size}, and what is made is to be as fine: patches of their own voxels"
    why = f"images are larger than {limit} voxels a side" if allow_whole else "as the store was prepared"
    sampler = Choice("patch_sampler", PatchSampler(), why)
    return OwnResolution(Choice("model_config.tensor_shape", patch, reason), sampler, None)
