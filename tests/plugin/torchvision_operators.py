"""A pytest plugin: lets a torchvision without its compiled part be imported, as PyPI's cannot be loaded without CUDA.

GaNDLF imports torchvision for networks that the bridge does not use. Importing it describes two operators to torch,
which has to know them by then.
"""

from importlib import import_module

import torch

try:
    import_module("torchvision")
except RuntimeError:
    OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
