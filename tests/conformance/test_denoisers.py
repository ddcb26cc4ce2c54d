"""Every registered denoiser keeps its promises, and the checker finds those that do not."""

import pytest
from torch import Tensor, nn

from gandlf_synth import registry
from gandlf_synth.errors import ConfigError, PluginError
from gandlf_synth.models.components.denoiser_config import DenoiserArchitecture
from gandlf_synth.registry import register
from gandlf_synth.testing import check_denoiser

SMALL: dict[str, dict[str, object]] = {
    "unet": {"num_channels": [8, 8], "attention_levels": [False, True], "num_res_blocks": 1, "norm_num_groups": 4},
}


@pytest.mark.parametrize("name", registry.names("denoisers"))
def test_denoiser_keeps_its_promises(name: str) -> None:
    check_denoiser(name, SMALL[name])


class Deaf(nn.Module):
    """Looks at the image only, halves its size, and has weights that nothing uses."""

    def __init__(self, spatial_dims: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
        self.convolution = convolution(in_channels, out_channels, 3, stride=2, padding=1)
        self.idle = nn.Linear(2, 2)

    def forward(
        self, noisy: Tensor, timesteps: Tensor, class_labels: Tensor | None = None, vector: Tensor | None = None,
        channels: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        output: Tensor = self.convolution(noisy)
        return output


class DeafArchitecture(DenoiserArchitecture):
    """The deaf network."""

    def build(self, *, spatial_dims: int, in_channels: int, out_channels: int, num_classes: int = 0,
              vector_size: int = 0, condition_channels: int = 0) -> nn.Module:  # fmt: skip
        return Deaf(spatial_dims, in_channels, out_channels)


def test_broken_promises_are_named(plugins: None) -> None:
    register("denoisers", "deaf")(DeafArchitecture)

    with pytest.raises(PluginError) as error:
        check_denoiser("deaf")

    message = str(error.value)
    assert "in 2D, it returns 32-bit images of the size of what it gets, whatever the size" in message
    assert "it gives torch.float32 (2, 3, 7, 5) instead of (2, 3, 13, 10)" in message
    assert "every parameter gets a gradient; it gives none to idle.weight, idle.bias" in message
    assert "matter; it gives the same images for another timestep, class, vector, channels" in message
    assert "in 2D, it is finite under bf16 autocast, in 32 bits; it gives torch.bfloat16" in message
    assert "its weights can be saved" not in message


def test_a_wrong_parameter_is_no_broken_promise() -> None:
    with pytest.raises(ConfigError, match=r"check of denoisers\.unet: unet: norm_num_groups 3 does not divide"):
        check_denoiser("unet", {"num_channels": [8], "attention_levels": [False], "num_res_blocks": 1,
                                "norm_num_groups": 3, "num_head_channels": 8})  # fmt: skip
