"""Training and translation of ``cyclegan`` (Zhu et al. 2017, arXiv 1703.10593)."""

from collections.abc import Sequence
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
_POOLS = "image_pools"
"""Where a checkpoint of a training keeps the images of the pools."""
_NEEDS_SOURCES = "add conditioning: [image] for the columns Source_0, Source_1 …"


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
        channels = {"target": spec.num_channels, "source": self.source_channels}
        self.adversaries = nn.ModuleDict({side: _build_adversary(config, spec, channels[side]) for side in channels})
        self.pools = nn.ModuleDict(
            {side: ImagePool(config.pool_size, (count, *spec.shape)) for side, count in channels.items()}
        )
        self.criterion = self.build_loss("generator")
        self.shape_loss = ShapeLoss(config.shape_loss, dims)
        self._distance = EnergyDistance()

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

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Take a step of both generators, then one of both discriminators on what they made."""
        given, target = batch["condition"][_SOURCE], batch["image"]
        source = given[:, : self.source_channels]
        fakes = {"target": self._to_target(given), "source": self._to_source(target)}
        with self.freeze_others("generator"):
            terms = self._generator_terms(given, target, fakes)
            generator_loss = self.update("generator", torch.stack(list(terms.values())).sum(), batch_idx)
        with self.freeze_others("discriminator"):
            real = {"target": target, "source": source}
            pooled = {side: self._pool(side).exchange(fakes[side].detach()) for side in real}
            losses = [self._adversary(side).discriminator_loss(real[side], pooled[side]) for side in real]
            discriminator_loss = self.update("discriminator", torch.stack(losses).mean(), batch_idx)
        values = {f"train_{name}_loss": value.detach() for name, value in terms.items()}
        values |= {"train_generator_loss": generator_loss, "train_discriminator_loss": discriminator_loss}
        self.log_dict(values, batch_size=len(target), on_step=False, on_epoch=True)

    def _generator_terms(self, given: Tensor, target: Tensor, fakes: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the terms of the generators' loss (1703.10593, eq. 3 and section 5.2), weighted, by their names."""
        config, source = self.config, given[:, : self.source_channels]
        penalties = [self._adversary(side).penalty(fakes[side]) for side in fakes]
        back = (self._to_source(fakes["target"]), self._to_target(self._in_place_of_source(given, fakes["source"])))
        terms = {
            "adversarial": torch.stack(penalties).sum(),
            "cycle": config.cycle_weight * (self._error(back[0], source) + self._error(back[1], target)),
        }
        if config.identity_weight and self.source_channels == self.spec.num_channels:
            same = self._error(self._to_target(self._in_place_of_source(given, target)), target)
            same = same + self._error(self._to_source(source), source)
            terms["identity"] = config.cycle_weight * config.identity_weight * same
        if config.shape_weight:
            difference = self.shape_loss(fakes["target"], source) + self.shape_loss(fakes["source"], target)
            terms["shape"] = config.shape_weight * difference
        return terms

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
