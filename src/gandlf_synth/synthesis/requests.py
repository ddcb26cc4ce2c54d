"""Which images to make: a number of them or a number per class, each with its own seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gandlf_synth.data.loading.condition import class_condition
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing
from gandlf_synth.models.sampling import SampleBatch
from gandlf_synth.provenance import Purpose, fold_seed


@dataclass(frozen=True)
class ImageRequest:
    """One image to make.

    Args:
        index: its number, which is in its file name.
        seed: decides it, together with the model and the class.
        class_index: its class as the network counts them, or None without classes.
    """

    index: int
    seed: int
    class_index: int | None


def sample_batch(requests: Sequence[ImageRequest]) -> SampleBatch:
    """Return the seeds of ``requests``, and what the images are made from."""
    classes = [request.class_index for request in requests if request.class_index is not None]
    return [request.seed for request in requests], class_condition(classes)


def image_requests(
    counts: int | Mapping[str, int], spec: DataSpec, seed: int, only: frozenset[int] | None = None
) -> list[ImageRequest]:
    """Return the images that ``counts`` asks for.

    Args:
        counts: a number, shared out evenly among the classes, or a number per class name or label.
        spec: what the model knows.
        seed: the user's seed; image k depends on it and on k, not on how many images are asked for.
        only: the indices to make, of those that ``counts`` gives; None: all.

    Raises:
        ConfigError: an unknown class, classes asked of a model without, a negative number, no image at all, or an
            index in ``only`` beyond the last.
    """
    classes = _classes(counts, spec)
    if not classes:
        raise ConfigError(Problem("n_images_to_generate", "asks for no image", "1 or more"))
    beyond = sorted(index for index in only or () if index >= len(classes))
    if beyond:
        raise ConfigError(Problem("--only", f"names image {beyond[0]}", f"0 to {len(classes) - 1}"))
    return [
        ImageRequest(index, fold_seed(seed, Purpose.IMAGE, index), class_index)
        for index, class_index in enumerate(classes)
        if only is None or index in only
    ]


def _classes(counts: int | Mapping[str, int], spec: DataSpec) -> list[int | None]:
    if isinstance(counts, int):
        if counts < 0:
            raise ConfigError(Problem("n_images_to_generate", f"is {counts}", "1 or more"))
        return [index % spec.num_classes if spec.num_classes else None for index in range(counts)]
    if not spec.num_classes:
        raise ConfigError(
            Problem("n_images_to_generate", "names classes, but the model was trained without labels", "a number")
        )
    chosen: list[int | None] = []
    for name, count in counts.items():
        class_index = spec.class_index(name)
        if class_index is None:
            known = listing(spec.class_names)
            hint = did_you_mean(name, spec.class_names)
            raise ConfigError(Problem("n_images_to_generate", f"the model knows no class {name!r}", known, hint))
        if count < 0:
            raise ConfigError(Problem("n_images_to_generate", f"class {name!r} is {count}", "0 or more"))
        chosen += [class_index] * count
    return chosen
