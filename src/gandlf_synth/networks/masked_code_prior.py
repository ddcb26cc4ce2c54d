"""The prior of codes that fills in many places at a time: a U-Net over the grid that learns what masked codes are."""

from collections.abc import Sequence
from math import cos, floor, gcd, pi, prod

import torch
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.batch_draws import draw_rand, draw_start
from gandlf_synth.networks.code_prior import among_likeliest, with_mistakes
from gandlf_synth.networks.denoiser import UNetDenoiser

_COARSEST, _SMALLEST = 8, 4
_EMBEDDING_STD = 0.5
_CHANNELS_PER_GROUP = 4
_TIMESTEPS = 1000
_MASKED_ON_AVERAGE = 2 / pi
"""The mean of the cosine by which the share of masked codes is drawn."""
_SHARES_JUDGED = (0.125, 0.375, 0.625, 0.875)


class MaskedCodePrior(nn.Module):
    """A distribution of codes that is drawn in a few passes (MaskGIT, Chang et al. 2022, arXiv 2202.04200).

    It learns to tell masked codes from those that are left. Drawing begins with all of them masked; each pass draws
    every code that is missing and keeps the ones it is most sure of.

    Args:
        num_codes: codes in the codebook.
        grid: codes of an image along each axis.
        num_classes: 0 without classes.
        channels: feature channels of the U-Net at the resolution of the grid; twice as many below.
        num_layers: residual blocks at each resolution.
        num_heads: attention heads at the coarsest resolution; must divide ``channels``.
        dropout: share of the codes it may see that are replaced by any others while it learns.

    Example:
        >>> prior = MaskedCodePrior(num_codes=8, grid=(4, 3), channels=8, num_heads=2)
        >>> prior.sample(None, [torch.Generator().manual_seed(seed) for seed in (1, 2)]).shape
        torch.Size([2, 4, 3])
    """

    patterns: Tensor

    def __init__(
        self,
        *,
        num_codes: int,
        grid: Sequence[int],
        num_classes: int = 0,
        channels: int = 64,
        num_layers: int = 1,
        num_heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_codes, self.grid, self.replaced_fraction = num_codes, tuple(grid), dropout
        self.network = _CodeUNet(num_codes, self.grid, num_classes, channels, num_layers, num_heads)
        scores = torch.rand(len(_SHARES_JUDGED), prod(self.grid), generator=torch.Generator().manual_seed(0))
        masked = _smallest(scores, prod(self.grid) * torch.tensor(_SHARES_JUDGED))
        self.register_buffer("patterns", masked.view(-1, *self.grid), persistent=False)

    def loss(self, codes: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Return the mean negative log-likelihood in nats of masked codes, a scalar.

        In training the share of them is the cosine of a uniform number (2202.04200, sec. 3.1 and 3.3), and some of the
        codes that are left are replaced by any others: it learns to go on from mistakes, which it will make. Otherwise
        the masks are always the same, of four shares, and the mean is near the bound on the likelihood of an image
        per code (Austin et al. 2021, arXiv 2107.03006).

        Args:
            codes: ``(batch, *grid)``.
            class_labels: ``(batch,)``, or None without classes.
        """
        if not self.training:
            masks = [pattern.expand(codes.shape) for pattern in self.patterns]
            errors = [self._error(codes, codes, mask, class_labels).sum() / mask.sum() for mask in masks]
            return torch.stack(errors).mean()
        masked = self._draw_mask(codes)
        seen = with_mistakes(codes, self.num_codes, self.replaced_fraction)
        error = self._error(codes, seen, masked, class_labels)
        return error.sum() / (codes.numel() * _MASKED_ON_AVERAGE)

    def _draw_mask(self, codes: Tensor) -> Tensor:
        """Return which of ``codes (batch, *grid)`` are masked; the shares of a batch are spread evenly."""
        count, device = len(codes), codes.device
        start = draw_start(count, device)
        uniform = (start + torch.arange(count, device=device) / count) % 1
        scores = draw_rand((count, prod(self.grid)), device)
        return _smallest(scores, (uniform * (pi / 2)).cos() * scores.shape[1]).view(codes.shape)

    def _error(self, codes: Tensor, seen: Tensor, masked: Tensor, class_labels: Tensor | None) -> Tensor:
        logits = self.network(torch.where(masked, self.num_codes, seen), class_labels)
        return functional.cross_entropy(logits.movedim(-1, 1), codes, reduction="none") * masked

    def sample(
        self,
        class_labels: Tensor | None,
        generators: Sequence[torch.Generator],
        temperature: float = 1.0,
        top_k: int | None = None,
        *,
        num_steps: int = 12,
        choice_temperature: float = 1.0,
    ) -> Tensor:
        """Return new codes ``(len(generators), *grid)``; each image's come from its own CPU generator.

        Args:
            class_labels: ``(len(generators),)``, or None without classes.
            generators: one per image.
            temperature: divides the logits.
            top_k: draw among this many likeliest codes; None: all.
            num_steps: passes.
            choice_temperature: how much chance there is in which codes are kept, falling to 0 with the passes; 0: only
                the likeliest.
        """
        device = self.network.head.weight.device
        count, length = len(generators), prod(self.grid)
        codes = torch.full((count, length), self.num_codes)
        for step in range(num_steps):
            logits = self.network(codes.view(count, *self.grid).to(device), class_labels)
            logits = logits.flatten(1, -2).cpu().double() / temperature
            likelihoods = among_likeliest(logits, top_k).log_softmax(-1)
            left = 1 - (step + 1) / num_steps
            hidden = floor(cos(pi / 2 * (1 - left)) * length)
            for row, generator, each in zip(codes, generators, likelihoods, strict=True):
                _fill_in(row, each, hidden, choice_temperature * left, self.num_codes, generator)
        return codes.view(count, *self.grid).to(device)


class _CodeUNet(nn.Module):
    """Returns the logits of all codes from those that are known.

    Convolutions know from the start that near codes matter most; a transformer has to learn it from many images.
    """

    def __init__(
        self, num_codes: int, grid: tuple[int, ...], num_classes: int, channels: int, num_layers: int, num_heads: int
    ) -> None:
        super().__init__()
        halvings = 1 if max(grid) >= _SMALLEST else 0
        while max(grid) > _COARSEST * 2**halvings:
            halvings += 1
        widths = [channels, *[2 * channels] * halvings]
        self.mask_token = num_codes
        self.codes = nn.Embedding(num_codes + 1, channels)
        self.classes = nn.Embedding(max(1, num_classes), channels)
        for table in (self.codes, self.classes):
            nn.init.normal_(table.weight, std=_EMBEDDING_STD)
        self.places = nn.Parameter(0.02 * torch.randn(1, channels, *grid))
        self.unet = UNetDenoiser(
            spatial_dims=len(grid), in_channels=channels, num_channels=widths,
            attention_levels=[*[False] * halvings, True], num_res_blocks=num_layers,
            norm_num_groups=gcd(channels, max(1, channels // _CHANNELS_PER_GROUP)),
            num_head_channels=[width // num_heads for width in widths],
        )  # fmt: skip
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, num_codes)

    @property
    def sharding_blocks(self) -> list[nn.Module]:
        """The parts of the U-Net; see ``networks.sharding``."""
        return self.unet.sharding_blocks

    def forward(self, codes: Tensor, class_labels: Tensor | None) -> Tensor:
        """Return logits ``(batch, *grid, num_codes)`` in 32 bits.

        Args:
            codes: ``(batch, *grid)``; ``num_codes`` stands for a masked one.
            class_labels: ``(batch,)``, or None without classes.
        """
        share = (codes == self.mask_token).flatten(1).float().mean(1)
        labels = codes.new_zeros(len(codes)) if class_labels is None else class_labels.to(codes.device)
        known = self.codes(codes).movedim(-1, 1) + self.places
        classes = self.classes(labels).view(len(codes), -1, *(1,) * (codes.ndim - 1))
        # The last layer of the U-Net starts at zero; the class counts from the first step on all the same.
        features = classes + self.unet(known + classes, share * _TIMESTEPS)
        logits: Tensor = self.head(self.norm(features.movedim(1, -1)))
        return logits.float()


def _smallest(scores: Tensor, counts: Tensor) -> Tensor:
    """Return where the smallest ``counts (batch,)`` of ``scores (batch, length)`` are, at least one each."""
    ranks = scores.argsort(1).argsort(1)
    return ranks < counts.ceil().clamp(min=1)[:, None]


def _fill_in(
    codes: Tensor, likelihoods: Tensor, hidden: int, chance: float, mask_token: int, generator: torch.Generator
) -> None:
    """Draw what is masked of ``codes (length,)``, in place, and mask the ``hidden`` least sure again (sec. 3.2).

    Args:
        codes: of one image.
        likelihoods: of each code at each place, logarithms, ``(length, num_codes)``.
        hidden: how many stay masked.
        chance: weight of the Gumbel noise on the likelihoods of what was drawn.
        mask_token: what stands for a masked code.
        generator: the image's own.
    """
    missing = codes == mask_token
    drawn = torch.multinomial(likelihoods.exp(), 1, generator=generator)
    noise = -torch.empty(len(codes), dtype=torch.float64).exponential_(generator=generator).log()
    sure = likelihoods.gather(1, drawn)[:, 0] + chance * noise
    codes.copy_(torch.where(missing, drawn[:, 0], codes))
    codes[torch.where(missing, sure, torch.inf).argsort(stable=True)[:hidden]] = mask_token
