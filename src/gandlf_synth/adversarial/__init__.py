"""The mathematics of adversarial training: augmentation, gradient penalties, distances between sets of images."""

from gandlf_synth.adversarial.augmentation import AnatomicalAugmentation, DiffAugment
from gandlf_synth.adversarial.distance import EnergyDistance
from gandlf_synth.adversarial.penalties import path_lengths, r1_penalty, wasserstein_penalty
from gandlf_synth.adversarial.resolutions import resolutions

__all__ = [
    "AnatomicalAugmentation",
    "DiffAugment",
    "EnergyDistance",
    "path_lengths",
    "r1_penalty",
    "resolutions",
    "wasserstein_penalty",
]
