"""How images are sampled: each option is declared once, for the YAML, the command line and Python."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from gandlf_synth.config.registered_name import RegisteredName
from gandlf_synth.config.section import Section


class SamplingOptions(Section):
    """How a model samples; None takes the model's own default. A family ignores what it has no use for.

    >>> SamplingOptions(sampler="ddim", num_inference_steps=25)  # doctest: +ELLIPSIS
    SamplingOptions(sampler='ddim', num_inference_steps=25, guidance_scale=None, precision=None, ...)
    """

    model_config = ConfigDict(frozen=True)

    sampler: Annotated[str, RegisteredName("samplers")] | None = None
    """Sampler of a diffusion model, such as ddim, dpmpp_2m, unipc, heun or ddpm; absent: the model's default."""
    num_inference_steps: int | None = Field(None, ge=1)
    """Denoising steps of a diffusion model, or passes of a masked prior; absent: the model's default."""
    guidance_scale: float | None = Field(None, ge=0)
    """Strength of classifier-free guidance; 1 is the conditional model itself; absent: the model's default."""
    precision: Literal["32-true", "bf16-mixed"] | None = None
    """Number format of sampling; absent: 32-true. ``bf16-mixed`` is faster with large images on a GPU; an image then
    depends a little on the device and on the others of its batch."""
    overlap: float | None = Field(None, ge=0, lt=1)
    """Share of a window that the next one covers too, where an image is larger than what the model was trained on;
    absent: 0.5."""
    jump_length: int | None = Field(None, ge=1)
    """Inpainting with a model that was not trained for it: steps that are gone again together; absent: a tenth."""
    jump_n_sample: int | None = Field(None, ge=1)
    """Inpainting with a model that was not trained for it: how often these steps are gone; absent: 5. More fits the
    new better to the known, in as many times the time."""


class InferenceParameters(SamplingOptions):
    """How synthetic images are made."""

    batch_size: int = Field(1, ge=1)
    """Images sampled together; it changes speed and memory, not the images."""
    n_samples: int = Field(1, ge=1)
    """Images of each row where they are made from the rows of a CSV; with several, also maps of their mean and
    standard deviation."""
    average: int = Field(1, ge=1)
    """How many draws are averaged into each image that is made from a row: more is smoother and nearer to the truth on
    average."""
    n_images_to_generate: int | dict[str, int] = 16
    """How many images: a number, shared out evenly among the classes, or a number per class (name or label)."""
    output_format: Annotated[str, RegisteredName("writers", others=("auto", "store"))] = "auto"
    """File format, by the name of its writer; ``auto``: NIfTI for radiology, TIFF for histopathology; ``store``: few
    large files with one index, for very many images."""


class SampleMetricsConfig(SamplingOptions):
    """Samples compared with validation images during training."""

    every_n_epochs: int = Field(10, ge=1)
    """Epochs between measurements; the last epoch is always measured."""
    n_images: int = Field(64, ge=8)
    """Samples of a measurement, and at most so many validation images."""
    batch_size: int = Field(16, ge=1)
    """Images sampled together."""
    extractor: str = "efficientnet-lite0"
    """What turns images into features: a name, or a TorchScript file."""
    extractor_weights: str | None = None
    """File of weights, for extractors that bring none."""
    choose_best: bool = True
    """Keep as the best checkpoint the one with the lowest ``sample_kid``, and not the one with the lowest loss."""
