"""The averages of the weights that a checkpoint holds beside the usual one, and the one that is used of them."""

from pathlib import Path
from typing import Any, cast

import torch

from gandlf_synth.errors import CheckpointError, Problem, listing
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.checkpoint import HEADER_KEY, CheckpointContent, module_of, read_checkpoint, weights_file

AVERAGES_KEY = "averages"
"""Where a checkpoint has them: tensors by name, by the name of the width."""


def width_name(width: float) -> str:
    """Return what an average of a width is called.

    Example:
        >>> width_name(0.10)
        '0.1'
    """
    return f"{width:g}"


def stored_widths(checkpoint: Path) -> list[float]:
    """Return the widths of the averages in a checkpoint besides the usual one.

    Raises:
        CheckpointError: see ``read_checkpoint``.
    """
    content: Any = read_checkpoint(checkpoint, with_weights=False)
    return sorted(map(float, content.get(AVERAGES_KEY, {})))


def content_with_average(checkpoint: Path, width: float | None) -> CheckpointContent:
    """Return header and weights of a checkpoint, with its average of ``width`` unless that is None.

    Raises:
        CheckpointError: it holds no such average; or see ``read_checkpoint``.
    """
    content: Any = read_checkpoint(checkpoint, parts=("state_dict", AVERAGES_KEY))
    header, weights, averages = content[HEADER_KEY], content["state_dict"], content.get(AVERAGES_KEY, {})
    if width is not None and width_name(width) not in averages:
        fix = "" if averages else "train with model_config.ema_widths, which keeps further averages"
        what = f"holds no average of width {width_name(width)}"
        raise CheckpointError(Problem(str(checkpoint), what, listing(averages) if averages else "", fix))
    if width is not None:
        header, weights = {**header, "ema_width": width}, {**weights, **averages[width_name(width)]}
    rest = {key: content[key] for key in ("global_step", "epoch") if key in content}
    return cast("CheckpointContent", {HEADER_KEY: header, "state_dict": weights, **rest})


def load_average(checkpoint: Path, width: float) -> GenerativeModule:
    """Return the trained model in a checkpoint with its average of ``width``, ready to sample.

    Raises:
        CheckpointError: it holds no such average; or see ``load_module``.
    """
    return module_of(content_with_average(checkpoint, width), str(checkpoint))


def write_average(checkpoint: Path, width: float | None, path: Path) -> None:
    """Write a checkpoint to ``path`` that has an average of another one, and nothing of the state of its training.

    Args:
        checkpoint: the other one.
        width: of the average; None: the usual one.
        path: where it is written.

    Raises:
        CheckpointError: it holds no such average.
        ResourceError: the disk is full or the folder cannot be written.
    """
    content = content_with_average(checkpoint, width)
    with weights_file(path) as temporary:
        torch.save(content, temporary)
