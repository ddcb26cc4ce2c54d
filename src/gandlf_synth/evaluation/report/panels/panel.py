"""A part of the page below the verdicts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.store import Arrays

Width = Literal["half", "full"]


@dataclass(frozen=True)
class Panel:
    """A part of the page.

    Args:
        title: its heading.
        what: what is shown.
        good: what good looks like.
        bad: what bad looks like.
        do: what to do about it.
        content: figures, as HTML.
        width: whether two fit beside each other on a wide screen and on paper.
        printed: whether it means something on paper.
    """

    title: str
    what: str
    good: str
    bad: str
    do: str
    content: Markup
    width: Width = "half"
    printed: bool = True

    @property
    def anchor(self) -> str:
        """The panel's address in the page."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())


@dataclass(frozen=True)
class StoredEvaluation:
    """What an evaluation left on the disk, which every panel is made from.

    Args:
        evaluation: its numbers.
        arrays: what figures are drawn from.
    """

    evaluation: Evaluation
    arrays: Arrays


BuildPanel = Callable[[StoredEvaluation], Panel | None]
"""Returns a panel of what was stored, or None where it has nothing to show."""
