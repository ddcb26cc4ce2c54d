"""Does the installation work? One real training step on every kind of device."""

import time
from dataclasses import dataclass

import torch

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.launcher import Hardware, hardware
from gandlf_synth.models.build import build_module
from gandlf_synth.provenance import software_versions


@dataclass(frozen=True)
class StepReport:
    """One training step on one device."""

    device: str
    name: str
    loss: float
    seconds: float


@dataclass(frozen=True)
class InstallReport:
    """Versions, hardware, and a step per device."""

    versions: dict[str, str]
    hardware: Hardware
    steps: list[StepReport]


def verify() -> InstallReport:
    """Return what is installed after a forward and a backward pass of ``ddpm`` on every device."""
    devices = {"cpu": "processor"}
    devices |= {f"cuda:{index}": torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple GPU"
    return InstallReport(software_versions(), hardware(), [_step(device, name) for device, name in devices.items()])


def _step(device: str, name: str) -> StepReport:
    spec = DataSpec(
        spatial_dims=2, num_channels=1, shape=(16, 16), affine=((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
        physical=True, modality="rad", paradigm="unlabeled", low=(0.0,), high=(1.0,),
        range_scale=(1.0,), range_offset=(0.0,), dtype="float32", column_channels=(1,), column_names=("channel_0",),
    )  # fmt: skip
    started = time.monotonic()
    module = build_module({"model_name": "ddpm"}, spec).to(device)
    batch = Batch(image=torch.zeros(2, 1, 16, 16, device=device), condition=Condition(), index=torch.arange(2))
    loss = module.training_step(batch, 0)
    loss.backward()
    return StepReport(device, name, float(loss.detach()), time.monotonic() - started)
