"""The folder that an export makes, and what goes into it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from gandlf_synth.config import LoadedConfig
from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.exporting.bundle import write_bundle
from gandlf_synth.exporting.card import model_card
from gandlf_synth.exporting.description import exported_config, run_record
from gandlf_synth.exporting.figures import find_figures
from gandlf_synth.exporting.networks import write_onnx, write_torchscript
from gandlf_synth.files import file_name, new_folder, read_json, write_json, write_text
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.checkpoint import weights_digest, write_safetensors

ExportFormat = Literal["safetensors", "bundle", "torchscript", "onnx"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)


def export_package(
    module: GenerativeModule,
    model_dir: Path,
    folder: Path,
    formats: Sequence[ExportFormat],
    *,
    loaded: LoadedConfig | None = None,
    license_given: str = "",
    evaluation: Path | None = None,
) -> list[Path]:
    """Write ``module`` as a folder for others, such as the Hugging Face Hub, and return the files.

    ``model.safetensors`` holds weights, model and data facts, ``config.json`` how images are made, ``README.md`` the
    model card; the folder is a model folder for ``generate``, ``reconstruct`` and ``evaluate``.

    Args:
        module: the trained model.
        model_dir: its folder, for its run record and evaluation.
        folder: where to write; new or empty.
        formats: which further forms.
        loaded: the configuration that it was trained with.
        license_given: under which it is handed on; empty: that of the model it started from.
        evaluation: what ``evaluate`` wrote; None: the newest in the model folder that is of this model.

    Raises:
        ConfigError: the folder is not empty, the evaluation is of another model, or the family has no network that can
            stand alone.
        DataError: run record or evaluation cannot be read.
        MissingExtraError: ONNX is asked for and its packages are not installed.
        ResourceError: the disk is full or the folder cannot be written; nothing is left of it.
    """
    record = run_record(ModelFolder(model_dir).record, module)
    figures = find_figures(model_dir, evaluation, weights_digest(module.state_dict()), record)
    with new_folder(folder, "output folder") as temporary:
        place = ModelFolder(temporary)
        write_safetensors(module, place.exported)
        write_json(place.exported_config, exported_config(module, loaded))
        write_text(temporary / "README.md", model_card(module, record, figures, license_given))
        written = [place.exported, place.exported_config, temporary / "README.md"]
        sampling = ModelFolder(model_dir).sampling
        kept = {
            place.record: record if "seed" in record else {},
            place.sampling: read_json(sampling) if sampling.is_file() else {},
        }
        for path, content in kept.items():
            if content:
                write_json(path, content)
                written.append(path)
        written += _write_forms(module, temporary, formats)
    return [folder / path.relative_to(temporary) for path in written]


def _write_forms(module: GenerativeModule, folder: Path, formats: Sequence[ExportFormat]) -> list[Path]:
    networks = module.export_networks()
    if {"torchscript", "onnx"} & set(formats) and not networks:
        what = f"{module.config.model_name!r} has no network that can be used without this program"
        raise ConfigError(Problem(option("formats"), what, "safetensors, bundle"))
    written: list[Path] = []
    if "bundle" in formats:
        written += write_bundle(module, folder)
    if "torchscript" in formats:
        written += [write_torchscript(part, folder / f"{file_name(name)}.pt") for name, part in networks.items()]
    if "onnx" in formats:
        written += [write_onnx(part, folder / f"{file_name(name)}.onnx") for name, part in networks.items()]
    return written
