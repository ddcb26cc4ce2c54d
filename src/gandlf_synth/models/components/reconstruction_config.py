"""What families that have a right answer for every image have in their configuration: the terms of the error."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from gandlf_synth.config import ModelConfig, Stretch


class ReconstructionConfig(ModelConfig):
    """The keys that autoencoders and translators share; ``losses`` is the error per voxel, and these come on top."""

    unpaired: ClassVar[bool] = False

    structure_weight: float = Field(0.1, ge=0)
    """Weight of 1 - SSIM, which stands in for a perceptual loss where there is none."""
    gradient_weight: float = Field(0.1, ge=0)
    """Weight of the absolute error of the image gradients, which keeps edges sharp."""
    perceptual_network: str | None = None
    """The feature extractor that compares both images, such as ``efficientnet-lite0``; absent: none."""
    perceptual_weights: Path | None = None
    """The file of its weights, for those that have none of their own; nothing is downloaded."""
    perceptual_weight: float = Field(0.1, gt=0)
    """Weight of the perceptual term, where a network for it is named."""
    segmenter: Path | None = None
    """A TorchScript file of a segmenter whose maps are to agree: class scores or features; absent: none."""
    segmenter_weight: float = Field(0.1, gt=0)
    """Weight of the segmenter's term, where one is named."""
    adversarial_weight: float = Field(0.1, ge=0)
    """Weight of the verdict of a discriminator of patches, as a share of the pull of the other terms; 0: no
    discriminator is trained."""
    adversarial_start_fraction: float = Field(0.7, ge=0, le=1)
    """Share of the training, an autoencoder's own, after which the discriminator joins."""
    adversarial_loss: Literal["least_squares", "hinge", "bce"] = "least_squares"
    """What the discriminator minimizes."""

    def stretches(self) -> Sequence[Stretch]:
        """Return the time before the discriminator joins, and after."""
        start = self.adversarial_start_fraction if self.adversarial_weight else 1.0
        parts = [Stretch(start, 0.0), Stretch(1 - start, 1.0)]
        return [part for part in parts if part.share > 0]

    def plan_notes(self, num_epochs: int) -> list[str]:
        """Return what stands in for a perceptual loss, where no network for one is named."""
        if self.perceptual_network is not None:
            return []
        terms = {"SSIM": self.structure_weight, "image gradients": self.gradient_weight}
        instead = " and ".join(name for name, weight in terms.items() if weight) or "nothing"
        return [
            f"no perceptual loss, {instead} in its place; perceptual_network: efficientnet-lite0 adds one, with "
            "weights out of the extra 'features'"
        ]

    @model_validator(mode="after")
    def _weights_of_a_network(self) -> Self:
        if self.perceptual_weights is not None and self.perceptual_network is None:
            raise ValueError("perceptual_weights names a file, but perceptual_network does not say of which network")
        return self
