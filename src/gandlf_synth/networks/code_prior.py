"""The prior of codes: a transformer that learns in which order codes follow each other, and draws new ones."""

from collections.abc import Sequence
from math import prod

import torch
from monai.networks.blocks.selfattention import SABlock
from monai.networks.nets.transformer import DecoderOnlyTransformer
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.batch_draws import draw_rand, draw_randint
from gandlf_synth.networks.sharding import gathered


class CodePrior(nn.Module):
    """An autoregressive distribution of codes (van den Oord et al. 2017, arXiv 1711.00937, sec. 3.3).

    The first token is the class, or one token for all images without classes.

    Args:
        num_codes: codes in the codebook.
        grid: codes of an image along each axis.
        num_classes: 0 without classes.
        channels: feature channels of the transformer.
        num_layers: layers of the transformer.
        num_heads: attention heads; must divide ``channels``.
        dropout: share of the codes before it that the transformer sees replaced by any others while it learns, and of
            its features that are left out.

    Example:
        >>> prior = CodePrior(num_codes=8, grid=(3, 2), channels=16, num_layers=1, num_heads=2)
        >>> prior.sample(None, [torch.Generator().manual_seed(seed) for seed in (1, 2)]).shape
        torch.Size([2, 3, 2])
    """

    def __init__(
        self,
        *,
        num_codes: int,
        grid: Sequence[int],
        num_classes: int = 0,
        channels: int = 128,
        num_layers: int = 4,
        num_heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_codes, self.grid, self.replaced_fraction = num_codes, tuple(grid), dropout
        self.length = prod(self.grid)
        self.transformer = DecoderOnlyTransformer(
            num_tokens=num_codes + max(1, num_classes),
            max_seq_len=self.length,
            attn_layers_dim=channels,
            attn_layers_depth=num_layers,
            attn_layers_heads=num_heads,
            embedding_dropout_rate=dropout,
            use_flash_attention=True,
        )
        for block in self.transformer.blocks:
            block.norm_cross_attn.requires_grad_(False)  # MONAI makes it even where nothing is attended across
            block.attn.register_buffer("causal_mask", None)  # length² numbers a layer that the kernel does not look at

    @property
    def network(self) -> nn.Module:
        """What training calls: the transformer."""
        transformer: nn.Module = self.transformer
        return transformer

    def loss(self, codes: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Return the mean negative log-likelihood in nats of ``codes (batch, *grid)`` of ``class_labels (batch,)``.

        In training some of the codes that it looks back at are replaced by any others (Bengio et al. 2015, arXiv
        1506.03099, without the schedule): it learns to go on from mistakes, which it will make when it draws codes.
        """
        codes = codes.flatten(1)
        past = with_mistakes(codes[:, :-1], self.num_codes, self.replaced_fraction if self.training else 0.0)
        tokens = torch.cat([self._first_tokens(len(codes), class_labels, codes.device), past], dim=1)
        logits = self.transformer(tokens)[..., : self.num_codes].float()
        return functional.cross_entropy(logits.flatten(0, 1), codes.flatten())

    def sample(
        self,
        class_labels: Tensor | None,
        generators: Sequence[torch.Generator],
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> Tensor:
        """Return new codes ``(len(generators), *grid)``; each image's come from its own CPU generator.

        Args:
            class_labels: ``(len(generators),)``, or None without classes.
            generators: one per image.
            temperature: divides the logits.
            top_k: draw among this many likeliest codes; None: all.
        """
        device = self.transformer.to_logits.weight.device
        tokens = self._first_tokens(len(generators), class_labels, device)
        cache = _KeyValueCache(self.transformer)
        with gathered(self.transformer):
            for _ in range(self.length):
                logits = cache.next_logits(tokens[:, -1:])[:, : self.num_codes].cpu().double() / temperature
                pairs = zip(among_likeliest(logits, top_k).softmax(dim=1), generators, strict=True)
                codes = torch.stack([torch.multinomial(shares, 1, generator=generator) for shares, generator in pairs])
                tokens = torch.cat([tokens, codes.to(device)], dim=1)
        return tokens[:, 1:].view(-1, *self.grid)

    def _first_tokens(self, batch_size: int, class_labels: Tensor | None, device: torch.device) -> Tensor:
        if class_labels is None:
            class_labels = torch.zeros(batch_size, dtype=torch.long, device=device)
        return (self.num_codes + class_labels.to(device))[:, None]


def with_mistakes(codes: Tensor, num_codes: int, share: float) -> Tensor:
    """Return ``codes`` of any shape of which about a ``share`` is replaced by any of ``num_codes`` codes."""
    if not share:
        return codes
    others = draw_randint(0, num_codes, codes.shape, codes.device)
    return torch.where(draw_rand(codes.shape, codes.device) < share, others, codes)


def among_likeliest(logits: Tensor, top_k: int | None) -> Tensor:
    """Return ``logits (..., num_codes)`` with -inf for all but the ``top_k`` largest; None: as they are.

    >>> among_likeliest(torch.tensor([[1.0, 3.0, 2.0]]), 2)
    tensor([[-inf, 3., 2.]])
    """
    if top_k is None or top_k >= logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(top_k).values[..., -1:], -torch.inf)


class _KeyValueCache:
    """Keys and values of every layer for the tokens so far, so that each token passes the transformer once.

    Without it, an image of n codes costs n passes over up to n codes.
    """

    def __init__(self, transformer: DecoderOnlyTransformer) -> None:
        self.transformer = transformer
        self.layers: list[tuple[Tensor, Tensor] | None] = [None] * len(transformer.blocks)
        self.position = 0

    def next_logits(self, tokens: Tensor) -> Tensor:
        """Return the logits ``(batch, tokens)`` of what follows the newest tokens ``(batch, 1)``."""
        positions = self.transformer.position_embeddings.embedding.weight
        x: Tensor = self.transformer.token_embeddings(tokens) + positions[self.position]
        for number, block in enumerate(self.transformer.blocks):
            x = x + self._attend(number, block.attn, block.norm1(x))
            x = x + block.mlp(block.norm2(x))
        self.position += 1
        logits: Tensor = self.transformer.to_logits(x)[:, 0]
        return logits

    def _attend(self, number: int, attention: SABlock, x: Tensor) -> Tensor:
        query, key, value = (
            attention.input_rearrange(part(x)) for part in (attention.to_q, attention.to_k, attention.to_v)
        )
        past = self.layers[number]
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        self.layers[number] = key, value
        attended = functional.scaled_dot_product_attention(query, key, value, scale=attention.scale)
        output: Tensor = attention.out_proj(attention.out_rearrange(attended))
        return output
