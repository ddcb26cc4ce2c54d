"""Which weights of a model learn: all, those that are not frozen, or changes of low rank beside them."""

from collections.abc import Collection, Sequence

from torch import nn

from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.networks.lora import add_changes, changeable_layers, is_change, merge_changes, plain_name

_SHOWN = 24


def choose_trained_weights(module: GenerativeModule) -> None:
    """Freeze what ``freeze`` names, and put changes of low rank beside the weights where ``lora`` asks for them.

    Raises:
        ConfigError: there is no such part, nothing is left to train, or ``lora`` finds no layer.
    """
    for part in module.config.freeze:
        _freeze(module, part)
    if module.config.lora is not None:
        _add_changes(module)
    if module.config.freeze:
        _check_left(module)


def learn_whole(module: GenerativeModule, names: Collection[str]) -> None:
    """Let weights learn as a whole beside changes of low rank, and keep their names in the configuration.

    Args:
        module: trained by ``lora``; nothing happens to others.
        names: plain names; those of frozen parts and of networks that learn anyway are left out.
    """
    lora = module.config.lora
    if lora is None:
        return
    inside = {id(weight) for weight in changed_network(module).parameters()}
    chosen = {
        plain_name(name): weight
        for name, weight in module.named_parameters()
        if plain_name(name) in names and id(weight) in inside and not is_frozen(name, module.config.freeze)
    }
    for weight in chosen.values():
        weight.requires_grad_(True)
    lora = lora.model_copy(update={"learned_whole": sorted(chosen)})
    module.config = module.config.model_copy(update={"lora": lora})


def is_frozen(name: str, frozen: Sequence[str]) -> bool:
    """Say whether a weight lies in one of the ``frozen`` parts.

    Example:
        >>> is_frozen("autoencoder.encoder.blocks.0.weight", ["encoder"])
        True
    """
    return any(f".{part}." in f".{name}." for part in frozen)


def _freeze(module: GenerativeModule, part: str) -> None:
    frozen = [weight for name, weight in module.named_parameters() if is_frozen(name, [part])]
    if not frozen:
        parts = _parts(module)
        what = f"names {part!r}, and {module.config.model_name} has no part of that name"
        problem = Problem("model_config.freeze", what, listing(parts, _SHOWN), did_you_mean(part, parts))
        raise ConfigError(problem)
    for weight in frozen:
        weight.requires_grad_(False)


def _parts(module: nn.Module) -> list[str]:
    """Return the names of parts, the outer ones first; numbers are names of layers in a row."""
    names = [name for name, part in module.named_modules() if name and any(True for _ in part.parameters())]
    words = [name.rpartition(".")[2] for name in sorted(names, key=lambda name: name.count("."))]
    return [word for word in dict.fromkeys(words) if not word.isdigit()]


def _check_left(module: GenerativeModule) -> None:
    for name, network in module.networks_by_optimizer().items():
        weights = list(network.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            what = f"leaves nothing of the network {name!r} to train"
            raise ConfigError(Problem("model_config.freeze", what, fix="freeze fewer parts"))


def _add_changes(module: GenerativeModule) -> None:
    lora = module.config.lora
    if lora is None:
        return
    network = changed_network(module)
    only_attention = lora.where == "attention"
    if not any(changeable_layers(network, only_attention=only_attention)):
        layers = "attention" if only_attention else "linear or convolutional layers"
        what = f"changes {layers}, and the networks of this {module.config.model_name} have none that learn"
        others = "use lora: {where: all}, or " if only_attention else ""
        raise ConfigError(Problem("model_config.lora", what, fix=f"{others}train without lora"))
    add_changes(network, rank=lora.rank, alpha=lora.alpha or lora.rank, only_attention=only_attention)
    whole = set(lora.learned_whole)
    for name, weight in module.named_parameters():
        if plain_name(name) in whole:
            weight.requires_grad_(True)


def changed_network(module: GenerativeModule) -> nn.Module:
    """Return the part that changes of low rank are for: what makes images, and not what judges them."""
    return next(iter(module.networks_by_optimizer().values()))


def merge_trained_changes(module: GenerativeModule) -> None:
    """Make a model that was trained by changes of low rank a plain one."""
    if module.config.lora is not None:
        merge_changes(module)
        module.config = module.config.model_copy(update={"lora": None})


def count_trained(module: nn.Module) -> tuple[int, int]:
    """Return how many weights learn, and how many a plain model of this kind has."""
    named = list(module.named_parameters())
    learned = sum(weight.numel() for _, weight in named if weight.requires_grad)
    return learned, sum(weight.numel() for name, weight in named if not is_change(name))
