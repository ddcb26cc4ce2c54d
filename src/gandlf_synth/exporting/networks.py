"""Single networks as TorchScript and ONNX, each checked against the original before it is kept."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gandlf_synth.errors import MissingExtraError, PluginError, Problem, option
from gandlf_synth.models.base import ExportedNetwork
from gandlf_synth.models.checkpoint import weights_file

_TOLERANCE = 1e-3


def write_torchscript(part: ExportedNetwork, path: Path) -> Path:
    """Trace ``part`` and write it.

    Raises:
        PluginError: the traced network computes something else.
    """
    traced: Any = torch.jit.trace(part.network, part.inputs, check_trace=False)  # type: ignore[no-untyped-call]
    _check(traced(*part.inputs), part, path)
    with weights_file(path) as temporary, temporary.open("wb") as file:
        torch.jit.save(traced, file)  # given a path, torch's writer aborts the process where the disk takes no more
    return path


def write_onnx(part: ExportedNetwork, path: Path) -> Path:
    """Convert ``part`` to ONNX, run it with onnxruntime and write it.

    Raises:
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
        PluginError: the converted network computes something else.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if not find_spec(package):
            raise MissingExtraError(f"{option('formats')} onnx", package, "export")
    import onnxruntime

    with weights_file(path) as temporary:
        program: Any = torch.onnx.export(part.network, part.inputs, dynamo=True, verbose=False)
        program.save(str(temporary), external_data=False)
        session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        names = [entry.name for entry in session.get_inputs()]
        inputs = {name: value.numpy() for name, value in zip(names, part.inputs, strict=True)}
        _check(torch.from_numpy(session.run(None, inputs)[0]), part, path)
    return path


@torch.inference_mode()
def _check(output: Tensor, part: ExportedNetwork, path: Path) -> None:
    expected = part.network(*part.inputs)
    difference = float((output - expected).abs().max())
    if difference > _TOLERANCE * max(1.0, float(expected.abs().max())):
        what = f"gives other values than the model, by up to {difference:.2g}, and was not kept"
        raise PluginError(Problem(str(path), what, fix="export the format safetensors or bundle"))
