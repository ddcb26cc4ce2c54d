"""Preconditioned denoising at noise levels without a fixed number (Karras et al. 2022, arXiv 2206.00364).

Here an image is ``clean + sigma · noise``, and a network F is wrapped so that its input and its target have variance 1
at every level; table 1 and appendix B.6 of the paper.
"""

from dataclasses import dataclass

from torch import Tensor

from gandlf_synth.diffusion.quantiles import normal_quantile


@dataclass(frozen=True)
class Preconditioning:
    """How the network is wrapped: the denoiser is ``skip · noisy + out · F(in · noisy; noise level)`` (eq. 7).

    Args:
        sigma_data: the standard deviation of the images.
    """

    sigma_data: float

    def skip_scale(self, sigma: Tensor) -> Tensor:
        """c_skip: the share of the noisy image that goes past the network."""
        return self.sigma_data**2 / (sigma**2 + self.sigma_data**2)

    def output_scale(self, sigma: Tensor) -> Tensor:
        """c_out: what the network's output is multiplied by."""
        return sigma * self.sigma_data / (sigma**2 + self.sigma_data**2).sqrt()

    def input_scale(self, sigma: Tensor) -> Tensor:
        """c_in: what the network's input is multiplied by."""
        return 1 / (sigma**2 + self.sigma_data**2).sqrt()

    def target(self, clean: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return what the network should output (eq. 8).

        Its plain squared error is that of the denoiser, weighted by λ = 1 / c_out², so that all levels count alike.

        Example:
            >>> import torch
            >>> scales = Preconditioning(sigma_data=0.5)
            >>> clean, noisy, sigma = torch.tensor([0.5, -1.0]), torch.tensor([2.0, 0.5]), torch.tensor(3.0)
            >>> output = scales.target(clean, noisy, sigma)
            >>> scales.clean(output, noisy, sigma)
            tensor([ 0.5000, -1.0000])
        """
        return (clean - self.skip_scale(sigma) * noisy) / self.output_scale(sigma)

    def clean(self, output: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return the clean image that the network's ``output`` stands for (eq. 7)."""
        return self.skip_scale(sigma) * noisy + self.output_scale(sigma) * output


def noise_conditioning(sigma: Tensor) -> Tensor:
    """Return c_noise, what the network is told of the level: ln(sigma) / 4 (table 1)."""
    return sigma.log() / 4


def log_normal(uniform: Tensor, mean: float, std: float) -> Tensor:
    """Return levels from ``uniform`` numbers: ln(sigma) is normal with ``mean`` and ``std`` (table 1, §5).

    Example:
        >>> import torch
        >>> log_normal(torch.tensor([0.1, 0.5, 0.9]), mean=-1.2, std=1.2)
        tensor([0.0647, 0.3012, 1.4019])
    """
    return (mean + std * normal_quantile(uniform)).exp()


def sampling_sigmas(num_steps: int, low: float, high: float, rho: float) -> list[float]:
    """Return the levels from ``high`` to ``low`` where each step starts (eq. 5); the last step ends at 0.

    Example:
        >>> [round(sigma, 3) for sigma in sampling_sigmas(4, 0.002, 80.0, 7.0)]
        [80.0, 9.723, 0.47, 0.002]
    """
    start, end = high ** (1 / rho), low ** (1 / rho)
    last = max(1, num_steps - 1)
    return [(start + step / last * (end - start)) ** rho for step in range(num_steps)]
