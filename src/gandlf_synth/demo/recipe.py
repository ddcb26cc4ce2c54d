"""The demo's configuration, sized for minutes on a laptop's processor."""

_SIZES = {2: [32, 32], 3: [24, 24, 24]}
_CHANNELS = {2: [32, 64, 96], 3: [16, 32, 64]}
_BATCH = {2: 16, 3: 4}


def recipe(dimensions: int, *, own_data: bool) -> str:
    """Return the YAML as a user would write it.

    Args:
        dimensions: of the built-in data.
        own_data: leave the size to be chosen from the user's images.
    """
    size = "" if own_data else f"  tensor_shape: {_SIZES[dimensions]}\n"
    return f"""\
# A class-conditional diffusion model, small enough to learn something in minutes on two cores.
model_config:
  model_name: ddpm
{size}  architecture:
    num_channels: {_CHANNELS[dimensions]}
    attention_levels: [false, false, true]
    num_res_blocks: 1
    num_head_channels: 32
    norm_num_groups: 16
  optimizers: {{name: adamw, lr: 1e-3}}
  gradient_clip_val: 1.0
  guidance_scale: 1.5
  save_eval_images_every_n_epochs: {20 if dimensions == 2 else -1}
num_epochs: 10000        # the clock ends the training first
batch_size: {_BATCH[dimensions]}
"""
