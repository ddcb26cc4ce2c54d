"""The conformance kit of feature extractors: networks whose features of images are compared."""

from pathlib import Path

import torch
from torch import Tensor

from gandlf_synth.metrics.extractors.base import Extractor, build_extractor
from gandlf_synth.testing.promises import Promises, seen_unless

_SIDES = (40, 33, 28)
_NUM_IMAGES = 3


def check_feature_extractor(name: str, weights: Path | None = None) -> None:
    """Check a registered feature extractor.

    Args:
        name: the registered name, or a TorchScript file.
        weights: the file of weights, for those that bring none.

    Raises:
        ConfigError: the weights are missing, not needed, or of another network.
        PluginError: every promise that the extractor breaks.

    Example:
        >>> check_feature_extractor("random-conv")
    """
    extractor = build_extractor(name, weights)
    promises = Promises(f"feature_extractors.{name}")
    promises.add("it says which weights it has, for the record", _says_weights, extractor)
    promises.add("every image has as many finite 32-bit features, whatever its size", _same_dimension, extractor)
    promises.add("channels beyond grey and colour are looked at one by one", _any_channels, extractor)
    promises.add("the same images have the same features, built again too", _repeatable, extractor, name, weights)
    promises.add("the features of an image do not depend on the others of its batch", _alone, extractor)
    promises.add("different images have different features", _tells_apart, extractor)
    promises.add("torch's own generator stays as it is, and nothing is differentiated", _leaves_no_trace, extractor)
    promises.check()


def _images(extractor: Extractor, num_channels: int = 1, *, scale: float = 1) -> Tensor:
    """Return images in [0, 1], which differ in how fine their texture is; the first is flat."""
    shape = [round(side * scale) for side in _SIDES[: extractor.spatial_dims]]
    rng = torch.Generator().manual_seed(0)
    fine = torch.rand(_NUM_IMAGES, num_channels, *shape, generator=rng)
    contrast = torch.linspace(0, 1, _NUM_IMAGES).view(-1, *(1,) * (fine.ndim - 1))
    return 0.5 + contrast * (fine - 0.5)


def _says_weights(extractor: Extractor) -> str:
    return seen_unless(bool(extractor.weights_sha256.strip()), "nothing")


def _same_dimension(extractor: Extractor) -> str:
    features = [extractor(_images(extractor, scale=scale)) for scale in (1, 2)]
    shapes = {tuple(rows.shape) for rows in features}
    kept = len(shapes) == 1 and features[0].ndim == 2 and len(features[0]) == _NUM_IMAGES
    finite = all(rows.dtype == torch.float32 and bool(torch.isfinite(rows).all()) for rows in features)
    return seen_unless(kept and finite, shapes if finite else "features that are not finite 32-bit numbers")


def _any_channels(extractor: Extractor) -> str:
    images = _images(extractor, 2)
    one, both = extractor(images[:, :1]), extractor(images)
    kept = both.shape == (len(one), 2 * one.shape[1]) and torch.allclose(both[:, : one.shape[1]], one, atol=1e-4)
    return seen_unless(kept, f"{tuple(both.shape)} for two channels and {tuple(one.shape)} for the first")


def _repeatable(extractor: Extractor, name: str, weights: Path | None) -> str:
    again = build_extractor(name, weights)
    images = _images(extractor, 3)
    features = extractor(images)
    return seen_unless(all(torch.equal(features, other(images)) for other in (extractor, again)), "other features")


def _alone(extractor: Extractor) -> str:
    images = _images(extractor)
    together, alone = extractor(images)[1:2], extractor(images[1:2])
    return seen_unless(torch.allclose(together, alone, rtol=1e-3, atol=1e-4), "other features")


def _tells_apart(extractor: Extractor) -> str:
    features = extractor(_images(extractor))
    return seen_unless(not torch.allclose(features[1], features[2], rtol=1e-4), "the same features")


def _leaves_no_trace(extractor: Extractor) -> str:
    before = torch.get_rng_state()
    features = extractor(_images(extractor).requires_grad_())
    if features.requires_grad:
        return seen_unless(False, "features with a gradient")
    return seen_unless(torch.equal(before, torch.get_rng_state()), "another state of the generator")
