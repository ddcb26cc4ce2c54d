"""The folder that an export makes, and what goes into it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.exporting.bundle import write_bundle
from gandlf_synth.exporting.card import model_card
from gandlf_synth.exporting.networks import write_onnx, write_torchscript
from gandlf_synth.files import file_name, new_folder, write_text
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.checkpoint import write_safetensors

ExportFormat = Literal["safetensors", "bundle", "torchscript", "onnx"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)


def export_package(
    module: GenerativeModule, model_dir: Path, folder: Path, formats: Sequence[ExportFormat]
) -> list[Path]:
    """Write ``module`` in every one of ``formats`` with a model card, and return the files.

    ``weights.safetensors`` holds weights, configuration and data facts; it is what ``-ckpt-path`` takes.

    Args:
        module: the trained model.
        model_dir: its folder, for the card.
        folder: where to write; new or empty.
        formats: which forms.

    Raises:
        ConfigError: the folder is not empty, or the family has no network that can stand alone.
        MissingExtraError: ONNX is asked for and its packages are not installed.
        ResourceError: the disk is full or the folder cannot be written; nothing is left of it.
    """
    with new_folder(folder, "output folder") as temporary:
        written = _write_all(module, model_dir, temporary, formats)
    return [folder / path.relative_to(temporary) for path in written]


def _write_all(module: GenerativeModule, model_dir: Path, folder: Path, formats: Sequence[ExportFormat]) -> list[Path]:
    networks = module.export_networks()
    if {"torchscript", "onnx"} & set(formats) and not networks:
        what = f"{module.config.model_name!r} has no network that can be used without this program"
        raise ConfigError(Problem(option("formats"), what, "safetensors, bundle"))
    written = [folder / "weights.safetensors", folder / "README.md"]
    write_safetensors(module, written[0])
    write_text(written[1], model_card(module, model_dir))
    if "bundle" in formats:
        written += write_bundle(module, folder)
    if "torchscript" in formats:
        written += [write_torchscript(part, folder / f"{file_name(name)}.pt") for name, part in networks.items()]
    if "onnx" in formats:
        written += [write_onnx(part, folder / f"{file_name(name)}.onnx") for name, part in networks.items()]
    return written
