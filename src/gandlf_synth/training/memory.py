"""Running out of memory, in training or in a process that loads images, said in words that help."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import torch

from gandlf_synth.config import Config
from gandlf_synth.errors import Problem, ResourceError

_LOADER = ("DataLoader worker", "unable to open shared memory object", "unable to write to file </torch_")
"""How torch begins to say that a process which loads images was ended, or that shared memory is full."""
_SHARED_MEMORY = (
    "the system ended it, mostly because memory is used up: set num_workers: 0 for train in dataloader_config, "
    "ask for more memory, or, in Docker, start the container with --shm-size=8g or --ipc=host"
)


@contextmanager
def memory_guard(config: Config) -> Iterator[None]:
    """Turn an out-of-memory error of the block into one that names the three cheapest changes.

    Raises:
        ResourceError: memory ran out, here or in a process that loads images.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        said = str(error).splitlines()[0] if str(error) else ""
        if any(words in said for words in _LOADER):
            raise ResourceError(Problem("a process that loads images", said, fix=_SHARED_MEMORY)) from error
        if not _is_memory(error):
            raise
        raise ResourceError(Problem("training", f"ran out of memory: {said}", fix=cheapest_changes(config))) from error


def _is_memory(error: BaseException) -> bool:
    return not isinstance(error, RuntimeError) or any(
        words in str(error) for words in ("out of memory", "can't allocate memory", "not enough memory")
    )


def cheapest_changes(config: Config) -> str:
    """Return the changes that save most for least, with what each saves of the activations, the bulk of the memory."""
    changes = []
    size = int(config.batch_size)
    if size > 1:
        half = size // 2
        steps = config.model.accumulate_grad_batches * size // half
        halved = f"batch_size: {half} with accumulate_grad_batches: {steps}"
        changes.append(f"{halved} (about {1 - half / size:.0%} less, the same result)")
    if str(config.compute.precision).startswith("32"):
        changes.append("compute.precision: bf16-mixed (about 45% less)")
    shape = config.model.tensor_shape
    if shape != "auto":
        smaller = [max(8, int(length * 0.75) // 8 * 8) for length in shape]
        saved = 1 - prod(smaller) / prod(shape)
        if saved > 0:
            changes.append(f"model_config.tensor_shape: {smaller} (about {saved:.0%} less)")
    changes.append("fewer num_channels in model_config.architecture (half of them: about 50% less)")
    return "try one of: " + "; ".join(changes[:3])
