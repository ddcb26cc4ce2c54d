"""What a table of images asks for: new images, images made from others, holes to fill, images for masks."""

from dataclasses import dataclass

from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.errors import counted, listing

_MOST_ROWS = 0.8
"""Share of the rows that must have a mask or a region for images to be made from it."""
_VOLUME, _SEEN_WHOLE = 3, 64
"""A denoiser sees volumes with longer sides at a coarser resolution; latents keep it."""


@dataclass(frozen=True)
class Task:
    """What images are made from.

    Args:
        family: the family for it; empty: any, by the data.
        conditioning: the conditioners, as in the YAML.
        reason: what was seen in the table, for people.
    """

    family: str
    conditioning: tuple[str, ...]
    reason: str


NEW_IMAGES = Task("", (), "")


def find_task(facts: Fingerprint, train: Manifest) -> Task:
    """Return what the columns of a table ask for.

    Args:
        facts: of the images.
        train: the rows.
    """
    rows = train.samples
    with_source = [sample for sample in rows if any(sample.sources)]
    if with_source:
        names = listing(facts.source_names)
        paired = sum(bool(sample.channels) for sample in with_source)
        if not paired:
            return Task(
                "cyclegan", ("image",), "no row has both an image and a source: unpaired, and anatomy may shift"
            )
        what = f"{counted(paired, 'row')} with image and source ({names}): regression and GANs do best with pairs"
        return Task("pix2pix", ("image",), what)
    if sum(sample.region is not None for sample in rows) >= _MOST_ROWS * len(rows):
        what = "the rows have a Region: what it marks is made anew, the rest is kept"
        return Task("pix2pix", ("region",), what)
    if sum(sample.mask is not None for sample in rows) >= _MOST_ROWS * len(rows) and len(facts.mask_labels) > 1:
        labels = listing(map(str, facts.mask_labels), 8)
        what = f"the rows have a Mask (labels {labels}): images are made to fit it"
        if facts.spatial_dims == _VOLUME and max(facts.shape) > _SEEN_WHOLE:
            return Task("", ("mask",), what)
        return Task("flow_matching", ("mask",), f"{what}; with texture, which one pass by pix2pix lacks")
    return NEW_IMAGES
