"""What a researcher would otherwise assemble, with the settings of its tutorials, in one plain training loop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.quality.result import Trained
from benchmarks.quality.tasks import Task

_TIMESTEPS = 1000
Forward = Callable[[nn.Module, Tensor, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Recipe:
    """A network with its schedule and optimizer.

    Args:
        network: makes it for (spatial dimensions, classes).
        forward: (network, noisy, timesteps, labels) → predicted noise.
        scheduler: makes the noise schedule; ``add_noise``, ``set_timesteps`` and ``step`` are used.
        lr: of Adam or AdamW.
        weight_decay: 0: Adam.
        warm_up: steps of linear warm-up before a cosine decay; 0: a constant rate.
        clip: largest norm of the gradients.
    """

    network: Callable[[int, int], nn.Module]
    forward: Forward
    scheduler: Callable[[], Any]
    lr: float
    weight_decay: float = 0.0
    warm_up: int = 0
    clip: float | None = None


def train(recipe: Recipe, task: Task, seconds: float, seed: int, *, ancestral_steps: int, batch: int) -> Trained:
    """Train ``recipe`` on ``task`` for ``seconds`` with noise prediction, in 32 bits as the tutorials do."""
    torch.manual_seed(seed)
    images = task.tensors(task.train)
    labels = torch.tensor(task.labels) if task.labels else None
    network = recipe.network(len(task.shape), max(task.labels) + 1 if task.labels else 0)
    scheduler = recipe.scheduler()
    kind = torch.optim.AdamW if recipe.weight_decay else torch.optim.Adam
    optimizer = kind(network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    started, steps = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        for places in torch.randperm(len(images)).split(batch):
            elapsed = time.monotonic() - started
            if elapsed >= seconds or len(places) < batch:
                break
            _set_rate(optimizer, recipe, steps, elapsed / seconds)
            clean, noise = images[places], torch.randn_like(images[places])
            timesteps = torch.randint(0, _TIMESTEPS, (batch,))
            noisy = scheduler.add_noise(clean, noise, timesteps)
            output = recipe.forward(network, noisy, timesteps, None if labels is None else labels[places])
            loss = functional.mse_loss(output, noise)
            optimizer.zero_grad()
            loss.backward()
            if recipe.clip:
                nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
            optimizer.step()
            steps += 1
    network.eval()
    # MONAI's scheduler steps by one timestep however many lie between; both libraries' default betas are the same.
    sampling = _diffusers_schedule()

    @torch.inference_mode()
    def sample(count: int, batch: int, labels: Tensor | None) -> Tensor:
        torch.manual_seed(seed + 1)
        parts = []
        for start in range(0, count, batch):
            own = None if labels is None else labels[start : start + batch]
            noisy = torch.randn(min(batch, count - start), 1, *task.shape)
            sampling.set_timesteps(ancestral_steps)
            for timestep in sampling.timesteps:
                when = torch.full((len(noisy),), int(timestep))
                output = recipe.forward(network, noisy, when, own)
                noisy = sampling.step(output, int(timestep), noisy).prev_sample
            parts.append(noisy.clamp(-1, 1))
        return torch.cat(parts)

    parameters = sum(each.numel() for each in network.parameters())
    return Trained(sample, steps, parameters, f"{ancestral_steps} ancestral steps")


def _set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, step: int, progress: float) -> None:
    if not recipe.warm_up:
        return
    factor = min(1.0, (step + 1) / recipe.warm_up) * float(0.5 * (1 + torch.cos(torch.tensor(torch.pi * progress))))
    for group in optimizer.param_groups:
        group["lr"] = recipe.lr * factor


def _monai_forward(network: nn.Module, noisy: Tensor, timesteps: Tensor, labels: Tensor | None) -> Tensor:
    return network(noisy, timesteps, class_labels=labels)


def _diffusers_forward(network: nn.Module, noisy: Tensor, timesteps: Tensor, labels: Tensor | None) -> Tensor:
    return network(noisy, timesteps, class_labels=labels).sample


def _monai_network(**architecture: Any) -> Callable[[int, int], nn.Module]:
    def make(spatial_dims: int, classes: int) -> nn.Module:
        from monai.networks.nets import DiffusionModelUNet

        return DiffusionModelUNet(
            spatial_dims=spatial_dims, in_channels=1, out_channels=1, num_class_embeds=classes or None, **architecture
        )

    return make


def _monai_schedule(**options: Any) -> Any:
    from monai.networks.schedulers import DDPMScheduler

    return DDPMScheduler(num_train_timesteps=_TIMESTEPS, **options)


def _diffusers_network(_: int, classes: int) -> nn.Module:
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=32,
        in_channels=1,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=(128, 128, 256, 256, 512, 512),
        down_block_types=("DownBlock2D",) * 4 + ("AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D") + ("UpBlock2D",) * 4,
        num_class_embeds=classes or None,
    )


def _diffusers_schedule() -> Any:
    from diffusers import DDPMScheduler

    return DDPMScheduler(num_train_timesteps=_TIMESTEPS)


RIVALS = {
    # MONAI tutorials, generation/2d_ddpm and 3d_ddpm.
    "monai_tutorial": Recipe(
        _monai_network(
            channels=(128, 256, 256), attention_levels=(False, True, True), num_res_blocks=1, num_head_channels=256
        ),
        _monai_forward,
        _monai_schedule,
        lr=2.5e-5,
    ),
    # diffusers, "Train a diffusion model" of its documentation and its unconditional example.
    "diffusers_example": Recipe(
        _diffusers_network, _diffusers_forward, _diffusers_schedule, lr=1e-4, weight_decay=0.01, warm_up=500, clip=1.0
    ),
    # The existing GaNDLF-Synth's default ddpm.
    "existing_gandlf_synth": Recipe(
        _monai_network(
            channels=(32, 64, 64, 64), attention_levels=(False, False, True, True), num_res_blocks=2,
            norm_num_groups=32, num_head_channels=8,
        ),
        _monai_forward,
        _monai_schedule,
        lr=1e-4,
    ),
}  # fmt: skip
