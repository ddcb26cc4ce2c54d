"""What a configuration says of the data and the data does not bear out."""

from collections.abc import Iterator
from dataclasses import dataclass

from gandlf_synth import registry
from gandlf_synth.config import Config, LoadedConfig, ModelConfig
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.processing.pipeline import final_shape
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.errors import Problem


def contradictions(loaded: LoadedConfig, data: Fingerprint, train: Manifest) -> list[Problem]:
    """Return everything that the configuration says of the data and that is not so."""
    config, model = loaded.config, loaded.config.model
    claims = [*_dimensions(model, data), *_channels(model, data), *_shapes(config, data), *_labels(model, train)]
    where = loaded.document.where
    problems = [Problem(where(claim.key), f"says {claim.written}, but {claim.fact}", fix=claim.fix) for claim in claims]
    return [*_needs_all_weights(loaded), *problems, *_without_pairs(loaded, train)]


@dataclass(frozen=True)
class _WrongClaim:
    key: tuple[str, ...]
    written: object
    fact: str
    fix: str = "correct it or leave it out: it is taken from the data"


def _needs_all_weights(loaded: LoadedConfig) -> list[Problem]:
    """Return what is written and needs the weights in one place, though the strategy shares them out."""
    config, model, strategy = loaded.config, loaded.config.model, loaded.config.compute.strategy
    if strategy != "deepspeed":
        return []
    needs = {
        ("model_config", "ema_decay"): "ema_decay" in model.model_fields_set and model.ema_decay > 0,
        ("model_config", "ema_widths"): bool(model.ema_widths),
        ("model_config", "save_eval_images_every_n_epochs"): model.save_eval_images_every_n_epochs not in ("auto", -1),
        ("sample_metrics_config",): config.sample_metrics_config is not None,
    }
    what = f"needs all weights in one process, and compute.strategy: {strategy} shares them out"
    fix = "leave it out, or use strategy: ddp"
    return [Problem(loaded.document.where(key), what, fix=fix) for key, is_written in needs.items() if is_written]


def _without_pairs(loaded: LoadedConfig, train: Manifest) -> list[Problem]:
    """Return that a model is to learn an image from the source beside it, and no row has both."""
    model = loaded.config.model
    if model.compares_sides or all(step.name.lower() != "image" for step in model.conditioning):
        return []
    held = train.presence
    if not held.sources.any() or (held.sources & held.targets).any():
        return []
    what = f"makes an image from the source beside it, and no row of {train.path} has both Channel_0 and a source"
    fix = "put the images of one subject into one row, or use model_name: cyclegan, which learns without pairs"
    return [Problem(loaded.document.where(("model_config", "conditioning")), what, fix=fix)]


def _dimensions(model: ModelConfig, data: Fingerprint) -> Iterator[_WrongClaim]:
    fact = f"the images have {data.spatial_dims} dimensions"
    if model.n_dimensions not in ("auto", data.spatial_dims):
        yield _WrongClaim(("model_config", "n_dimensions"), model.n_dimensions, fact)
    elif data.spatial_dims not in registry.load("models", model.model_name).spatial_dims:
        yield _WrongClaim(("model_config", "model_name"), model.model_name, f"{fact}, which it is not made for")


def _channels(model: ModelConfig, data: Fingerprint) -> Iterator[_WrongClaim]:
    if model.n_channels not in ("auto", data.num_channels):
        columns = f"{len(data.column_channels)} CSV columns of {', '.join(map(str, data.column_channels))} channels"
        yield _WrongClaim(
            ("model_config", "n_channels"), model.n_channels, f"the data has {data.num_channels} ({columns})"
        )


def _shapes(config: Config, data: Fingerprint) -> Iterator[_WrongClaim]:
    shape, fact = config.model.tensor_shape, f"the images have {data.spatial_dims} dimensions"
    if shape != "auto" and len(shape) != data.spatial_dims:
        yield _WrongClaim(("model_config", "tensor_shape"), shape, fact)
    final = final_shape(config.data_preprocessing.train or [])
    if not final or config.patch_sampler is not None or config.model.required_shape(data.spatial_dims) is not None:
        return
    if shape == "auto" and len(final) != data.spatial_dims:
        yield _WrongClaim(("data_preprocessing",), f"that images end with the size {final}", fact)
    elif shape not in ("auto", final):
        ends = f"data_preprocessing ends with the size {final}"
        yield _WrongClaim(("model_config", "tensor_shape"), shape, ends, "make them equal")


def _labels(model: ModelConfig, train: Manifest) -> Iterator[_WrongClaim]:
    if model.labeling_paradigm in ("patient", "custom") and not train.labels:
        fix = "add the column with construct-csv, or use unlabeled"
        yield _WrongClaim(
            ("model_config", "labeling_paradigm"), model.labeling_paradigm, f"{train.path} has no Label column", fix
        )
    embeds = getattr(model.architecture, "num_class_embeds", None)
    if embeds and model.labeling_paradigm != "unlabeled" and embeds <= len(train.labels):
        fact = f"the data has {len(train.labels)} classes, and it needs one more, for images without a class"
        yield _WrongClaim(("model_config", "architecture", "num_class_embeds"), embeds, fact, "")
