"""Weights that have a row for each class: which they are, and how they go to another set of classes, by name."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gandlf_synth.models.autoencoder_kl.prior import LatentGaussian
from gandlf_synth.networks.code_prior import CodePrior

_EMBEDDINGS = ("classes", "class_embedding", "context")
_BUFFERS = ("mean_style",)


def class_tables(module: nn.Module) -> dict[str, int]:
    """Return the weights that have a row for each class, and the row of the first class.

    Example:
        >>> network = nn.Sequential()
        >>> network.classes = nn.Embedding(3, 4)
        >>> class_tables(network)
        {'classes.weight': 0}
    """
    tables = {}
    for name, part in module.named_modules():
        place = f"{name}." if name else ""
        if isinstance(part, nn.Embedding) and name.rpartition(".")[2] in _EMBEDDINGS:
            tables[f"{place}weight"] = 0
        elif isinstance(part, LatentGaussian):
            tables |= {f"{place}{buffer}": 0 for buffer, _ in part.named_buffers(recurse=False)}
        elif isinstance(part, CodePrior):
            layers = ("token_embeddings.weight", "to_logits.weight", "to_logits.bias")
            tables |= {f"{place}transformer.{layer}": part.num_codes for layer in layers}
        for buffer, _ in part.named_buffers(recurse=False):
            if buffer in _BUFFERS:
                tables[f"{place}{buffer}"] = 0
    return tables


def rows_by_class(
    theirs: Tensor, own: Tensor, first: int, their_classes: Sequence[str], classes: Sequence[str]
) -> Tensor | None:
    """Return the rows of ``theirs`` where ``own`` has the classes of the same names, or None where they cannot fit.

    A class that the parent lacks starts like an image of no class where the parent knows such, else like the mean of
    its classes.

    Args:
        theirs: ``(first + classes of the parent + more, …)``.
        own: ``(first + classes + more, …)``.
        first: the row of the first class.
        their_classes: names of the parent's classes, in the order of their rows.
        classes: names of the model's classes, in the order of their rows.

    Example:
        >>> theirs, own = torch.tensor([[1.0], [2.0], [9.0]]), torch.zeros(4, 1)
        >>> rows_by_class(theirs, own, 0, ["a", "b"], ["b", "c", "a"]).flatten().tolist()
        [2.0, 9.0, 1.0, 9.0]
    """
    if theirs.shape[1:] != own.shape[1:] or min(len(theirs), len(own)) <= first:
        return None
    groups = max(1, len(their_classes))
    others = theirs[first + groups :]
    usual = others[0] if len(others) else theirs[first : first + groups].float().mean(0).to(theirs)
    merged = usual.expand(own.shape).clone() if own.ndim > 1 else torch.full_like(own, float(usual))
    merged[:first] = theirs[:first]
    for row, name in enumerate(classes):
        if name in their_classes:
            merged[first + row] = theirs[first + list(their_classes).index(name)]
    return merged
