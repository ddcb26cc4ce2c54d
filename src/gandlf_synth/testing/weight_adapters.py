"""The conformance kit of weight adapters: no weight is lost, and the same numbers come out."""

import torch

from gandlf_synth import registry
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.build import build_module
from gandlf_synth.pretrained.adapters.base import AdaptedWeights, AdapterExample, WeightAdapter
from gandlf_synth.testing.promises import Promises, seen_unless
from gandlf_synth.testing.synthetic_data import synthetic_spec

_TOLERANCE = 1e-5
"""Largest difference of outputs, as a share of the largest output where that is above 1."""


def check_weight_adapter(name: str) -> None:
    """Check a registered weight adapter on its own examples.

    Args:
        name: the registered name.

    Raises:
        PluginError: every promise that the adapter breaks.

    Example:
        >>> check_weight_adapter("gandlf-synth")
    """
    adapter: WeightAdapter = registry.load("weight_adapters", name)()
    promises = Promises(f"weight_adapters.{name}")
    promises.add("it has an example", lambda: seen_unless(bool(adapter.examples()), "none"))
    promises.add("it recognizes its own layout, and no other adapter does", _is_recognized, name, adapter)
    promises.add("every weight finds its place, with its size", _all_fit, adapter)
    promises.add("the model computes what the original network computes, within 1e-5", _equal, adapter)
    promises.check()


def _is_recognized(name: str, adapter: WeightAdapter) -> str:
    adapters: dict[str, WeightAdapter] = {
        other: registry.load("weight_adapters", other)() for other in registry.names("weight_adapters")
    }
    for example in adapter.examples():
        known = [other for other, each in adapters.items() if each.recognizes(example.stored)]
        if known != [name]:
            return f"it gives {', '.join(known) or 'none'}"
    return ""


def _all_fit(adapter: WeightAdapter) -> str:
    for example in adapter.examples():
        adapted = adapter.adapt(example.stored, example.family)
        own = _module(example, adapted).state_dict()
        lost = [key for key, value in adapted.weights.items() if key not in own or own[key].shape != value.shape]
        if lost or len(adapted.weights) < len(example.stored.weights):
            return f"it gives no place for {', '.join(lost[:3]) or 'some'}"
    return ""


@torch.no_grad()
def _equal(adapter: WeightAdapter) -> str:
    for example in adapter.examples():
        adapted = adapter.adapt(example.stored, example.family)
        module = _module(example, adapted)
        module.load_state_dict(dict(adapted.weights), strict=False)
        expected, computed = example.outputs(module.eval())
        difference = float((expected - computed).abs().max())
        if not difference <= _TOLERANCE * max(1.0, float(expected.abs().max())):
            return f"it gives a difference of {difference:.2g}"
    return ""


def _module(example: AdapterExample, adapted: AdaptedWeights) -> GenerativeModule:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return build_module(
            {"model_name": example.family, **adapted.section}, synthetic_spec(example.shape, 1, "unlabeled")
        )
