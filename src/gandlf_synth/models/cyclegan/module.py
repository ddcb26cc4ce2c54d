"""Training and translation of ``cyclegan`` (Zhu et al. 2017, arXiv 1703.10593)."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from gandlf_synth.config import SamplingOptions, resolved
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.models.base import ExportedNetwork
from gandlf_synth.models.components.energy_distance import EnergyDistance
from gandlf_synth.models.components.gan import in_fast_layout
from gandlf_synth.models.components.image_pool import ImagePool
from gandlf_synth.models.components.multi_optimizer import MultiOptimizerModule
from gandlf_synth.models.components.patch_adversary import PatchAdversary
from gandlf_synth.models.components.shape_loss import ShapeLoss
from gandlf_synth.models.components.translation import build_translator, translate
from gandlf_synth.models.components.yaml_keys import name_yaml_keys
from gandlf_synth.models.cyclegan.config import CycleGANConfig
from gandlf_synth.networks.patch_discriminator import build_patch_discriminator

_SOURCE = "image"
"""The part of the condition that is translated."""
_SIDES = ("target", "source")
_POOLS = "image_pools"
"""Where a checkpoint of a training keeps the images of the pools."""
_NEEDS_SOURCES = "add conditioning: [image] for the columns Source_0, Source_1 …"


class _Turn(nn.Module):
    """Passes through several networks as one, which a GPU can record as a whole.

    Args:
        networks: that the passes go through.
        call: what is computed.
    """

    def __init__(self, networks: Sequence[nn.Module], call: Callable[..., Tensor | tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._call = call

    def forward(self, *inputs: Tensor) -> Any:
        """Return what ``call`` makes of tensors."""
        return self._call(*inputs)


class CycleGAN(MultiOptimizerModule[CycleGANConfig]):
    """Two generators, from source to target and back, and a discriminator of patches on either side.

    ``val_loss`` is the energy distance between translations and targets of the split, since rows are no pairs.
    """

    def __init__(self, config: CycleGANConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        part = _source_part(spec.parts)
        self.source_channels = _count_source_channels(part)
        architecture, dims = resolved(config.architecture), spec.spatial_dims
        self.generators = nn.ModuleDict(
            {
                "to_target": build_translator(architecture, dims, part.width, spec.num_channels),
                "to_source": build_translator(architecture, dims, spec.num_channels, self.source_channels),
            }
        )
        channels = dict(zip(_SIDES, (spec.num_channels, self.source_channels), strict=True))
        self.adversaries = nn.ModuleDict({side: _build_adversary(config, spec, channels[side]) for side in _SIDES})
        self.pools = nn.ModuleDict(
            {side: ImagePool(config.pool_size, (count, *spec.shape)) for side, count in channels.items()}
        )
        self.criterion = self.build_loss("generator")
        self.shape_loss = ShapeLoss(config.shape_loss, dims)
        self._distance = EnergyDistance()
        # In a tuple, since their networks are parts of this module already.
        self._turns = (
            _Turn([self.generators, self.adversaries], self._pass_generators),
            _Turn([self.adversaries], self._pass_discriminators),
        )

    def network(self, name: str) -> nn.Module:
        """Return both generators, or both discriminators."""
        return self.generators if name == "generator" else self.adversaries

    def networks_to_compile(self) -> Sequence[nn.Module]:
        """Return the four networks."""
        discriminators = [self._adversary(side).discriminator for side in self.adversaries]
        return [*self.generators.values(), *discriminators]

    def networks_to_shard(self) -> Sequence[nn.Module]:
        """Return the four networks."""
        return self.networks_to_compile()

    def networks_for_graphs(self) -> Sequence[nn.Module]:
        """Return the passes of either turn, which go through each network several times."""
        return self._turns

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Take a step of both generators, then one of both discriminators on what they made."""
        given, target = batch["condition"][_SOURCE], batch["image"]
        source = given[:, : self.source_channels]
        of_generators, of_discriminators = self._turns
        with self.freeze_others("generator"):
            losses, *fakes = of_generators(given, target)
            generator_loss = self.update("generator", losses.sum(), batch_idx)
        with self.freeze_others("discriminator"):
            pooled = [self._pool(side).exchange(fake) for side, fake in zip(_SIDES, fakes, strict=True)]
            discriminator_loss = of_discriminators(target, source, *pooled)
            discriminator_loss = self.update("discriminator", discriminator_loss, batch_idx)
        values = {f"train_{term}_loss": loss for term, loss in zip(self.terms, losses.detach(), strict=True)}
        values |= {"train_generator_loss": generator_loss, "train_discriminator_loss": discriminator_loss}
        self.log_dict(values, batch_size=len(target), on_step=False, on_epoch=True)

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms of the generators' loss, in the order in which they are computed."""
        config = self.config
        identity = config.identity_weight and self.source_channels == self.spec.num_channels
        used = {"identity": identity, "shape": config.shape_weight}
        return ("adversarial", "cycle", *(term for term, weight in used.items() if weight))

    def _pass_generators(self, given: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the weighted losses of ``terms`` (1703.10593, eq. 3 and section 5.2), and the translations.

        What a generator makes of either side goes through it at once: half as many passes wait for each other.
        """
        config, source = self.config, given[:, : self.source_channels]
        losses = {}
        if "identity" in self.terms:
            to_target, same_target = self._to_target(torch.cat([given, self._in_place_of_source(given, target)])).chunk(
                2
            )
            to_source, same_source = self._to_source(torch.cat([target, source])).chunk(2)
            same = self._error(same_target, target) + self._error(same_source, source)
            losses["identity"] = config.cycle_weight * config.identity_weight * same
        else:
            to_target, to_source = self._to_target(given), self._to_source(target)
        penalties = self._adversary("target").penalty(to_target), self._adversary("source").penalty(to_source)
        losses["adversarial"] = torch.stack(penalties).sum()
        back = self._to_source(to_target), self._to_target(self._in_place_of_source(given, to_source))
        losses["cycle"] = config.cycle_weight * (self._error(back[0], source) + self._error(back[1], target))
        if "shape" in self.terms:
            difference = self.shape_loss(to_target, source) + self.shape_loss(to_source, target)
            losses["shape"] = config.shape_weight * difference
        return torch.stack([losses[term] for term in self.terms]), to_target.detach(), to_source.detach()

    def _pass_discriminators(self, target: Tensor, source: Tensor, to_target: Tensor, to_source: Tensor) -> Tensor:
        """Return the loss of both discriminators, a scalar."""
        pairs = {"target": (target, to_target), "source": (source, to_source)}
        return torch.stack([self._adversary(side).discriminator_loss(*pair) for side, pair in pairs.items()]).mean()

    def _to_target(self, given: Tensor) -> Tensor:
        images: Tensor = self.generators["to_target"](in_fast_layout(given))
        return images

    def _to_source(self, target: Tensor) -> Tensor:
        images: Tensor = self.generators["to_source"](in_fast_layout(target))
        return images

    def _in_place_of_source(self, given: Tensor, images: Tensor) -> Tensor:
        """Return ``given`` with ``images`` as its sources, all of which are there."""
        return torch.cat([images, torch.ones_like(given[:, self.source_channels :])], 1)

    def _error(self, output: Tensor, images: Tensor) -> Tensor:
        error: Tensor = self.criterion(output, images).mean()
        return error

    def _adversary(self, side: str) -> PatchAdversary:
        return cast("PatchAdversary", self.adversaries[side])

    def _pool(self, side: str) -> ImagePool:
        return cast("ImagePool", self.pools[side])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the pools for a training that goes on; the model's weights are complete without them."""
        checkpoint[_POOLS] = {side: self._pool(side).kept.clone() for side in self.pools}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the pools of the training."""
        for side, kept in checkpoint.get(_POOLS, {}).items():
            self._pool(side).restore(kept)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Set translations beside the targets of the batch."""
        self._compare(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Set translations beside the targets of the batch."""
        self._compare(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the energy distance on the validation split."""
        self.log("val_loss", self._distance.compute(), sync_dist=True)

    def on_test_epoch_end(self) -> None:
        """Log the energy distance on the test split."""
        self.log("test_loss", self._distance.compute(), sync_dist=True)

    def _compare(self, batch: Batch) -> None:
        self._distance.update(batch["image"], self._to_target(batch["condition"][_SOURCE]).clamp(-1, 1))

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return the translation of each source, of its size; seeds change nothing. See ``GenerativeModule.sample``.

        Raises:
            ConfigError: there is nothing to translate.
        """
        if _SOURCE not in condition:
            what = "cyclegan translates images, and it was given none"
            raise ConfigError(Problem("condition", what, fix="give the rows of a CSV with Source_0 …"))
        return translate(self._to_target, condition[_SOURCE], self.spec.shape, options)

    def export_networks(self) -> dict[str, ExportedNetwork]:
        """Return both generators; ``to_target`` takes the sources and, after them, ones: they are known."""
        given = torch.randn(2, _source_part(self.spec.parts).width, *self.spec.shape)
        target = torch.randn(2, self.spec.num_channels, *self.spec.shape)
        inputs = {"to_target": given, "to_source": target}
        return {name: ExportedNetwork(self.generators[name].eval(), (inputs[name],)) for name in inputs}


def _source_part(parts: Sequence[ConditionPart]) -> ConditionPart:
    """Return the part of the condition that is translated.

    Raises:
        ConfigError: there is none, or something besides it.
    """
    others = [part.name for part in parts if part.name != _SOURCE and part.kind != "class"]
    if others:
        what = f"has {', '.join(others)}, and cyclegan translates images only"
        raise ConfigError(Problem("model_config.conditioning", what, "[image]"))
    sources = [part for part in parts if part.name == _SOURCE]
    if not sources:
        what = "cyclegan translates images, and nothing says which"
        raise ConfigError(Problem("model_config.conditioning", what, fix=_NEEDS_SOURCES))
    return sources[0]


def _count_source_channels(part: ConditionPart) -> int:
    """Return the channels of the sources, without those that say which of them are there."""
    per_column = part.facts.get("channels")
    if not isinstance(per_column, list):
        return part.size
    return sum(count for count in per_column if isinstance(count, int))


def _build_adversary(config: CycleGANConfig, spec: DataSpec, channels: int) -> PatchAdversary:
    architecture = resolved(config.architecture)
    with name_yaml_keys({"num_layers": "model_config.architecture.discriminator_num_layers"}):
        discriminator = build_patch_discriminator(
            shape=spec.shape, channels=channels, init_channels=architecture.discriminator_channels,
            num_layers=architecture.discriminator_num_layers,
        )  # fmt: skip
    return PatchAdversary(discriminator, 1.0, config.adversarial_loss)
