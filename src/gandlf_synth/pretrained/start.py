"""Gives a model the weights of its parent, and says what came from there, in a table and for the record."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from gandlf_synth.errors import ConfigError, Problem, counted, listing
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.trained_weights import is_frozen, learn_whole
from gandlf_synth.pretrained.matching import Match, load_match, match_weights
from gandlf_synth.pretrained.parent import Parent
from gandlf_synth.provenance import NOT_STATED

_DEPTH = 2
"""Parts of a weight's name that say where it belongs, in the table."""


@dataclass(frozen=True)
class Start:
    """What a model got from its parent.

    Args:
        match: which weights.
        record: for ``run.json``, the card and the sidecars.
        lines: for a person.
    """

    match: Match
    record: Mapping[str, JsonValue]
    lines: Sequence[str]

    def gave(self, beginning: str) -> bool:
        """Say whether weights whose names begin so came from the parent."""
        return any(name.startswith(beginning) for name in self.match.loaded)


def start_from(parent: Parent, module: GenerativeModule, later: Sequence[str] = ()) -> Start:
    """Load the weights of ``parent`` into ``module``; under ``lora``, what it lacks learns as a whole.

    Args:
        parent: the trained model.
        module: the model to train, with random weights.
        later: beginnings of the names of weights that come from elsewhere.

    Raises:
        CheckpointError: see ``match_weights``.
        ConfigError: ``freeze`` would keep weights at random that the parent lacks.
    """
    match = match_weights(parent, module, later)
    _check_frozen(module, match)
    load_match(match, module)
    learn_whole(module, [*match.new, *match.widened, *match.with_new_classes])
    record = _record(parent, match)
    module.parent = record
    return Start(match, record, _lines(parent, match))


def _check_frozen(module: GenerativeModule, match: Match) -> None:
    if not module.config.freeze:
        return
    new = set(match.new)
    random = [
        name
        for name, weight in module.named_parameters()
        if name in new and not weight.requires_grad and is_frozen(name, module.config.freeze)
    ]
    if random:
        count = counted(len(random), "weight")
        what = f"would freeze {count} at their random start, which init_from does not give: {listing(random, 4)}"
        raise ConfigError(Problem("model_config.freeze", what, fix="freeze only what init_from gives"))


def _record(parent: Parent, match: Match) -> dict[str, JsonValue]:
    record: dict[str, JsonValue] = {
        "source": parent.name,
        "adapter": parent.adapter,
        "weights_sha256": parent.digest,
        "license": parent.terms.license or NOT_STATED,
        "origin": parent.terms.origin or NOT_STATED,
        "loaded": len(match.loaded),
        "new": len(match.new),
        "left_over": len(match.left_over),
    }
    record |= {"non_commercial": True} if parent.terms.non_commercial else {}
    return record | ({"init_from": dict(parent.started_from)} if parent.started_from else {})


def _lines(parent: Parent, match: Match) -> list[str]:
    terms = parent.terms
    license_name, origin = terms.license or NOT_STATED, terms.origin or NOT_STATED
    lines = [f"Starts from {parent.name} ({parent.adapter}; license: {license_name}; origin: {origin})"]
    if terms.non_commercial:
        lines.append("Warning: the parent may not be used commercially, nor may what is made from it")
    elif not terms.license and parent.spec is None:
        lines.append("Warning: nothing says under which terms the parent may be used; see init_from: {license: …}")
    lines += _table(match)
    if match.widened:
        lines.append(f"  inputs that the parent lacks begin at zero: {listing(match.widened, 4)}")
    if match.new:
        lines.append(f"  new: {listing(match.new, 6)}")
    if match.left_over:
        lines.append(f"  left over: {listing(match.left_over, 6)}")
    return [*lines, *(f"  {note}" for note in match.notes)]


def _table(match: Match) -> list[str]:
    """Return how many weights of each part are loaded, new and left over."""
    counts = [Counter(map(_part, names)) for names in (match.loaded, match.new, match.left_over)]
    parts = list(dict.fromkeys(part for count in counts for part in count))
    width = max(len(part) for part in [*parts, "weights of"])
    rows = [["weights of", "loaded", "new", "left over"]]
    rows += [[part, *(str(count[part]) for count in counts)] for part in parts]
    rows.append(["together", *(str(sum(count.values())) for count in counts)])
    return [f"  {part:<{width}}  {loaded:>7}  {new:>5}  {left:>9}" for part, loaded, new, left in rows]


def _part(name: str) -> str:
    return ".".join(name.split(".")[:-1][:_DEPTH]) or name
