"""Going on with an earlier run: another model than the one that was trained is refused."""

from pathlib import Path

from gandlf_synth.config import ModelConfig
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import CheckpointError, Problem, raise_if_any

_MAY_CHANGE = {
    "losses", "optimizers", "schedulers", "gradient_clip_val", "gradient_clip_algorithm", "accumulate_grad_batches",
    "save_eval_images_every_n_epochs", "n_fixed_images_to_generate", "fixed_images_batch_size",
    "fixed_latent_vector_seed", "ema_decay",
}  # fmt: skip


def check_same_model(checkpoint: Path, model: ModelConfig, spec: DataSpec) -> None:
    """Refuse to resume when the configuration or the data would make another model.

    Raises:
        CheckpointError: every difference.
    """
    from gandlf_synth.models.checkpoint import checkpoint_description, read_checkpoint

    saved_model, saved_spec = checkpoint_description(read_checkpoint(checkpoint))
    where, problems = str(checkpoint), []
    now = model.model_dump(mode="json")
    for key in sorted(set(saved_model) | set(now)):
        if key not in _MAY_CHANGE and saved_model.get(key) != now.get(key):
            what = f"was trained with model_config.{key} = {saved_model.get(key)}, which is now {now.get(key)}"
            problems.append(Problem(where, what, fix="restore it, or train a new model in another folder"))
    for key in ("spatial_dims", "num_channels", "shape", "labels", "class_names"):
        before, after = getattr(saved_spec, key), getattr(spec, key)
        if before != after:
            what = f"was trained on data with {key} = {before}, which is now {after}"
            problems.append(Problem(where, what, fix="resume with the data that the run began with"))
    raise_if_any(problems, CheckpointError)
