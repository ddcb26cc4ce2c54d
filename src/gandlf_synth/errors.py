"""What can go wrong, as a tree; every message says where, what is wrong, what is allowed and what to do.

GandlfSynthError            exit code 1
├── ConfigError             2   the YAML, a flag, or a choice the data contradicts
├── DataError               3   the CSV or an image
├── CheckpointError         4   a model folder or a checkpoint
├── MissingExtraError       5   an optional package is not installed
├── PluginError             6   a component of somebody else breaks its contract
├── ResourceError           7   memory, disk, devices
├── TrainingError           8   training cannot go on: the numbers are not finite any more
└── StoppedError          128+n stopped by signal n, with a checkpoint
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in the four parts a reader needs.

    Args:
        where: the place, such as ``config.yaml:12: model_config.n_channels`` or ``data.csv row 7, column Channel_0``.
        what: what is wrong there, with the value that was found.
        allowed: what would have been right.
        fix: what to do about it, when that is more than using an allowed value.
    """

    where: str
    what: str
    allowed: str = ""
    fix: str = ""

    def __str__(self) -> str:
        """Return the problem as one line."""
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.fix:
            parts.append(self.fix)
        return "; ".join(parts)


class GandlfSynthError(Exception):
    """The base of every error that the user can correct; it carries all problems, not only the first."""

    exit_code = 1
    is_of_all = False
    """Whether all processes of a distributed run raise it, so that only the first one says it."""

    def __init__(self, *problems: Problem) -> None:
        self.problems: Sequence[Problem] = problems
        super().__init__(*problems)

    def __str__(self) -> str:
        """Return one line per problem, after a count when there are several."""
        lines = [str(problem) for problem in self.problems]
        if len(lines) == 1:
            return lines[0]
        return "\n".join([f"{len(lines)} problems:", *(f"  {line}" for line in lines)])


class ConfigError(GandlfSynthError):
    """The configuration is wrong, or the data contradicts it."""

    exit_code = 2


class DataError(GandlfSynthError):
    """The CSV or an image it names cannot be used."""

    exit_code = 3


class CheckpointError(GandlfSynthError):
    """A model folder or checkpoint is missing, damaged, unsafe, or of another model."""

    exit_code = 4


class MissingExtraError(GandlfSynthError):
    """An optional package is needed."""

    exit_code = 5

    def __init__(self, feature: str, package: str, extra: str) -> None:
        fix = f"install it with: pip install 'gandlf-synth[{extra}]'"
        super().__init__(Problem(feature, f"the package {package!r} is not installed", fix=fix))


class PluginError(GandlfSynthError):
    """A registered component cannot be loaded or does not keep its contract."""

    exit_code = 6


class ResourceError(GandlfSynthError):
    """The machine has not enough memory, disk or devices."""

    exit_code = 7


class TrainingError(GandlfSynthError):
    """Training has gone wrong, and more steps do not correct it."""

    exit_code = 8


class StoppedError(GandlfSynthError):
    """Training was stopped by a signal; a checkpoint was written.

    Args:
        signal_number: the signal.
        name: its name.
        steps: steps of the optimizer so far.
    """

    def __init__(self, signal_number: int, name: str, steps: int) -> None:
        self.exit_code = 128 + signal_number
        super().__init__(Problem("training", f"stopped by {name} after step {steps}; a checkpoint was written"))


_spelling: Callable[[str], str] = str


def option(name: str) -> str:
    """Return how the caller writes the option ``name``: as a Python argument, or as the flag of a command.

    Messages of the lower rooms name options with it, because these rooms do not know the flags.

    >>> option("val_csv")
    'val_csv'
    """
    return _spelling(name)


def spell_options(spelling: Callable[[str], str]) -> None:
    """Let ``option`` return what ``spelling`` makes of a name; the command line sets it."""
    global _spelling  # noqa: PLW0603
    _spelling = spelling


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the nearest known name, or an empty string."""
    names = {name.lower(): name for name in known}
    nearest = get_close_matches(given.lower(), names, n=1, cutoff=0.6)
    return f"did you mean {names[nearest[0]]!r}?" if nearest else ""


def listing(names: Iterable[str], limit: int = 40) -> str:
    """Return names joined by commas, cut with a count when there are many."""
    every = list(names)
    shown = ", ".join(every[:limit])
    return shown if len(every) <= limit else f"{shown}, … ({len(every)} in all)"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 channel`` or ``3 channels``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def raise_if_any(problems: Sequence[Problem], error: type[GandlfSynthError]) -> None:
    """Raise ``error`` with all of ``problems`` when there are any."""
    if problems:
        raise error(*problems)
