"""The codebook: MONAI's quantizer in 32 bits, its use, and the revival of codes that nothing uses."""

from collections.abc import Callable

import torch
from monai.networks.layers.vector_quantizer import EMAQuantizer
from torch import Tensor, nn

_UNUSED = 0.05
"""Share of the average use below which a code counts as unused."""


class Codebook(nn.Module):
    """Replaces vectors by the nearest of a learned set (van den Oord et al. 2017, eq. 1 and appendix A.1).

    Args:
        quantizer: MONAI's, with moving averages.

    Example:
        >>> codebook = Codebook(EMAQuantizer(spatial_dims=2, num_embeddings=8, embedding_dim=4))
        >>> codes = codebook.codes(torch.randn(2, 4, 5, 5))
        >>> codes.shape, codebook.embed(codes).shape
        (torch.Size([2, 5, 5]), torch.Size([2, 4, 5, 5]))
    """

    def __init__(self, quantizer: EMAQuantizer) -> None:
        super().__init__()
        self.quantizer = quantizer

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return quantized ``vectors (batch, dim, *size)``, the commitment loss and the codes ``(batch, *size)``.

        In training the codebook moves; whatever the precision around it, it counts in 32 bits.
        """
        with torch.autocast(vectors.device.type, enabled=False):
            quantized, loss, codes = self.quantizer(vectors.float())
        return quantized, loss, codes

    def codes(self, vectors: Tensor) -> Tensor:
        """Return the codes ``(batch, *size)`` of ``vectors (batch, dim, *size)``; the codebook stays as it is."""
        with torch.autocast(vectors.device.type, enabled=False):
            codes: Tensor = self.quantizer.quantize(vectors.float())[2]
        return codes

    def embed(self, codes: Tensor) -> Tensor:
        """Return the vectors ``(batch, dim, *size)`` of ``codes (batch, *size)``."""
        vectors: Tensor = self.quantizer.embed(codes)
        return vectors

    def usage(self) -> Tensor:
        """Return the share of codes that are in use, a scalar."""
        return (~self._unused()).float().mean()

    def _unused(self) -> Tensor:
        counts: Tensor = self.quantizer.ema_cluster_size
        return counts <= _UNUSED * counts.mean()

    @torch.no_grad()
    def revive(self, vectors: Tensor, broadcast: Callable[[Tensor], Tensor] = torch.clone) -> None:
        """Move unused codes onto vectors of a batch.

        Args:
            vectors: ``(batch, dim, *size)``, from which the new places are drawn.
            broadcast: returns the tensor of the first process, so that the codes move alike in all processes.
        """
        flat = vectors.float().movedim(1, -1).flatten(0, -2)
        unused = self._unused()
        places = broadcast(flat[torch.randint(len(flat), (len(unused),), device=flat.device)])
        # Assignment to the rows where a mask holds would wait for the GPU.
        weight, rows = self.quantizer.embedding.weight.data, unused[:, None]
        weight.copy_(torch.where(rows, places, weight))
        self.quantizer.ema_w.copy_(torch.where(rows, places, self.quantizer.ema_w))
        self.quantizer.ema_cluster_size.masked_fill_(unused, 1.0)


def perplexity(codes: Tensor, num_embeddings: int) -> Tensor:
    """Return how many codes a batch uses in effect: the exponential of the entropy of ``codes``, any shape.

    Example:
        >>> round(float(perplexity(torch.tensor([0, 1, 2, 3] * 5), num_embeddings=32)), 3)
        4.0
    """
    counts = torch.zeros(num_embeddings, device=codes.device)  # bincount waits for the GPU
    counts.index_add_(0, codes.flatten(), torch.ones(codes.numel(), device=codes.device))
    shares = counts / codes.numel()
    return torch.exp(-(shares * shares.clamp(min=1e-10).log()).sum())
