"""Finds the layout that a user names, and refuses what cannot be laid out so before anything is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gandlf_synth.data.formats.writers import Writer
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing, option
from gandlf_synth.synthesis.bids import BidsLayout, check_place, choose_suffixes
from gandlf_synth.synthesis.layout import Layout, PlainLayout

LAYOUTS = ("plain", "bids")


@dataclass(frozen=True)
class LayoutChoice:
    """A layout with what it has to be told.

    Args:
        name: one of ``LAYOUTS``.
        bids_suffix: what the files of each CSV column are in BIDS; none: as the columns are called.
        skull_stripped: whether everything but the brain is 0, which BIDS wants to be told.
    """

    name: str = "plain"
    bids_suffix: tuple[str, ...] = ()
    skull_stripped: bool = False

    def checked(self, spec: DataSpec, writer: Writer, root: Path) -> "LayoutChoice":
        """Return the choice with nothing left open, for images of ``spec`` that ``writer`` writes under ``root``.

        Raises:
            ConfigError: the layout is unknown, or cannot hold these images there.
        """
        if self.name not in LAYOUTS:
            hint = did_you_mean(self.name, LAYOUTS)
            raise ConfigError(Problem(option("layout"), f"{self.name!r} is not known", listing(LAYOUTS), hint))
        if self.name == "bids":
            check_place(root)
            return LayoutChoice(self.name, choose_suffixes(spec, writer, self.bids_suffix), self.skull_stripped)
        if self.bids_suffix or self.skull_stripped:
            name = option("bids_suffix" if self.bids_suffix else "skull_stripped")
            raise ConfigError(Problem(name, f"works only with {option('layout')} bids"))
        return self

    def build(self, folder: Path, columns: Sequence[str], samples: Sequence[Sample] = ()) -> Layout:
        """Return how ``folder`` is ordered, for the images of ``samples``, or for new ones."""
        if self.name == "bids":
            return BidsLayout(folder, columns, samples, self.bids_suffix, self.skull_stripped)
        return PlainLayout(folder, columns, samples)

    def record(self) -> dict[str, Any]:
        """Return what tells this request from others."""
        if self.name == "plain":
            return {}
        return {"layout": self.name, "bids_suffix": list(self.bids_suffix), "skull_stripped": self.skull_stripped}
