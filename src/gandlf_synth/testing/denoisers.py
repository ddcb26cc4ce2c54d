"""The conformance kit of denoisers: networks that diffusion and flow matching train."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gandlf_synth import registry
from gandlf_synth.models.components.denoiser_config import DenoiserArchitecture
from gandlf_synth.testing.promises import Promises, checked_step, seen_unless

_BATCH = 2
_IN_CHANNELS, _OUT_CHANNELS = 2, 3
_NUM_CLASSES, _VECTOR_SIZE, _CONDITION_CHANNELS = 3, 4, 1
_SHAPES = {2: ((13, 10), (8, 8), (7, 9)), 3: ((9, 7, 10), (8, 8, 8))}


@dataclass(frozen=True)
class _Case:
    """A denoiser and what it is called with."""

    architecture: DenoiserArchitecture
    spatial_dims: int

    def build(self, *, conditioned: bool = True) -> nn.Module:
        torch.manual_seed(0)
        conditions = (
            {"num_classes": _NUM_CLASSES, "vector_size": _VECTOR_SIZE, "condition_channels": _CONDITION_CHANNELS}
            if conditioned
            else {}
        )
        network = self.architecture.build(
            spatial_dims=self.spatial_dims, in_channels=_IN_CHANNELS, out_channels=_OUT_CHANNELS, **conditions
        )
        return _randomized(network)

    def noisy(self, shape: tuple[int, ...] | None = None) -> tuple[Tensor, Tensor]:
        rng = torch.Generator().manual_seed(1)
        shape = shape or _SHAPES[self.spatial_dims][0]
        return torch.randn(_BATCH, _IN_CHANNELS, *shape, generator=rng), torch.tensor([10, 500])

    def condition(self, shape: tuple[int, ...] | None = None) -> dict[str, Tensor]:
        shape = shape or _SHAPES[self.spatial_dims][0]
        return {
            "class_labels": torch.tensor([0, _NUM_CLASSES - 1]),
            "vector": torch.ones(_BATCH, _VECTOR_SIZE),
            "channels": torch.ones(_BATCH, _CONDITION_CHANNELS, *shape),
        }


def _randomized(network: nn.Module) -> nn.Module:
    """Replace weights that start at 0, as the last layer's often do, so that what comes in matters."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1 and not weight.any():
                nn.init.normal_(weight, std=0.1)
    return network.eval()


def check_denoiser(name: str, parameters: Mapping[str, object] | None = None) -> None:
    """Check a registered denoiser in 2D and 3D.

    Args:
        name: the registered name.
        parameters: as in the YAML, under ``model_config.architecture``, best of a small network.

    Raises:
        ConfigError: the name or a parameter is wrong.
        PluginError: every promise that the denoiser breaks.

    Example:
        >>> small = {"num_channels": [8], "attention_levels": [False], "num_res_blocks": 1, "norm_num_groups": 4}
        >>> check_denoiser("unet", small)
    """
    checked_step("denoisers", name, dict(parameters or {}))
    component: type[DenoiserArchitecture] = registry.load("denoisers", name)
    architecture = component.model_validate({"denoiser": name, **dict(parameters or {})})
    promises = Promises(f"denoisers.{name}")
    for spatial_dims in _SHAPES:
        case = _Case(architecture, spatial_dims)
        at = f"in {spatial_dims}D"
        promises.add(f"{at}, it returns 32-bit images of the size of what it gets, whatever the size", _any_size, case)
        promises.add(f"{at}, it also works without any condition", _unconditioned, case)
        promises.add(f"{at}, every parameter gets a gradient", _all_learn, case)
        promises.add(f"{at}, the timestep, the class, the vector and the channels matter", _all_matter, case)
        promises.add(f"{at}, a negative class, a vector and channels of zeros mean: not known", _unknown, case)
        promises.add(f"{at}, an image does not depend on the others of its batch", _alone, case)
        promises.add(f"{at}, it is finite under bf16 autocast, in 32 bits", _bf16, case)
        promises.add(f"{at}, its weights can be saved and loaded", _weights_round_trip, case)
    promises.check()


@torch.no_grad()
def _any_size(case: _Case) -> str:
    network = case.build()
    for shape in _SHAPES[case.spatial_dims]:
        output = network(*case.noisy(shape), **case.condition(shape))
        expected = (_BATCH, _OUT_CHANNELS, *shape)
        if tuple(output.shape) != expected or output.dtype != torch.float32 or not torch.isfinite(output).all():
            return seen_unless(False, f"{output.dtype} {tuple(output.shape)} instead of {expected}")
    return ""


@torch.no_grad()
def _unconditioned(case: _Case) -> str:
    noisy, timesteps = case.noisy()
    output = case.build(conditioned=False)(noisy, timesteps)
    return seen_unless(tuple(output.shape[2:]) == tuple(noisy.shape[2:]), tuple(output.shape))


def _all_learn(case: _Case) -> str:
    network = case.build().train()
    network(*case.noisy(), **case.condition()).square().mean().backward()
    without = [name for name, weight in network.named_parameters() if weight.requires_grad and weight.grad is None]
    return seen_unless(not without, f"none to {', '.join(without)}")


@torch.no_grad()
def _all_matter(case: _Case) -> str:
    network, (noisy, timesteps), condition = case.build(), case.noisy(), case.condition()
    output = network(noisy, timesteps, **condition)
    others = {
        "timestep": network(noisy, timesteps + 200, **condition),
        "class": network(noisy, timesteps, **condition | {"class_labels": condition["class_labels"].flip(0)}),
        "vector": network(noisy, timesteps, **condition | {"vector": -condition["vector"]}),
        "channels": network(noisy, timesteps, **condition | {"channels": -condition["channels"]}),
    }
    same = [name for name, other in others.items() if torch.equal(output, other)]
    return seen_unless(not same, f"the same images for another {', '.join(same)}")


@torch.no_grad()
def _unknown(case: _Case) -> str:
    network, (noisy, timesteps) = case.build(), case.noisy()
    unknown = {
        "class_labels": torch.full((_BATCH,), -1),
        "vector": torch.zeros(_BATCH, _VECTOR_SIZE),
        "channels": torch.zeros_like(case.condition()["channels"]),
    }
    kept = torch.allclose(network(noisy, timesteps), network(noisy, timesteps, **unknown), atol=1e-5)
    return seen_unless(kept, "other images than without them")


@torch.no_grad()
def _alone(case: _Case) -> str:
    network, (noisy, timesteps), condition = case.build(), case.noisy(), case.condition()
    together = network(noisy, timesteps, **condition)[1:]
    alone = network(noisy[1:], timesteps[1:], **{name: part[1:] for name, part in condition.items()})
    return seen_unless(torch.allclose(together, alone, atol=1e-4), "another image")


@torch.no_grad()
def _bf16(case: _Case) -> str:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = case.build()(*case.noisy(), **case.condition())
    kept = output.dtype == torch.float32 and bool(torch.isfinite(output).all())
    return seen_unless(kept, f"{output.dtype}, or numbers that are not finite")


@torch.no_grad()
def _weights_round_trip(case: _Case) -> str:
    first, second = case.build(), case.build()
    for weight in second.parameters():
        weight.zero_()
    second.load_state_dict(first.state_dict())
    inputs = (*case.noisy(), *case.condition().values())
    return seen_unless(torch.equal(first(*inputs), second(*inputs)), "other images")
