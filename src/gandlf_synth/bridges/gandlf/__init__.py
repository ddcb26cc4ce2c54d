"""GaNDLF's own components as ``gandlf:NAME``, where the package ``gandlf`` can be imported.

GaNDLF keeps a dictionary per kind of component. An adapter per kind turns what is in it into what this project calls.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from gandlf_synth.errors import ConfigError, PluginError, Problem

_DICTIONARIES = {
    "optimizers": ("GANDLF.optimizers", "global_optimizer_dict"),
    "schedulers": ("GANDLF.schedulers", "global_schedulers_dict"),
    "losses": ("GANDLF.losses", "global_losses_dict"),
    "paired_metrics": ("GANDLF.metrics", "global_metrics_dict"),
    "preprocessing": ("GANDLF.data.preprocessing", "global_preprocessing_dict"),
    "augmentations": ("GANDLF.data.augmentation", "global_augs_dict"),
    "postprocessing": ("GANDLF.data.post_process", "global_postprocessing_dict"),
}
_TRAINING = "gandlf_synth.bridges.gandlf.training"
_IMAGES = "gandlf_synth.bridges.gandlf.images"
_ADAPTERS = {
    "optimizers": (_TRAINING, "optimizer"),
    "schedulers": (_TRAINING, "scheduler"),
    "losses": (_TRAINING, "loss"),
    "paired_metrics": (_TRAINING, "metric"),
    "preprocessing": (_IMAGES, "preprocessing"),
    "augmentations": (_IMAGES, "augmentation"),
    "postprocessing": (_IMAGES, "postprocessing"),
}


def names(group: str) -> list[str]:
    """Return the names that GaNDLF has in ``group``; none for groups that it does not know.

    Raises:
        PluginError: GaNDLF is not installed, or something that it imports is not.
    """
    return sorted(_dictionary(group)) if group in _DICTIONARIES else []


def load(group: str, name: str) -> Any:
    """Return GaNDLF's component ``name`` as one of ``group``.

    Raises:
        ConfigError: it has none of that name.
        PluginError: see ``names``.
    """
    entries = {key.lower(): entry for key, entry in _dictionary(group).items()}
    if name.lower() not in entries:
        raise ConfigError(Problem(group, f"GaNDLF has no {name!r}", ", ".join(sorted(entries))))
    module, function = _ADAPTERS[group]
    adapt: Callable[[str, Any], Any] = getattr(import_module(module), function)
    return adapt(name.lower(), entries[name.lower()])


def _dictionary(group: str) -> Mapping[str, Any]:
    if find_spec("GANDLF") is None:
        fix = "pip install --no-deps gandlf, in an environment of its own: its pins contradict ours"
        raise PluginError(Problem(f"gandlf: in {group}", "needs the package gandlf", fix=fix))
    module, attribute = _DICTIONARIES[group]
    try:
        if module not in ("GANDLF.optimizers", "GANDLF.schedulers"):
            import_module("GANDLF.data")  # the others import each other in a circle that only this one enters well
        found: Mapping[str, Any] = getattr(import_module(module), attribute)
    except (ImportError, NameError, AttributeError, RuntimeError) as error:  # what half-installed packages raise
        fix = f"pip install --no-deps {error.name}" if isinstance(error, ModuleNotFoundError) else ""
        raise PluginError(Problem(f"gandlf: in {group}", f"GaNDLF cannot be imported: {error}", fix=fix)) from error
    return found
