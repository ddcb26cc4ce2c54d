"""The HTML templates of all pages, which need no network."""

from datetime import datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from gandlf_synth.metrics.intervals import Estimate

SHARE = "share"
"""The unit of numbers that are shown in percent."""


def load_template(name: str) -> Template:
    """Return the template in ``page/<name>``; it has the filters ``number``, ``interval`` and ``moment``."""
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
    environment.filters["moment"] = format_moment
    return environment


def page_file(name: str) -> Markup:
    """Return the content of ``page/<name>``, which is trusted."""
    return Markup((files(__package__) / "page" / name).read_text(encoding="utf-8"))  # noqa: S704


def format_number(value: float | None) -> str:
    """Return a number in three significant digits.

    >>> format_number(0.123456), format_number(0.00062), format_number(0.000012), format_number(None)
    ('0.123', '0.00062', '1.2e-05', '')
    """
    if value is None:
        return ""
    return f"{value:.3g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.1e}"


def format_interval(value: Estimate | None, unit: str = "") -> str:
    """Return a number with its interval and its unit; shares in percent, and what is exact without an interval.

    >>> format_interval(Estimate(0.5, 0.25, 0.75), "dB"), format_interval(Estimate(0.015, 0.005, 0.043), "share")
    ('0.5 (0.25 to 0.75) dB', '1.5 % (0.5 to 4.3 %)')
    >>> format_interval(Estimate(0.5, 0.5, 0.5))
    '0.5'
    """
    if value is None:
        return ""
    numbers = (value.value, value.low, value.high)
    if unit == SHARE:
        middle, low, high = (f"{round(100 * number, 1):g}" for number in numbers)
        middle, interval = f"{middle} %", f"({low} to {high} %)"
    else:
        middle, low, high = (format_number(number) for number in numbers)
        interval = f"({low} to {high}) {unit}".strip()
    if value.low == value.high:
        return middle if unit == SHARE else f"{middle} {unit}".strip()
    return f"{middle} {interval if value.has_interval else '(no interval)'}"


def format_reference(value: Estimate | None, unit: str = "") -> str:
    """Return what to compare a number with: the same between real images, or what it is known to be without an effect.

    >>> format_reference(Estimate(0.1, 0.0, 0.3)), format_reference(Estimate(0.5, 0.5, 0.5))
    ('real against real 0.1 (0 to 0.3)', 'without an effect 0.5')
    """
    if value is None:
        return ""
    words = "without an effect" if value.low == value.high else "real against real"
    return f"{words} {format_interval(value, unit)}"


def format_moment(made: str) -> str:
    """Return a date and time for a reader.

    >>> format_moment("2026-03-01T09:05:49+01:00")
    '1 March 2026, 09:05'
    """
    moment = datetime.fromisoformat(made)
    return f"{moment.day} {moment:%B %Y, %H:%M}"


def short_path(path: str) -> str:
    """Return the file and its folder.

    >>> short_path("/data/train/patient-1/t1.nii.gz")
    'patient-1/t1.nii.gz'
    """
    return "/".join(path.split("/")[-2:])
