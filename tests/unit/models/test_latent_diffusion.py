"""What latent_diffusion does besides what every model promises."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from pydantic import ValidationError
from tests.factories import spec_of
from tests.runs import train

from gandlf_synth.errors import CheckpointError
from gandlf_synth.models.autoencoder_kl import FAMILY as AUTOENCODER
from gandlf_synth.models.build import build_module
from gandlf_synth.models.latent_diffusion import FAMILY
from gandlf_synth.models.latent_diffusion.config import LatentDiffusionConfig
from gandlf_synth.models.latent_diffusion.latents import LatentScale
from gandlf_synth.testing import synthetic_data, synthetic_spec


def module_of(seed: int = 0, **section: object) -> Any:
    torch.manual_seed(seed)
    return build_module({"model_name": "latent_diffusion", **FAMILY.tiny, **section}, spec_of(shape=(12, 10)))


def autoencoder_of(shape: tuple[int, int] = (12, 10)) -> Any:
    torch.manual_seed(7)
    section = {"model_name": "autoencoder_kl", **FAMILY.tiny["first_stage"]}
    return build_module(section, spec_of(shape=shape))


def test_scaled_latents_have_mean_0_and_variance_1_in_every_channel() -> None:
    spread, shift = torch.tensor([0.1, 3.0, 40.0]), torch.tensor([5.0, -1.0, 0.0])
    latents = torch.randn(500, 3, 6, 6) * spread[:, None, None] + shift[:, None, None]
    scale = LatentScale(2, 3)

    scale.measure(iter(latents.split(64)))

    scaled = scale.scaled(latents).transpose(0, 1).flatten(1)
    assert torch.allclose(scaled.mean(1), torch.zeros(3), atol=1e-4)
    assert torch.allclose(scaled.var(1), torch.ones(3), atol=1e-3)
    assert torch.allclose(scale.unscaled(scale.scaled(latents)), latents, atol=1e-4)


def test_a_scale_of_other_latents_is_refused() -> None:
    scale = LatentScale(2, 1)
    scale.measure(iter([torch.randn(50, 1, 4, 4)]))

    scale.check(iter([torch.randn(50, 1, 4, 4)]))
    with pytest.raises(CheckpointError, match=r"standard deviations \[\d\.\d+\], not 1"):
        scale.check(iter([3 * torch.randn(50, 1, 4, 4)]))


def test_samples_are_decoded_from_unscaled_latents() -> None:
    module = module_of().eval()
    module.scale.measure(iter([4 * torch.randn(50, *module.noise_shape) + 2]))
    images = torch.rand(2, 1, 12, 10) * 2 - 1

    with torch.inference_mode():
        latents = module.first_stage.encode_mean(images)
        there_and_back = module.decode(module.scale.scaled(latents))

        assert torch.allclose(there_and_back, module.first_stage.decode(latents), atol=1e-5)


def test_latents_are_made_once_in_the_order_of_the_images(tmp_path: Path) -> None:
    from gandlf_synth.models.latent_diffusion.latents import cache_latents

    spec = synthetic_spec((10, 12), 1, "unlabeled")
    data = synthetic_data(spec, tmp_path)
    torch.manual_seed(0)
    module = build_module({"model_name": "latent_diffusion", **FAMILY.tiny}, spec)
    dataset = data.dataset("train")

    def make() -> Any:
        return cache_latents(dataset, module._encode, module.noise_shape, module.first_stage, _OneProcess())

    make()
    (path,) = dataset.mapped.folder.glob("latents-*")
    written = path.stat().st_mtime_ns
    second = make()

    assert path.stat().st_mtime_ns == written
    expected = module._encode(dataset.__getitems__([4, 1])["image"])
    assert torch.allclose(second.gather(torch.tensor([4, 1])), expected, atol=1e-6)


class _Batches(Callback):
    """Keeps what training is given."""

    def __init__(self) -> None:
        self.batches: list[Any] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.batches.append(batch)
        self.images = trainer.datamodule.dataset("train")


def test_training_loads_latents_in_the_place_of_images(tmp_path: Path) -> None:
    seen = _Batches()

    run = train("latent_diffusion", tmp_path, samples=6, epochs=1, callbacks=[seen])

    module: Any = run.module
    assert len(seen.batches) == 2
    for batch in seen.batches:
        images = seen.images.__getitems__(batch["index"].tolist())["image"]
        torch.testing.assert_close(batch["image"], module._encode(images), atol=1e-5, rtol=0)


class _OneProcess:
    is_global_zero = True

    class strategy:  # noqa: N801
        @staticmethod
        def barrier() -> None: ...


def test_the_autoencoder_is_taken_over_and_stays_as_it_is() -> None:
    module, trained = module_of(), autoencoder_of()

    module.load_first_stage(trained)

    ours, theirs = module.first_stage.state_dict(), trained.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not any(parameter.requires_grad for parameter in module.first_stage.parameters())
    assert not module.train().first_stage.training


def test_an_autoencoder_of_other_images_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"shape = \(16, 16\), not \(12, 10\)"):
        module_of().load_first_stage(autoencoder_of((16, 16)))


def test_an_autoencoder_of_another_architecture_is_refused() -> None:
    other = {**AUTOENCODER.tiny, "architecture": {**AUTOENCODER.tiny["architecture"], "num_channels": [12, 12]}}
    trained = build_module({"model_name": "autoencoder_kl", **other}, spec_of(shape=(12, 10)))

    with pytest.raises(CheckpointError, match="has another architecture"):
        module_of().load_first_stage(trained)


def config_of(**section: object) -> LatentDiffusionConfig:
    return LatentDiffusionConfig.model_validate({"model_name": "latent_diffusion", **section})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"first_stage": {"model_name": "dcgan"}}, "autoencoder_kl or vqvae"),
        ({"first_stage": {"model_name": "autoencoder_kl", "kl_weigth": 1}}, "first_stage.kl_weigth"),
        ({"first_stage": {"model_name": "vqvae", "tensor_shape": [8, 8]}}, "first_stage.tensor_shape follows"),
        ({"second_stage": {"clip_sample": True}}, "second_stage.ddpm.clip_sample"),
        ({"second_stage": {"model_name": "dcgan"}}, "'ddpm', 'flow_matching'"),
    ],
)
def test_what_latents_cannot_do_is_refused(section: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config_of(**section)

    assert message in str(caught.value)


def test_a_vqvae_as_first_stage_learns_no_prior() -> None:
    assert config_of(first_stage={"model_name": "vqvae"}).first_stage.model_dump()["prior_fraction"] == 0
