"""What a subject adds to a step: exact for every layer, bounded, and hidden by noise that no seed repeats."""

import pytest
import torch
from tests.factories import spec_of
from torch import Tensor, nn
from torch.func import functional_call, grad

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.errors import ConfigError
from gandlf_synth.models.build import build_module
from gandlf_synth.models.ddpm.module import DDPM
from gandlf_synth.networks.lora import add_changes
from gandlf_synth.training.privacy.gradients import SubjectGradients, check_layers
from gandlf_synth.training.privacy.noise import secret_normal

ARCHITECTURE = {
    "num_channels": [8, 8], "attention_levels": [False, True], "num_res_blocks": 1, "norm_num_groups": 4,
    "num_head_channels": 4, "num_train_timesteps": 10,
}  # fmt: skip


class FixedNoise(DDPM):
    """A ddpm whose loss has nothing random, so that two ways of computing its gradients can be compared."""

    def loss_of_subject(self, batch: Batch) -> Tensor:
        images = batch["image"]
        timesteps = torch.full((len(images),), 3)
        predicted = self.process.denoiser(0.8 * images + 0.1, timesteps, **batch["condition"].inputs())
        return ((predicted - images) ** 2).mean()


def _module(*, lora: bool) -> FixedNoise:
    torch.manual_seed(0)
    spec = spec_of(classes=0, shape=(8, 8))
    section = {"model_name": "ddpm", "architecture": ARCHITECTURE, "labeling_paradigm": "unlabeled", "n_channels": 1}
    section |= {"n_dimensions": 2, "tensor_shape": [8, 8], "save_eval_images_every_n_epochs": -1}
    module = FixedNoise(build_module(section, spec).config, spec)
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.2)
    if lora:
        add_changes(module.process.denoiser, rank=2, alpha=2.0, only_attention=False)
        for weight in module.parameters():
            if weight.requires_grad:
                nn.init.normal_(weight, std=0.2)
    return module


def _batch(images: Tensor) -> Batch:
    return Batch(image=images, condition=Condition(), index=torch.arange(len(images)))


def _reference(module: FixedNoise, images: Tensor) -> list[Tensor]:
    """Return the gradients of the mean loss over images by torch.func, one image at a time."""
    weights = {name: weight.detach() for name, weight in module.named_parameters() if weight.requires_grad}

    def loss(values: dict[str, Tensor], image: Tensor) -> Tensor:
        class _Loss(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = module

            def forward(self, image: Tensor) -> Tensor:
                return self.model.loss_of_subject(_batch(image[None]))

        named = {f"model.{name}": value for name, value in values.items()}
        result: Tensor = functional_call(_Loss(), named, (image,))
        return result

    each = [grad(loss)(weights, image) for image in images]
    return [torch.stack([one[name] for one in each]).mean(0) for name in weights]


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in module.parameters() if weight.requires_grad]


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_the_gradient_of_a_subject_is_that_of_its_images_one_by_one(lora: bool, at_once: int) -> None:
    module = _module(lora=lora)
    images = torch.randn(3, 1, 8, 8)

    own = SubjectGradients(_trained(module), 1.0, 1.0, 4)
    found, _ = own.of_subject(module, [_batch(part) for part in images.split(at_once)])

    for got, wanted in zip(found, _reference(module, images), strict=True):
        assert torch.allclose(got, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()) + 1e-9)


def test_a_subject_adds_no_more_than_the_bound_and_one_below_it_is_left_alone() -> None:
    gradients = SubjectGradients([], 1.5, 1.0, 4)
    large, small = [torch.randn(40, 3) * 50, torch.randn(7)], [torch.full((2, 2), 0.1)]

    bounded = gradients.bounded(large)

    norm = torch.cat([each.flatten().double() for each in bounded]).norm()
    assert 1.4999 < float(norm) <= 1.5
    assert torch.allclose(bounded[0] / bounded[0].norm(), large[0] / large[0].norm(), atol=1e-6)
    assert torch.equal(gradients.bounded(small)[0], small[0])


def test_a_subject_whose_gradient_is_not_finite_adds_nothing() -> None:
    added = SubjectGradients([], 1.0, 1.0, 4).bounded([torch.tensor([1.0, float("nan")]), torch.ones(2)])

    assert all(not each.any() for each in added)


def test_without_one_subject_a_step_moves_by_at_most_the_bound() -> None:
    module = _module(lora=False)
    subjects = [[_batch(torch.randn(2, 1, 8, 8) * (number + 1))] for number in range(3)]
    silent = SubjectGradients(_trained(module), max_grad_norm=0.3, noise_multiplier=0.0, expected_subjects=2)

    whole, _ = silent.of_step(module, subjects)
    without, _ = silent.of_step(module, subjects[:2])

    moved = torch.cat([(a - b).flatten().double() for a, b in zip(whole, without, strict=True)]).norm()
    assert 0.29 / 2 < float(moved) <= 0.3 / 2 * (1 + 1e-5)


def test_a_step_without_subjects_is_a_step_of_noise() -> None:
    weight = nn.Parameter(torch.zeros(200, 100))
    gradients = SubjectGradients([weight], max_grad_norm=0.5, noise_multiplier=3.0, expected_subjects=10)

    (noise,), loss = gradients.of_step(_module(lora=False), [])

    assert float(noise.std()) == pytest.approx(0.5 * 3.0 / 10, rel=0.03)
    assert float(loss) == 0


def test_noise_is_normal_and_follows_from_no_seed() -> None:
    torch.manual_seed(1)
    first = secret_normal((100_000,))
    torch.manual_seed(1)
    second = secret_normal((100_000,))

    assert not torch.equal(first, second)
    assert float(first.mean()) == pytest.approx(0, abs=0.02)
    assert float(first.std()) == pytest.approx(1, abs=0.01)
    assert float((first**4).mean()) == pytest.approx(3, abs=0.15)
    assert float((first.abs() > 3).double().mean()) == pytest.approx(0.0027, abs=0.0008)


def test_layers_that_keep_means_of_images_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"privacy: has layers that keep means of images.*: body\.1; use group"):
        check_layers(nn.ModuleDict({"body": nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))}))
    check_layers(_module(lora=True))
