"""What families share that turn images into images: what their networks see, and images of any size."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gandlf_synth.batch_draws import draw_rand
from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import UNKNOWN_CLASS, Condition
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.models.components.first_stage import apply_in_windows
from gandlf_synth.models.components.gan import fast_layout
from gandlf_synth.models.components.translation_config import TranslatorArchitecture
from gandlf_synth.networks.residual_unet import ResidualUNet

_REGION = "region"
"""The part of the condition that is an image with a hole: its channels, the hole, and whether they are known."""
_OVERLAP = 0.5
"""Of the windows in which images larger than those of the training are made."""
_NEEDS_IMAGES = "add conditioning: [image] for the columns Source_0, Source_1 …, or mask, region or low_resolution"


def count_channels(parts: Sequence[ConditionPart]) -> int:
    """Return the channels of ``as_channels``."""
    return sum(part.size if part.kind == "class" else part.width for part in parts)


def as_channels(condition: Condition, num_classes: int = 0) -> Tensor:
    """Return everything that images are made from as channels, ``(batch, channels, *shape)``.

    Classes, one channel each, and numbers are constant over an image; a class that is not known is 0 in all of them.

    Args:
        condition: with at least one part that is an image.
        num_classes: that the model knows.

    Raises:
        ConfigError: no part is an image.

    Example:
        >>> condition = Condition({"image": torch.ones(2, 2, 4, 4), "class": torch.tensor([1, -1])})
        >>> as_channels(condition, 3)[:, :, 0, 0].tolist()
        [[1.0, 1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0]]
    """
    inputs = condition.inputs()
    if "channels" not in inputs:
        what = "the model makes images from images, and it was given none"
        raise ConfigError(Problem("condition", what, fix="give the rows of a CSV to make images from"))
    images = inputs["channels"]
    numbers = [inputs["vector"]] if "vector" in inputs else []
    if num_classes:
        unknown = torch.full((len(images),), UNKNOWN_CLASS, device=images.device)
        labels = inputs.get("class_labels", unknown)[:, None]
        numbers.insert(0, (labels == torch.arange(num_classes, device=images.device)).to(images.dtype))
    size = images.shape[2:]
    constant = [each.view(*each.shape, *(1,) * len(size)).expand(-1, -1, *size) for each in numbers]
    return torch.cat([images, *constant], 1)


def keep_known(output: Tensor, condition: Condition) -> Tensor:
    """Return ``output`` with what surrounds a region that is to be made anew as it is known.

    A network of composed images learns the region and its border, instead of how to copy what is given. Where there is
    no region, or it is hidden, ``output`` stays as it is.

    Args:
        output: ``(batch, channels, *shape)``.
        condition: what it was made from.

    Example:
        >>> region = torch.tensor([[[[0.75, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]]]])  # image, hole, known
        >>> keep_known(torch.tensor([[[[0.5, 0.25]]]]), Condition({"region": region})).tolist()
        [[[[0.75, 0.25]]]]
    """
    if _REGION not in condition:
        return output
    part, channels = condition[_REGION], output.shape[1]
    known = (part[:, channels : channels + 1] == 0) & (part[:, -1:] > 0)
    return torch.where(known, part[:, :channels].to(output.dtype), output)


def hide_parts(condition: Condition, parts: Sequence[ConditionPart]) -> Condition:
    """Return the condition of a training batch with parts hidden at random, each as often as it says.

    The only image is never hidden: nothing could be made without it.
    """
    images = [part.name for part in parts if part.kind == "channels"]
    fractions = {part.name: part.drop_fraction for part in parts if part.drop_fraction and [part.name] != images}
    present = {name: fraction for name, fraction in fractions.items() if name in condition}
    if not present:
        return condition
    hidden = {}
    for name, fraction in present.items():
        values = condition[name]
        hidden[name] = draw_rand((len(values),), values.device) < fraction
    return condition.hidden(hidden)


def build_translator(
    architecture: TranslatorArchitecture, spatial_dims: int, in_channels: int, out_channels: int
) -> ResidualUNet:
    """Return the network that ``architecture`` describes, laid out for speed."""
    network = ResidualUNet(
        spatial_dims=spatial_dims,
        in_channels=in_channels,
        out_channels=out_channels,
        init_channels=architecture.init_channels,
        blocks_down=architecture.blocks_down,
        blocks_up=architecture.decoder_blocks,
        norm_num_groups=architecture.norm_num_groups,
        dropout=architecture.dropout,
    )
    return fast_layout(network, spatial_dims)


def translate(
    network: Callable[[Tensor], Tensor], inputs: Tensor, trained_shape: Sequence[int], options: SamplingOptions
) -> Tensor:
    """Return the images that ``network`` makes of ``inputs``, in [-1, 1].

    Larger ones than those of the training are made in overlapping windows of the size of the training, blended with
    Gaussian weights: group normalization then sees fields of view like those it was trained with.

    Args:
        network: from inputs to images of the same size.
        inputs: ``(batch, channels, *shape)``, of any size.
        trained_shape: the size of the images, or patches, that it was trained on.
        options: how far windows overlap.
    """
    overlap = _OVERLAP if options.overlap is None else options.overlap
    return apply_in_windows(network, inputs, trained_shape, overlap).clamp(-1, 1)


def check_parts(parts: Sequence[ConditionPart], model_name: str) -> None:
    """Refuse a model that is given no images to make images from.

    Raises:
        ConfigError: no part of the condition is an image.
    """
    if all(part.kind != "channels" for part in parts):
        what = f"{model_name} makes images from images, and nothing says from which"
        raise ConfigError(Problem("model_config.conditioning", what, fix=_NEEDS_IMAGES))
