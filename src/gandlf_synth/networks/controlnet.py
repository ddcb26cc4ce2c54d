"""A branch that steers a finished denoiser by images (Zhang et al. 2023, arXiv 2302.05543)."""

from collections.abc import Mapping
from typing import Any

from monai.networks.nets.controlnet import ControlNet
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.networks.denoiser import UNetDenoiser, embed_vectors

_OF_BOTH = ("spatial_dims", "in_channels", "num_res_blocks", "attention_levels", "norm_num_groups", "norm_eps",
            "resblock_updown", "num_head_channels", "transformer_num_layers", "upcast_attention")  # fmt: skip


class ControlledDenoiser(nn.Module):
    """A denoiser that stays as it is, and a copy of its first half that learns to steer it by images.

    The copy acts through layers that are zero at first, so that before training images are those of the denoiser.

    Args:
        condition_channels: channels of the images.
        parameters: of the denoiser; see ``UNetDenoiser``.

    Example:
        >>> import torch
        >>> denoiser = ControlledDenoiser(
        ...     condition_channels=3, spatial_dims=2, in_channels=1, num_channels=(8, 8), num_res_blocks=1,
        ...     attention_levels=(False, True), norm_num_groups=4, num_head_channels=4,
        ... )
        >>> noisy, timesteps = torch.randn(2, 1, 9, 7), torch.tensor([0, 500])
        >>> bare = denoiser.base(noisy, timesteps)
        >>> torch.equal(denoiser(noisy, timesteps, channels=torch.randn(2, 3, 9, 7)), bare)
        True
    """

    def __init__(self, *, condition_channels: int, **parameters: Any) -> None:
        super().__init__()
        self.condition_channels = condition_channels
        self.base = UNetDenoiser(**parameters)
        unet = self.base.unet
        shared = {name: parameters[name] for name in _OF_BOTH if name in parameters}
        heads, levels = shared.get("num_head_channels", 8), len(unet.block_out_channels)
        self.branch = ControlNet(
            **{**shared, "num_head_channels": [heads] * levels if isinstance(heads, int) else heads},
            channels=unet.block_out_channels,
            with_conditioning=self.base.context is not None,
            cross_attention_dim=None if self.base.context is None else self.base.context.embedding_dim,
            num_class_embeds=None if self.base.num_class_embeds == 0 else self.base.num_class_embeds,
            conditioning_embedding_in_channels=condition_channels,
            conditioning_embedding_num_channels=(unet.block_out_channels[0],),
            use_flash_attention=not parameters.get("upcast_attention", False),
        )
        if self.base.vector_size:
            embed_vectors(self.branch, self.base.vector_size)
        self.base.requires_grad_(False)

    @property
    def sharding_blocks(self) -> list[nn.Module]:
        """The levels of the branch and its middle, since the denoiser does not learn; see ``networks.sharding``."""
        return [*self.branch.down_blocks, self.branch.middle_block]

    def load_base(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of a trained denoiser, in the branch too.

        Args:
            weights: the state of a ``UNetDenoiser``.

        Raises:
            RuntimeError: it has another architecture.
        """
        self.base.load_state_dict(weights)
        own = self.branch.state_dict()
        copied = {name: value for name, value in self.base.unet.state_dict().items() if name in own}
        self.branch.load_state_dict({**own, **copied})

    def forward(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        class_labels: Tensor | None = None,
        vector: Tensor | None = None,
        channels: Tensor | None = None,
    ) -> Tensor:
        """Return the prediction; see ``UNetDenoiser.forward``."""
        if channels is None:
            channels = noisy.new_zeros(len(noisy), self.condition_channels, *noisy.shape[2:])
        embedded, context = self.base.embedded(noisy, timesteps, class_labels, vector)
        padding = self.base.padding(noisy.shape[2:])
        down, middle = self.branch(
            functional.pad(noisy, padding), timesteps, functional.pad(channels, padding), context=context,
            class_labels=embedded,
        )  # fmt: skip
        output: Tensor = self.base(noisy, timesteps, class_labels, vector, residuals=(tuple(down), middle))
        return output
