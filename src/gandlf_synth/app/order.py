"""What a person asks for: the fields of the page, or the JSON that another program sends."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from gandlf_synth.errors import ConfigError, Problem

MOST_IMAGES = 64


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, Field(max_length=1000), BeforeValidator(_as_text)]


class Order(BaseModel):
    """Images to make; None takes the model's own value.

    Example:
        >>> Order.parse({"class": "glioma", "number": 2, "cells": {"age": 50}}).cells
        {'age': '50'}
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    number: int = Field(1, ge=1, le=MOST_IMAGES)
    """How many."""
    class_name: str | None = Field(None, alias="class", max_length=1000)
    """Of all of them; None: classes take turns."""
    seed: int = Field(42, ge=0, lt=2**63)
    """Decides the images."""
    steps: int | None = Field(None, ge=1, le=100_000)
    """Of sampling."""
    guidance_scale: float | None = Field(None, ge=0, le=1000)
    """Strength of guidance."""
    sampler: str | None = Field(None, max_length=100)
    """The sampler."""
    n_samples: int = Field(1, ge=1, le=MOST_IMAGES)
    """Of each image that is made from others or from numbers; several also give maps of their mean and spread."""
    output_format: str | None = Field(None, alias="format", max_length=100)
    """Of the files: the name of a writer, or auto."""
    cells: dict[str, Text] = Field({}, max_length=100)
    """What the images are made from, by the column of a CSV that would say it."""
    files: dict[str, Text] = Field({}, max_length=100)
    """The same for columns that name files: what the upload of each is known by."""

    @model_validator(mode="after")
    def _is_not_too_much(self) -> Self:
        if self.number * self.n_samples > MOST_IMAGES:
            count = self.number * self.n_samples
            raise ValueError(
                f"{count} images (number times n_samples) are too many; at most {MOST_IMAGES} in one order"
            )
        return self

    @classmethod
    def parse(cls, content: dict[str, Any]) -> "Order":
        """Return the order in JSON.

        Raises:
            ConfigError: everything that is wrong with it.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            places = [".".join(map(str, each["loc"])) or "order" for each in error.errors()]
            texts = [each["msg"].removeprefix("Value error, ") for each in error.errors()]
            problems = [Problem(place, text) for place, text in zip(places, texts, strict=True)]
            raise ConfigError(*problems[:5]) from None

    def describe(self) -> dict[str, Any]:
        """Return the order as JSON, without what it leaves open."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"seed": self.seed}
