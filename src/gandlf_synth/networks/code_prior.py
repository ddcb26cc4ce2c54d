"""The prior: a transformer that learns in which order codes follow each other, and draws new ones."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.nets.transformer import DecoderOnlyTransformer
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.models.vqvae.config import VQVAEArchitecture


class CodePrior(nn.Module):
    """An autoregressive distribution of codes; the first token is the class (or one token for all).

    Args:
        architecture: the transformer.
        length: codes of an image.
        num_classes: 0 without labels.
    """

    def __init__(self, architecture: VQVAEArchitecture, length: int, num_classes: int) -> None:
        super().__init__()
        self.noise = architecture.prior_dropout
        self.num_codes, self.length = architecture.num_embeddings, length
        self.transformer = DecoderOnlyTransformer(
            num_tokens=self.num_codes + max(1, num_classes),
            max_seq_len=length,
            attn_layers_dim=architecture.prior_channels,
            attn_layers_depth=architecture.prior_layers,
            attn_layers_heads=architecture.prior_heads,
            embedding_dropout_rate=architecture.prior_dropout,
            use_flash_attention=True,
        )
        for block in self.transformer.blocks:
            block.norm_cross_attn.requires_grad_(False)  # MONAI makes it even where nothing is attended across
            block.attn.register_buffer("causal_mask", None)  # length² numbers a layer that the kernel does not look at

    def loss(self, codes: Tensor, class_labels: Tensor | None) -> Tensor:
        """Return the mean negative log-likelihood in nats of ``codes (batch, length)`` of ``class_labels (batch,)``.

        In training some of the codes that it looks back at are replaced by any others (Bengio et al. 2015, arXiv
        1506.03099, without the schedule): it has to go on from mistakes such as it will make when it draws.
        """
        before = codes[:, :-1]
        if self.training and self.noise:
            others = torch.randint_like(before, self.num_codes)
            before = torch.where(torch.rand(before.shape, device=before.device) < self.noise, others, before)
        tokens = torch.cat([self._start(len(codes), class_labels, codes.device), before], dim=1)
        logits = self.transformer(tokens)[..., : self.num_codes].float()
        return functional.cross_entropy(logits.flatten(0, 1), codes.flatten())

    def draw(
        self, class_labels: Tensor | None, generators: Sequence[torch.Generator], temperature: float, top_k: int | None
    ) -> Tensor:
        """Return new codes ``(len(generators), length)``; each image's come from its own CPU generator.

        Args:
            class_labels: ``(len(generators),)``, or None without classes.
            generators: one per image.
            temperature: divides the logits.
            top_k: draw among this many likeliest codes; None: all.
        """
        device = self.transformer.to_logits.weight.device
        tokens = self._start(len(generators), class_labels, device)
        seen = _Seen(self.transformer)
        for _ in range(self.length):
            logits = seen.next(tokens[:, -1:])[:, : self.num_codes].double().cpu() / temperature
            if top_k is not None and top_k < self.num_codes:
                logits[logits < logits.topk(top_k).values[:, -1:]] = -torch.inf
            shares = logits.softmax(dim=1)
            pairs = zip(shares, generators, strict=True)
            drawn = torch.stack([torch.multinomial(share, 1, generator=generator) for share, generator in pairs])
            tokens = torch.cat([tokens, drawn.to(device)], dim=1)
        return tokens[:, 1:]

    def _start(self, count: int, class_labels: Tensor | None, device: torch.device) -> Tensor:
        classes = (
            torch.zeros(count, dtype=torch.long, device=device) if class_labels is None else class_labels.to(device)
        )
        return (self.num_codes + classes)[:, None]


class _Seen:
    """What the transformer has seen so far: keys and values of every layer, so that each code is looked at once.

    Without, a volume of n codes costs n passes over up to n codes.
    """

    def __init__(self, transformer: DecoderOnlyTransformer) -> None:
        self.transformer = transformer
        self.layers: list[tuple[Tensor, Tensor] | None] = [None] * len(transformer.blocks)
        self.position = 0

    def next(self, tokens: Tensor) -> Tensor:
        """Return what ``transformer`` gives for the last of all tokens, ``(batch, tokens)``, from ``(batch, 1)``."""
        positions = self.transformer.position_embeddings.embedding.weight
        x: Tensor = self.transformer.token_embeddings(tokens) + positions[self.position]
        for number, block in enumerate(self.transformer.blocks):
            x = x + self._attended(number, block.attn, block.norm1(x))
            x = x + block.mlp(block.norm2(x))
        self.position += 1
        logits: Tensor = self.transformer.to_logits(x)[:, 0]
        return logits

    def _attended(self, number: int, attention: nn.Module, x: Tensor) -> Tensor:
        layer: Any = attention
        query, *new = (layer.input_rearrange(part(x)) for part in (layer.to_q, layer.to_k, layer.to_v))
        before = self.layers[number]
        keys, values = new if before is None else (torch.cat(pair, dim=2) for pair in zip(before, new, strict=True))
        self.layers[number] = keys, values
        found = functional.scaled_dot_product_attention(query, keys, values, scale=layer.scale)
        result: Tensor = layer.out_proj(layer.out_rearrange(found))
        return result
