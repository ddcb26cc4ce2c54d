"""Flow matching along straight paths (Lipman et al. 2023, arXiv 2210.02747; Liu et al. 2023, arXiv 2209.03003)."""

from gandlf_synth.models.family import ModelFamily

FAMILY = ModelFamily(
    title="Flow matching along straight paths, with classes by classifier-free guidance",
    paper="Lipman et al. 2023, arXiv 2210.02747; Liu et al. 2023, arXiv 2209.03003",
    config="gandlf_synth.models.flow_matching.config:FlowMatchingConfig",
    module="gandlf_synth.models.flow_matching.module:FlowMatching",
    tasks=("synthesis", "inpainting"),
    tiny={
        "architecture": {
            "num_channels": [8, 8],
            "attention_levels": [False, True],
            "num_res_blocks": 1,
            "norm_num_groups": 4,
            "num_head_channels": 4,
        },
        "num_inference_steps": 3,
    },
)
