"""The HTML templates of all pages, which need no network."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from gandlf_synth.metrics.intervals import Estimate


def load_template(name: str) -> Template:
    """Return the template in ``page/<name>``; it has the filters ``number`` and ``interval``."""
    return _environment().get_template(name)


def render_part(name: str, **facts: object) -> Markup:
    """Return the part of a page that the template ``page/<name>`` makes of ``facts``."""
    return Markup(load_template(name).render(**facts))  # noqa: S704


@cache
def _environment() -> Environment:
    loader = PackageLoader("gandlf_synth.evaluation.report", "page")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=loader
    )
    environment.filters["number"] = format_number
    environment.filters["interval"] = format_interval
    return environment


def page_file(name: str) -> Markup:
    """Return the content of ``page/<name>``, which is trusted."""
    return Markup((files(__package__) / "page" / name).read_text(encoding="utf-8"))  # noqa: S704


def format_number(value: float | None) -> str:
    """Return a number in three significant digits.

    >>> format_number(0.123456), format_number(0.00012), format_number(None)
    ('0.123', '1.2e-04', '')
    """
    if value is None:
        return ""
    return f"{value:.3g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.1e}"


def format_interval(value: Estimate | None) -> str:
    """Return a number with its interval.

    >>> format_interval(Estimate(0.5, 0.25, 0.75))
    '0.5 (0.25 to 0.75)'
    """
    if value is None:
        return ""
    if not value.has_interval:
        return f"{format_number(value.value)} (no interval)"
    return f"{format_number(value.value)} ({format_number(value.low)} to {format_number(value.high)})"


def short_path(path: str) -> str:
    """Return the file and its folder.

    >>> short_path("/data/train/patient-1/t1.nii.gz")
    'patient-1/t1.nii.gz'
    """
    return "/".join(path.split("/")[-2:])
