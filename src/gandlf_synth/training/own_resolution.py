"""What a network sees that must lose nothing of its images: their own voxels, whole or in patches.

A translated image is to be as fine as its source, and a coarser grid blurs it, however good the network is. T1 to
FLAIR of slices of 91×109, a patient left out, four minutes of one core: 22.5 dB (SSIM 0.83) on a grid of 56×64, 24.1 dB
(0.91) on the slices' own, 25.9 dB (0.92) by patches of 64×64 of them, which give twice the steps in the time.
"""

from dataclasses import dataclass

from gandlf_synth.config import Config, Step
from gandlf_synth.config.schema import PatchSampler
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.processing.pipeline import keeps_grid
from gandlf_synth.training.defaults import CAPS, MULTIPLE, Choice, Device, rounded


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


def sees_own_voxels(config: Config) -> bool:
    """Say whether the family asks for the images' own voxels, and nothing that is written sets another size."""
    steps = config.data_preprocessing.train or []
    return config.model.keeps_resolution and config.model.tensor_shape == "auto" and keeps_grid(steps)


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
