"""A small U-Net that learns to segment hippocampi: are synthetic images as good to learn from as real ones?"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from torch import Tensor

Array = npt.NDArray[Any]

_SIZES = {2: (64, 48), 3: (48, 64, 48)}
_DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
STEPS = int(os.environ.get("BENCHMARK_SEGMENTER_STEPS", "1000" if _DEVICE == "cuda" else "240"))
_BATCH, _RATE = 8, 3e-3


def train_segmenter(images: Sequence[Array], masks: Sequence[Array], seed: int = 0) -> torch.nn.Module:
    """Return a U-Net after a fixed number of steps, the same for any number of images."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    inputs, labels = _batch(images, masks)
    network = UNet(inputs.ndim - 2, 1, 3, (16, 32, 64), (2, 2), num_res_units=1, norm="BATCH").to(_DEVICE)
    optimizer = torch.optim.AdamW(network.parameters(), _RATE)
    criterion = DiceCELoss(to_onehot_y=True, softmax=True)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1, 2 * (1 - step / STEPS))
        chosen = torch.from_numpy(rng.integers(0, len(inputs), _BATCH)).to(_DEVICE)
        seen = inputs[chosen] ** float(rng.uniform(0.7, 1.4))
        loss = criterion(network(seen + 0.02 * torch.randn_like(seen)), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def score_segmenter(
    network: torch.nn.Module, images: Sequence[Array], masks: Sequence[Array], subjects: Sequence[str]
) -> dict[str, float]:
    """Return the mean over the subjects of the Dice of both labels, and half of its 95 % interval."""
    inputs, labels = _batch(images, masks)
    with torch.no_grad():
        found = torch.cat([network(part).argmax(1, keepdim=True) for part in inputs.split(8)])
    scores = []
    for subject in dict.fromkeys(subjects):
        own = torch.tensor([name == subject for name in subjects])
        scores.append(np.mean([_dice(found[own] == label, labels[own] == label) for label in (1, 2)]))
    return {"dice": float(np.mean(scores)), "interval": float(1.96 * np.std(scores, ddof=1) / len(scores) ** 0.5)}


def _dice(one: Tensor, other: Tensor) -> float:
    total = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


def _batch(images: Sequence[Array], masks: Sequence[Array]) -> tuple[Tensor, Tensor]:
    scaled = [crop(scale_image(image)) for image in images]
    labels = [crop(np.where(mask > 2, 0, mask)) for mask in masks]
    return (
        torch.tensor(np.stack(scaled))[:, None].float().to(_DEVICE),
        torch.tensor(np.stack(labels))[:, None].long().to(_DEVICE),
    )


def scale_image(image: Array) -> Array:
    """Return the image with its 0.5th and 99.5th percentiles at 0 and 1."""
    low, high = np.percentile(image, (0.5, 99.5))
    scaled: Array = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    return scaled


def crop(image: Array) -> Array:
    """Return the image in the middle of one of the network's size."""
    size = _SIZES[image.ndim]
    room = [max(wanted - length, 0) for wanted, length in zip(size, image.shape, strict=True)]
    padded = np.pad(image, [(part // 2, part - part // 2) for part in room])
    starts = [(length - wanted) // 2 for length, wanted in zip(padded.shape, size, strict=True)]
    return padded[tuple(slice(start, start + wanted) for start, wanted in zip(starts, size, strict=True))]
