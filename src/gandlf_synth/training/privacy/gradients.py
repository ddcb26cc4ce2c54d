"""Gradients of which each subject adds no more than a bound, with noise that hides any one of them.

Differentially private gradient descent: Abadi et al. 2016, arXiv 1607.00133, algorithm 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.errors import ConfigError, Problem, listing
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.training.privacy.noise import secret_normal, secret_seed

_MIXING = (nn.modules.batchnorm._BatchNorm,)
_ROUNDING = 1 + 1e-6
"""By which a clipped gradient stays below the bound, so that sums of rounded numbers do too."""


class SubjectGradients:
    """Sums the gradients of subjects, each bounded, and adds noise.

    A subject's gradient is that of the mean loss over all of its images, by a backward pass of its own: it is exact
    for every layer, and no number of one subject reaches another's.

    Args:
        weights: what learns.
        max_grad_norm: the most that one subject adds, in the Euclidean norm over all weights.
        noise_multiplier: standard deviation of the noise, in ``max_grad_norm``.
        expected_subjects: in a step; what the sum is divided by, since the number that was drawn is a secret.
    """

    def __init__(
        self, weights: Sequence[nn.Parameter], max_grad_norm: float, noise_multiplier: float, expected_subjects: int
    ) -> None:
        self._weights, self._bound = list(weights), max_grad_norm
        self._noise, self._expected = noise_multiplier, expected_subjects

    def of_step(self, module: GenerativeModule, subjects: Sequence[Sequence[Batch]]) -> tuple[list[Tensor], Tensor]:
        """Return the noisy mean of the gradients of ``subjects``, and their mean loss without noise.

        Args:
            module: the model.
            subjects: of each drawn one, all images, in parts that pass through the network together.
        """
        total = [torch.zeros_like(weight) for weight in self._weights]
        losses = [torch.zeros((), device=total[0].device)]
        for parts in subjects:
            gradients, loss = self.of_subject(module, parts)
            torch._foreach_add_(total, self.bounded(gradients))
            losses.append(loss)
        return [self._hidden(each) for each in total], torch.stack(losses).sum() / max(1, len(subjects))

    def of_subject(self, module: GenerativeModule, parts: Sequence[Batch]) -> tuple[list[Tensor], Tensor]:
        """Return the gradients of the mean loss over all images of one subject, and the loss."""
        for weight in self._weights:
            weight.grad = None
        count = sum(len(part["image"]) for part in parts)
        losses = []
        for part in parts:
            torch.manual_seed(secret_seed())
            loss = module.loss_of_subject(part) * (len(part["image"]) / count)
            loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
            losses.append(loss.detach())
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in self._weights]
        for weight in self._weights:
            weight.grad = None
        return gradients, torch.stack(losses).sum()

    def bounded(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients of one subject within the bound; zeros where they are not finite."""
        norm = torch.linalg.vector_norm(
            torch.stack([torch.linalg.vector_norm(_in_64_bits(each)) for each in gradients])
        )
        if not torch.isfinite(norm):
            return [torch.zeros_like(each) for each in gradients]
        share = (self._bound / (norm * _ROUNDING)).clamp(max=1.0)
        return [each * share.to(each) for each in gradients]

    def _hidden(self, total: Tensor) -> Tensor:
        """Return a sum with noise, divided: added in 64 bits and rounded once."""
        exact = _in_64_bits(total)
        noise = secret_normal(total.shape).to(exact.device) * (self._noise * self._bound)
        return ((exact + noise) / self._expected).to(total)


def _in_64_bits(values: Tensor) -> Tensor:
    """Return ``values`` in 64 bits; on the CPU where the device is an Apple GPU, which has none."""
    return (values.cpu() if values.device.type == "mps" else values).double()


def check_layers(module: nn.Module) -> None:
    """Refuse networks in which images of a batch reach one another.

    Raises:
        ConfigError: which layers.
    """
    mixing = [
        name
        for name, part in module.named_modules()
        if isinstance(part, _MIXING) or getattr(part, "track_running_stats", False)
    ]
    if mixing:
        what = f"has layers that keep means of images, which no noise hides: {listing(mixing, 4)}"
        raise ConfigError(Problem("privacy", what, fix="use group, layer or instance normalization without such means"))
