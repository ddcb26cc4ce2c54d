"""Augmentations that change intensities and leave voxels where they are, as scanners do."""

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from gandlf_synth.data.processing.augmentations.ranges import Range, RangePerAxis, is_planar
from gandlf_synth.data.processing.base import Augmentation, Shape

if TYPE_CHECKING:
    import torchio
    from torch import Tensor

Interpolation = Literal[
    "nearest", "linear", "bspline", "cubic", "gaussian", "hamming", "cosine", "welch", "lanczos", "blackman"
]


class KSpace(Augmentation):
    """Adds an artefact of MR acquisition: ghosts, as of periodic motion, or stripes, as of a spike in k-space.

    Example:
        >>> import torch
        >>> transform = KSpace().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return TorchIO's ``RandomGhosting`` or ``RandomSpike`` with even chances."""
        import torchio

        return torchio.OneOf([torchio.RandomGhosting(), torchio.RandomSpike()])


class Motion(Augmentation):
    """Blurs and ghosts as if the patient had moved during MR acquisition (Shaw et al. 2019, PMLR 102).

    Example:
        >>> import torch
        >>> transform = Motion().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    degrees: Range = 15
    """Rotation of each movement."""
    translation: Range = 2
    """Shift of each movement, voxels."""
    num_transforms: PositiveInt = 2
    """Movements."""
    interpolation: Interpolation = "linear"
    """How the moved image is sampled."""

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return TorchIO's ``RandomMotion``."""
        import torchio

        motion = torchio.RandomMotion(self.degrees, self.translation, self.num_transforms, self.interpolation)
        return torchio.Lambda(_MotionInPlane(motion)) if is_planar(shape) else motion


class _MotionInPlane:
    """Motion of 2D images: TorchIO splits k-space along the last axis, which here must be one of the plane's."""

    def __init__(self, motion: "torchio.RandomMotion") -> None:
        self._motion = motion

    def __call__(self, image: "Tensor") -> "Tensor":
        import torchio

        motion = self._motion
        ranges = motion.degrees_range, motion.translation_range
        times, degrees, shifts = motion.get_params(*ranges, motion.num_transforms)
        degrees[:, 1:] = 0
        shifts[:, 0] = 0
        move = torchio.Motion(degrees, shifts, times, motion.image_interpolation)
        moved: Tensor = move(image.movedim(-1, 1)).movedim(1, -1)
        return moved


class Bias(Augmentation):
    """Multiplies by a smooth field, as of an inhomogeneous coil (Van Leemput et al. 1999); the maximum stays.

    Example:
        >>> import torch
        >>> transform = Bias().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return TorchIO's ``RandomBiasField``, scaled so that the field saturates nothing."""
        import torchio

        return torchio.Lambda(_KeepingMaximum(torchio.RandomBiasField(coefficients=0.5, order=3)))


class _KeepingMaximum:
    def __init__(self, transform: "torchio.Transform") -> None:
        self._transform = transform

    def __call__(self, image: "Tensor") -> "Tensor":
        changed: Tensor = self._transform(image)
        before, after = (values.amax(dim=(1, 2, 3), keepdim=True) for values in (image, changed))
        return changed * before / after.clamp(min=1e-6)


class Blur(Augmentation):
    """Blurs with a Gaussian.

    Example:
        >>> import torch
        >>> transform = Blur().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    positional = "std"

    std: RangePerAxis = (0.0, 1.0)
    """Standard deviation of the Gaussian along each axis, voxels."""

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return TorchIO's ``RandomBlur``."""
        import torchio

        return torchio.RandomBlur(self.std)


class Noise(Augmentation):
    """Adds Gaussian noise, in units of the range [-1, 1] in which models see images.

    Example:
        >>> import torch
        >>> transform = Noise().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    mean: Range = 0.0
    """Mean of the noise."""
    std: Range = (0.0, 0.25)
    """Standard deviation of the noise."""

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return a transform that draws mean, standard deviation and noise."""
        import torchio

        return torchio.Lambda(_AddNoise(self.mean, self.std, relative=False))


class NoiseVar(Augmentation):
    """Adds Gaussian noise that is as strong as the image is varied.

    Example:
        >>> import torch
        >>> transform = NoiseVar().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    mean: Range = 0.0
    """Mean of the noise, in units of the range [-1, 1]."""
    std: Range = 0.015
    """Standard deviation of the noise as a share of each channel's own."""

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return a transform that draws mean, standard deviation and noise."""
        import torchio

        return torchio.Lambda(_AddNoise(self.mean, self.std, relative=True))


class _AddNoise:
    """Noise drawn here, because TorchIO's reseeds the generators of GPUs as well."""

    def __init__(self, mean: Range, std: Range, *, relative: bool) -> None:
        self._mean = mean if isinstance(mean, tuple) else (-mean, mean)
        self._std = std if isinstance(std, tuple) else (0.0, std)
        self._relative = relative

    def __call__(self, image: "Tensor") -> "Tensor":
        import torch

        half = 0.5  # [0, 1] is half as wide as [-1, 1]
        mean = torch.empty(()).uniform_(*self._mean) * half
        std = torch.empty(()).uniform_(*self._std)
        unit = image.std(dim=(1, 2, 3), keepdim=True) if self._relative else half
        return image + mean + std * unit * torch.randn_like(image)


class Gamma(Augmentation):
    """Changes the contrast: raises intensities to a power from 0.74 to 1.35; black and white stay.

    Example:
        >>> import torch
        >>> transform = Gamma().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return TorchIO's ``RandomGamma``."""
        import torchio

        return torchio.RandomGamma()
