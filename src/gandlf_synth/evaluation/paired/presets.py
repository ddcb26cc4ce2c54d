"""How challenges compare pairs, as data; a number made with a preset may stand beside those of its challenge."""

from gandlf_synth.evaluation.paired.comparison import Comparison, Overlap

USUAL = Comparison(
    metrics={
        "mean_absolute_error": {},
        "peak_signal_noise_ratio": {},
        "structural_similarity_index": {},
        "ms_ssim": {},
        "correlation": {},
        "perceptual_distance": {},
    },
)
"""What is measured where no preset and no metric is named: ranges are those of each original."""

_HOUNSFIELD = (-1024.0, 3071.0)
_LUNGS, _VERTEBRAE, _RIBS = (10, 11, 12, 13, 14), tuple(range(26, 51)), tuple(range(92, 116))
_SPINAL_CORD, _BRAIN, _SKULL, _STERNUM = 79, 90, 91, 116
_KIDNEYS, _LIVER, _STOMACH = (2, 3), 5, 6
_THORAX = (_LIVER, _STOMACH, *_LUNGS, *_VERTEBRAE, _SPINAL_CORD, *_RIBS, _STERNUM)

PRESETS = {
    "synthrad": Comparison(
        title="SynthRAD2025",
        source="github.com/SynthRAD2025/evaluation, image_metrics.py (17cac47); SynthRAD2025/metrics (0beef65)",
        mask_columns=("Mask",),
        needs_mask=True,
        in_file_axes=True,
        metrics={
            "mean_absolute_error": {},
            "peak_signal_noise_ratio": {"data_range": _HOUNSFIELD, "clip": True},
            "masked_ms_ssim": {"data_range": _HOUNSFIELD},
            "perceptual_distance": {"data_range": _HOUNSFIELD},
        },
        overlap=Overlap(
            structures="reference",
            regions={
                "AB": (*_KIDNEYS, *_THORAX),
                "HN": (*_VERTEBRAE, _SPINAL_CORD, _BRAIN, _SKULL),
                "TH": _THORAX,
            },
        ),
        remarks=("errors are in HU, inside the body mask; PSNR and MS-SSIM take -1024 to 3071 HU for the whole range",),
    ),
    "brats-inpainting": Comparison(
        title="BraTS inpainting 2023",
        source="PyPI inpainting 0.0.12, challenge_metrics_2023.py; github.com/BraTS-inpainting/2023_challenge",
        mask_columns=("Region", "Mask"),
        needs_mask=True,
        in_file_axes=True,
        outside=0.0,
        normalize_by="voided",
        metrics={
            "structural_similarity_index": {"data_range": "both", "across": 0},
            "mean_squared_error": {},
            "peak_signal_noise_ratio": {"data_range": "original", "clip": True},
            "perceptual_distance": {"data_range": (0.0, 1.0)},
        },
        remarks=(
            "everything is computed inside the region, on values in [0, 1] by percentiles of the voided image",
            "SSIM has windows in planes across the first axis of the file, as the challenge's program has",
        ),
    ),
    "brasyn": Comparison(
        title="BraSyn",
        source="arXiv 2305.09011; github.com/hongweilibran/BraSyn_tutorial (08a15a0), get_segmentation_metric.py",
        mask_columns=(),
        in_file_axes=True,
        normalize_by="original",
        metrics={
            "structural_similarity_index": {"data_range": "both", "across": 0},
            "peak_signal_noise_ratio": {"data_range": (0.0, 1.0)},
            "perceptual_distance": {"data_range": (0.0, 1.0)},
        },
        overlap=Overlap(structures="either", reference="Mask"),
        remarks=(
            "BraSyn's organizers have published no program for their SSIM: this is the one of the BraTS inpainting "
            "challenge on the whole image, on values in [0, 1] by percentiles of the original",
        ),
    ),
}
