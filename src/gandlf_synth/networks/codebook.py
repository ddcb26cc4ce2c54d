"""The codebook: MONAI's quantiser in 32 bits, its use, and the revival of codes that nothing uses."""

from collections.abc import Callable

import torch
from monai.networks.layers.vector_quantizer import EMAQuantizer
from torch import Tensor, nn

_DEAD = 0.05
"""Share of the average use below which a code counts as unused."""


class Codebook(nn.Module):
    """Replaces vectors by the nearest of a learned set (van den Oord et al. 2017, eq. 1 and appendix A.1).

    Args:
        quantizer: MONAI's, with moving averages.
    """

    def __init__(self, quantizer: EMAQuantizer) -> None:
        super().__init__()
        self.quantizer = quantizer

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return quantised ``vectors (batch, dim, *size)``, the commitment loss and the codes ``(batch, *size)``.

        In training the codebook moves; whatever the precision around it, it counts in 32 bits.
        """
        with torch.autocast(vectors.device.type, enabled=False):
            quantized, loss, codes = self.quantizer(vectors.float())
        return quantized, loss, codes

    def codes(self, vectors: Tensor) -> Tensor:
        """Return the codes ``(batch, *size)`` of ``vectors (batch, dim, *size)``; the codebook stays as it is."""
        with torch.autocast(vectors.device.type, enabled=False):
            found: Tensor = self.quantizer.quantize(vectors.float())[2]
        return found

    def embed(self, codes: Tensor) -> Tensor:
        """Return the vectors ``(batch, dim, *size)`` of ``codes (batch, *size)``."""
        vectors: Tensor = self.quantizer.embed(codes)
        return vectors

    def usage(self) -> Tensor:
        """Return the share of codes that are in use, a scalar."""
        return (~self._dead()).float().mean()

    def _dead(self) -> Tensor:
        counts: Tensor = self.quantizer.ema_cluster_size
        return counts <= _DEAD * counts.mean()

    @torch.no_grad()
    def revive(self, vectors: Tensor, from_first: Callable[[Tensor], Tensor]) -> None:
        """Move unused codes onto vectors drawn from ``vectors (batch, dim, *size)``, alike in all processes.

        Args:
            vectors: what the encoder gives.
            from_first: returns the first process's values of a tensor that every process has.
        """
        flat = vectors.float().movedim(1, -1).flatten(0, -2)
        dead = self._dead()
        drawn = flat[torch.randint(len(flat), (len(dead),), device=flat.device)]
        drawn = from_first(drawn)
        weight, rows = self.quantizer.embedding.weight.data, dead[:, None]
        weight.copy_(torch.where(rows, drawn, weight))
        self.quantizer.ema_w.copy_(torch.where(rows, drawn, self.quantizer.ema_w))
        self.quantizer.ema_cluster_size.masked_fill_(dead, 1.0)


def perplexity(codes: Tensor, num_embeddings: int) -> Tensor:
    """Return how many codes a batch uses in effect: the exponential of the entropy of ``codes``, any shape."""
    counts = torch.zeros(num_embeddings, device=codes.device)  # bincount waits for the GPU
    counts.index_add_(0, codes.flatten(), torch.ones(codes.numel(), device=codes.device))
    shares = counts / codes.numel()
    return torch.exp(-(shares * shares.clamp(min=1e-10).log()).sum())
