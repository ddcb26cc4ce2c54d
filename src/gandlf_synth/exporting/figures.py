"""The figures of an evaluation, for the card of the model that it is of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gandlf_synth.errors import ConfigError, DataError, Problem, counted, option
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.verdict import question_title
from gandlf_synth.files import read_json

_FILE = "metrics.json"
_SIDECARS = 20
_EVALUATE = "run gandlf-synth evaluate first, or leave the option out"


@dataclass(frozen=True)
class Figures:
    """What an evaluation found, in the form of a card.

    Args:
        lines: Markdown.
        results: name, title and value of each number, for catalogues of models.
        data: what was compared with, in words.
    """

    lines: Sequence[str]
    results: Sequence[tuple[str, str, float]] = ()
    data: str = ""


NOT_EVALUATED = Figures(["Not evaluated: `gandlf-synth evaluate` measures fidelity, diversity, memorisation and use."])


def find_figures(model_dir: Path, given: Path | None, weights: str, record: Mapping[str, Any]) -> Figures:
    """Return the figures of the evaluation that is given, else of the newest in the model folder that is of the model.

    Args:
        model_dir: the model folder.
        given: ``metrics.json``, or the folder that ``evaluate`` wrote; None: look for one.
        weights: the digest of the model's weights.
        record: the model's run record.

    Raises:
        DataError: what is given is no evaluation.
        ConfigError: what is given is of images of another model.
    """
    if given is not None:
        file = given / _FILE if given.is_dir() else given
        if not file.is_file():
            raise DataError(
                Problem(f"{option('evaluation')} {given}", "is not there", "a folder that evaluate wrote", _EVALUATE)
            )
        content = read_json(file)
        if _is_of(content, weights, record) is False:
            what = "is an evaluation of images of another model"
            raise ConfigError(Problem(f"{option('evaluation')} {given}", what, f"one of images by weights {weights}"))
        return _figures(content, file, weights, record)
    newest_first = sorted(model_dir.rglob(_FILE), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in newest_first:
        content = read_json(file)
        if "metrics" in content and _is_of(content, weights, record) is not False:
            return _figures(content, file, weights, record)
    return NOT_EVALUATED


def _is_of(content: Mapping[str, Any], weights: str, record: Mapping[str, Any]) -> bool | None:
    """Return whether an evaluation is of images of a model; None where neither images nor evaluation say it."""
    made_with = _weights_of_images(content)
    if made_with is not None:
        return made_with == weights
    recorded = content.get("run_record") or {}
    digests = [(recorded.get(name), record.get(name)) for name in ("config_digest", "data_digest")]
    return all(one == other for one, other in digests) if all(one for pair in digests for one in pair) else None


def _weights_of_images(content: Mapping[str, Any]) -> str | None:
    """Return the weights that the synthetic images name in their sidecars, None where there are none any more."""
    place = Path(str(content.get("inputs", {}).get("synthetic", {}).get("path", "")))
    folder = place if place.is_dir() else place.parent
    folder = folder.parent if folder.name == "inference_logs" else folder
    if not place.name or not folder.is_dir():
        return None
    sidecars = sorted({*folder.glob("*.json"), *folder.glob("sub-*/*/*.json")})
    for sidecar in sidecars[:_SIDECARS]:
        named = read_json(sidecar).get("weights_sha256")
        if isinstance(named, str):
            return named
    return None


def _figures(content: dict[str, Any], file: Path, weights: str, record: Mapping[str, Any]) -> Figures:
    doubt = []
    if _is_of(content, weights, record) is None:
        doubt = ["It is not recorded whether the images of this evaluation are of this model.", ""]
    if "pairs" in content:
        return _of_pairs(content, doubt)
    try:
        return _of_sets(Evaluation.model_validate(content), doubt)
    except ValidationError as error:
        fix = "evaluate again with this version"
        raise DataError(Problem(str(file), "is no evaluation that this version can read", fix=fix)) from error


def _of_sets(evaluation: Evaluation, doubt: Sequence[str]) -> Figures:
    real, synthetic = evaluation.inputs["real"], evaluation.inputs["synthetic"]
    data = f"{real['images']} real images of {counted(int(str(real['subjects'])), 'subject')}"
    measured = [metric for metric in evaluation.metrics if metric.value is not None]
    rows = [f"| {metric.title} | {_interval(metric.value)} | {_interval(metric.floor)} |" for metric in measured]
    lines = [
        *doubt,
        f"{synthetic['images']} synthetic images were compared with {data}, on {evaluation.made[:10]}.",
        "",
        *(f"- **{warning}**" for warning in evaluation.warnings),
        *(f"- {question_title(verdict.question)} {verdict.sentence}" for verdict in evaluation.verdicts),
        "",
        "| measure | value (95 % interval) | the same between real images |",
        "|---|---|---|",
        *rows,
    ]
    results = [(metric.name, metric.title, metric.value.value) for metric in measured if metric.value]
    return Figures(lines, results, data)


def _of_pairs(content: Mapping[str, Any], doubt: Sequence[str]) -> Figures:
    values = {name: part for name, part in content["metrics"].items() if part.get("value") is not None}
    data = f"{content['pairs']} pairs of real and synthetic images"
    rows = [
        f"| {name} | {part['value']:.4g} ({part['low']:.4g} to {part['high']:.4g}) |" for name, part in values.items()
    ]
    lines = [*doubt, f"Means over {data}.", "", "| measure | value (95 % interval) |", "|---|---|", *rows]
    return Figures(lines, [(name, name, part["value"]) for name, part in values.items()], data)


def _interval(estimate: Any) -> str:
    if estimate is None:
        return ""
    return f"{estimate.value:.4g} ({estimate.low:.4g} to {estimate.high:.4g})"
