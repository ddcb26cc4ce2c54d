"""How a person is asked for a cell of the CSV that images are made from; ``gandlf-synth app`` shows it as a field."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class CellInput(BaseModel):
    """A cell that a person may fill in for a trained model.

    Example:
        >>> CellInput(column="age", kind="number", low=30, high=80, unit="years").hint
        'the training images have 30 to 80 years'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    """In the CSV."""
    kind: Literal["text", "number", "choice", "image", "file"] = "text"
    """What belongs into it; of ``image`` and ``file``, the path."""
    title: str = ""
    """What a person calls it, where the column does not say."""
    choices: tuple[str, ...] = ()
    """Of kind ``choice``: the words that the model knows."""
    low: float | None = None
    """Of kind ``number``: the smallest of the training rows."""
    high: float | None = None
    """Of kind ``number``: the largest of the training rows."""
    unit: str = ""
    """Of kind ``number``."""
    about: str = ""
    """What else to know, in a few words."""

    @property
    def is_path(self) -> bool:
        """Whether the cell names a file."""
        return self.kind in ("image", "file")

    @property
    def hint(self) -> str:
        """What to write."""
        if self.low is None or self.high is None:
            return self.about
        return f"the training images have {self.low:g} to {self.high:g} {self.unit}".strip()
