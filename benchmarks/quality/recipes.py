"""The configurations of this project that take part: the families as they come."""

from typing import Any

OURS: dict[str, dict[str, Any]] = {
    "ddpm": {"model_name": "ddpm"},
    "flow_matching": {"model_name": "flow_matching"},
    "latent_diffusion": {"model_name": "latent_diffusion"},
}
