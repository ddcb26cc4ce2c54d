"""A trained model in forms that others can use: weights with a card, a MONAI bundle, TorchScript, ONNX."""

from gandlf_synth.exporting.package import FORMATS, ExportFormat, export_package

__all__ = ["FORMATS", "ExportFormat", "export_package"]
