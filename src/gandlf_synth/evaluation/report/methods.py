"""A methods paragraph for a paper: what was compared and how, with versions and sources."""

import re

from gandlf_synth.evaluation.report.templates import format_interval, format_reference
from gandlf_synth.evaluation.results import Evaluation

SOFTWARE = "Pati S, et al. GaNDLF-Synth: A Framework to Democratize Generative AI for (Bio)Medical Imaging. arXiv:2410.00173, 2024."  # fmt: skip  # noqa: E501
SOURCES = {
    "kid": "Bińkowski M, et al. Demystifying MMD GANs. ICLR 2018.",
    "fid": "Heusel M, et al. GANs trained by a two time-scale update rule converge to a local Nash equilibrium. "
    "NeurIPS 2017.",
    "precision": "Kynkäänniemi T, et al. Improved precision and recall metric for assessing generative models. "
    "NeurIPS 2019.",
    "recall": "Kynkäänniemi T, et al. Improved precision and recall metric for assessing generative models. "
    "NeurIPS 2019.",
    "density": "Naeem MF, et al. Reliable fidelity and diversity metrics for generative models. ICML 2020.",
    "coverage": "Naeem MF, et al. Reliable fidelity and diversity metrics for generative models. ICML 2020.",
    "ms_ssim": "Wang Z, et al. Multiscale structural similarity for image quality assessment. Asilomar 2003.",
    "texture": "Zwanenburg A, et al. The image biomarker standardization initiative. Radiology 295(2), 2020.",
    "spectrum": "Durall R, et al. Watch your up-convolution: CNN based generative deep neural networks are failing to "
    "reproduce spectral distributions. CVPR 2020.",
    "copies": "Carlini N, et al. Extracting training data from diffusion models. USENIX Security 2023.",
    "membership": "Shokri R, et al. Membership inference attacks against machine learning models. IEEE S&P 2017.",
    "train_synthetic": "Esteban C, et al. Real-valued (medical) time series generation with recurrent conditional "
    "GANs. arXiv:1706.02633, 2017.",
}
"""Where the built-in measures come from, by name."""
_LIBRARIES = ("python", "torch", "monai", "numpy")


def write_methods(evaluation: Evaluation) -> tuple[str, list[str]]:
    """Return the paragraph, whose numbers in brackets are the references, and these."""
    references = [SOFTWARE]
    versions = evaluation.versions
    parts = [
        f"Synthetic images ({_count(evaluation, 'synthetic')}) were compared with real images "
        f"({_count(evaluation, 'real')}) using GaNDLF-Synth {versions.get('gandlf-synth', '')} [1].",
        f"Images were brought to one grid ({evaluation.comparison['resize_rule']}) and to one range of intensities "
        f"({evaluation.comparison['intensity_rule']}).",
        f"Features were those of {evaluation.extractor['name']} ({_weights(evaluation)}, "
        f"{evaluation.extractor['features']} features per plane or volume).",
    ]
    if "train" in evaluation.inputs:
        parts.append(f"Copies were searched for among the training images ({_count(evaluation, 'train')}).")
    measured = [metric for metric in evaluation.metrics if metric.value is not None]
    texts = []
    for metric in measured:
        cited = ""
        if source := SOURCES.get(metric.name):
            if source not in references:
                references.append(source)
            cited = f" [{references.index(source) + 1}]"
        real = f"; {format_reference(metric.floor, metric.unit)}" if metric.floor else ""
        texts.append(f"{metric.title}{cited}: {format_interval(metric.value, metric.unit)}{real}")
    ways = sorted({metric.interval_method for metric in measured if metric.interval_method})
    parts.append(
        f"Values are given with 95 % intervals ({'; '.join(ways)}), and beside the same value between real images of "
        "different subjects, which equally good synthetic images would get."
    )
    parts.append(". ".join(texts) + ".")
    software = ", ".join(f"{name} {versions[name]}" for name in _LIBRARIES if name in versions)
    parts.append(f"The random seed was {evaluation.comparison['seed']}; software: {software}.")
    return " ".join(parts), [f"[{k}] {text}" for k, text in enumerate(references, 1)]


def _weights(evaluation: Evaluation) -> str:
    """Return which weights the extractor has: the begin of their checksum, or what stands for it."""
    checksum = str(evaluation.extractor["weights_sha256"])
    return f"weights SHA-256 {checksum[:12]}" if re.fullmatch("[0-9a-f]{64}", checksum) else f"weights {checksum}"


def _count(evaluation: Evaluation, name: str) -> str:
    facts = evaluation.inputs[name]
    return f"n = {facts['images']} of {facts['subjects']} subjects"
