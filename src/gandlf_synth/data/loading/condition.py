"""What the images of a batch are made from: named parts, each a tensor whose first axis is the batch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

ConditionKind = Literal["class", "vector", "channels"]
"""How a part reaches a network: an embedded class, numbers added to the embedding, or channels beside the image."""

UNKNOWN_CLASS = -1


class Condition(Mapping[str, Tensor]):
    """The parts of a batch's condition by the name of their conditioner; it never changes.

    The number type and the axes of a tensor say of what kind a part is:

    - whole numbers ``(batch,)``: class indices; -1 where the class is not known;
    - floats ``(batch, features)``: numbers, the last of which is 1 where they are known and 0 where they are not;
    - floats ``(batch, channels, *shape)``: images, the last channel of which says the same for every voxel.

    A part that is not known is 0 throughout (a class: -1). Hiding parts in training teaches a model to do without
    them, which guidance and missing data need.

    Args:
        parts: the tensors by name, in the order in which networks take them.

    Example:
        >>> condition = Condition({"class": torch.tensor([0, 2, 1])})
        >>> condition.rows(slice(1, None))["class"].tolist()
        [2, 1]
        >>> condition.hidden()["class"].tolist()
        [-1, -1, -1]
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Mapping[str, Tensor] | None = None) -> None:
        self._parts = dict(parts or {})

    def __getitem__(self, name: str) -> Tensor:
        """Return the part of that name."""
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}: {kind_of(part)} {tuple(part.shape)}" for name, part in self._parts.items())
        return f"Condition({shown})"

    def rows(self, places: slice | Tensor) -> "Condition":
        """Return the condition of the images at ``places``."""
        return Condition({name: part[places] for name, part in self._parts.items()})

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Condition":
        """Return the same on ``device``; pinned memory is copied without a wait, whatever ``non_blocking`` says."""
        # Lightning asks for it only with tensors.
        return Condition(
            {name: part.to(device, non_blocking=non_blocking or part.is_pinned()) for name, part in self._parts.items()}
        )

    def hidden(self, where: Mapping[str, Tensor] | None = None) -> "Condition":
        """Return the condition with parts made unknown.

        Args:
            where: per part, ``(batch,)``, true where it is hidden; parts that are not in it stay. None: everything.
        """
        parts = dict(self._parts)
        for name, part in self._parts.items():
            if where is None:
                parts[name] = unknown_like(part)
            elif name in where:
                rows = where[name].view(-1, *(1,) * (part.ndim - 1))
                parts[name] = torch.where(rows, unknown_like(part), part)
        return Condition(parts)

    @property
    def class_labels(self) -> Tensor | None:
        """The class indices, ``(batch,)``, or None without classes."""
        return next((part for part in self._parts.values() if kind_of(part) == "class"), None)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Voxels along each axis of the parts that are images; none without such parts."""
        return next((tuple(part.shape[2:]) for part in self._parts.values() if kind_of(part) == "channels"), ())

    def inputs(self) -> dict[str, Tensor]:
        """Return the keyword arguments of a network: ``class_labels``, ``vector`` and ``channels``, those there are.

        Several parts of one kind are joined, in their order.
        """
        of_kind: dict[ConditionKind, list[Tensor]] = {"vector": [], "channels": []}
        inputs = {} if self.class_labels is None else {"class_labels": self.class_labels}
        for part in self._parts.values():
            of_kind.get(kind_of(part), []).append(part)
        return inputs | {kind: torch.cat(parts, 1) for kind, parts in of_kind.items() if parts}


def join(conditions: Sequence[Condition]) -> Condition:
    """Return the condition of all images of several batches, whose conditions have the same parts.

    Example:
        >>> join([class_condition([0, 1]), class_condition([1])])["class"].tolist()
        [0, 1, 1]
    """
    names = conditions[0] if conditions else ()
    return Condition({name: torch.cat([condition[name] for condition in conditions]) for name in names})


def kind_of(part: Tensor) -> ConditionKind:
    """Return of what kind a part is."""
    if not part.is_floating_point():
        return "class"
    return "vector" if part.ndim == 2 else "channels"


def unknown_like(part: Tensor) -> Tensor:
    """Return a part of the same size that says nothing."""
    return torch.full_like(part, UNKNOWN_CLASS) if kind_of(part) == "class" else torch.zeros_like(part)


def class_condition(indices: Sequence[int] | None) -> Condition:
    """Return the condition of images whose class indices are ``indices``; without any, one that says nothing.

    Example:
        >>> class_condition([1, 0])
        Condition(class: class (2,))
        >>> class_condition(None)
        Condition()
    """
    return Condition({"class": torch.tensor(indices, dtype=torch.long)} if indices else {})
