"""The conformance kit of conditioners that look at images: from sources, masks and regions to channels."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gandlf_synth.config import Step
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.inspection.units import Units
from gandlf_synth.data.loading.conditioners import (
    ConditionPart,
    ImageConditioner,
    build_conditioner,
    fit_conditioners,
)
from gandlf_synth.data.loading.sample_images import SampleImages, Voxels32
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.testing.promises import Promises, seen_unless

_SHAPES = ((9, 7), (7, 6, 5))
_LABELS = (0, 1, 4)
_SOURCES = (1, 2)
_CHANNELS = 2


@dataclass(frozen=True)
class _Case:
    """A conditioner, and what it has learned of made-up data of some dimensions."""

    step: Step
    shape: tuple[int, ...]

    @property
    def conditioner(self) -> ImageConditioner:
        conditioner = build_conditioner(self.step.name, self.step.parameters)
        if not isinstance(conditioner, ImageConditioner):
            raise TypeError(f"{self.step.name} looks at no images")
        return conditioner

    def fit(self) -> ConditionPart:
        (part,) = fit_conditioners([self.step], _manifest(), _facts_of(len(self.shape)))
        return part

    def images(self, seed: int = 0) -> SampleImages:
        rng = np.random.default_rng(seed)
        image = rng.uniform(-1, 1, (_CHANNELS + sum(_SOURCES), *self.shape)).astype(np.float32)
        mask, region = rng.choice(_LABELS, self.shape), rng.integers(0, 2, self.shape)
        return SampleImages(
            image[:_CHANNELS], image[_CHANNELS:], _SOURCES, (True, True), mask.astype(np.uint16),
            region.astype(np.uint16), (1.0, 1.5, 2.0)[: len(self.shape)],
        )  # fmt: skip

    def paint(self, images: SampleImages, seed: int | None = None) -> Voxels32 | None:
        rng = None if seed is None else np.random.default_rng(seed)
        return self.conditioner.paint(images, self.fit().facts, rng)


def check_image_conditioner(step: Step) -> None:
    """Check a conditioner on made-up images of two and of three dimensions.

    Raises:
        PluginError: every promise that the conditioner breaks.
    """
    promises = Promises(f"conditioners.{step.name}")
    for shape in _SHAPES:
        case, where = _Case(_for_dims(step, len(shape)), shape), f" in {len(shape)}D"
        promises.add("its parameters can be written and read again" + where, _parameters_round_trip, case)
        promises.add("what it keeps of the training images survives JSON" + where, _facts, case)
        promises.add("it paints finite float32 channels of the size that it said" + where, _paints, case)
        promises.add("one seed gives one result, and the images stay as they are" + where, _repeats, case)
        promises.add("it looks at nothing but what it says that it reads" + where, _reads, case)
        promises.add("images that differ give different channels" + where, _tells_apart, case)
        promises.add("a sample without what it reads is unknown" + where, _unknown, case)
        promises.add("rows asked together say and teach what each of them does" + where, _together, case)
        promises.add("what a person is shown has the size of the image, in [-1, 1]" + where, _pictures, case)
    promises.check()


def _for_dims(step: Step, dims: int) -> Step:
    """Return ``step`` with lists of a number for each axis cut to ``dims``."""
    if not isinstance(step.parameters, dict):
        return step
    cut = {name: value[:dims] if name == "factor" and isinstance(value, list) else value
           for name, value in step.parameters.items()}  # fmt: skip
    return step.model_copy(update={"parameters": cut})


def _manifest() -> Manifest:
    path = Path("image.nii.gz")
    row = Sample(1, "subject_1", (path,), mask=path, sources=(path, path), region=path)
    return Manifest(Path("data.csv"), (row, replace(row, row=2, subject="subject_2")), "each row")


def _facts_of(dims: int) -> Fingerprint:
    unknown = Units("arbitrary", "")
    return Fingerprint(
        spatial_dims=dims, column_channels=(_CHANNELS,), column_names=("image",), shape=_SHAPES[dims - 2],
        smallest_shape=_SHAPES[dims - 2], largest_shape=_SHAPES[dims - 2],
        largest_extent=tuple(map(float, _SHAPES[dims - 2])), same_aspect=True, low=(-1.0,) * _CHANNELS,
        high=(1.0,) * _CHANNELS, dtype="float32", physical=True, orientations=(), notes=(), units=(unknown,),
        source_channels=_SOURCES, source_names=("one", "other"), source_units=(unknown,) * 2, mask_labels=_LABELS,
    )  # fmt: skip


def _parameters_round_trip(case: _Case) -> str:
    again = build_conditioner(case.step.name, case.conditioner.model_dump(mode="json", exclude_unset=True))
    return seen_unless(again == case.conditioner, again)


def _facts(case: _Case) -> str:
    part = case.fit()
    again = ConditionPart.model_validate(json.loads(part.model_dump_json()))
    return seen_unless(again == part and part.size >= 1, again)


def _paints(case: _Case) -> str:
    part = case.fit()
    expected = (part.size,) if part.kind == "vector" else (part.size, *case.shape)
    for seed in (None, 1, 2):
        painted = case.paint(case.images(), seed)
        if painted is None or painted.shape != expected or not np.isfinite(painted).all():
            return seen_unless(False, None if painted is None else painted.shape)
        if painted.dtype != np.float32:
            return seen_unless(False, painted.dtype)
    return ""


def _repeats(case: _Case) -> str:
    images = case.images()
    same = _equal(case.paint(images, 3), case.paint(images, 3)) and _equal(case.paint(images), case.paint(images))
    untouched = all(_equal(getattr(images, name), getattr(case.images(), name)) for name in ("image", "sources"))
    return seen_unless(same and untouched, "other images" if same else "other channels")


def _reads(case: _Case) -> str:
    images, names = case.images(), case.conditioner.reads
    for name in ("image", "sources", "mask", "region"):
        value = getattr(case.images(seed=1), name)
        if name not in names and not _equal(case.paint(images, 3), case.paint(replace(images, **{name: value}), 3)):
            return seen_unless(False, f"other channels with another {name}")
    return ""


def _tells_apart(case: _Case) -> str:
    if not case.conditioner.reads:
        return ""
    kept = not _equal(case.paint(case.images()), case.paint(case.images(seed=1)))
    return seen_unless(kept, "the same for two images")


def _unknown(case: _Case) -> str:
    names = case.conditioner.reads
    if not names:
        return ""
    images = case.images()
    image, mask, region = (None if name in names else getattr(images, name) for name in ("image", "mask", "region"))
    absent = replace(images, image=image, mask=mask, region=region)
    if "sources" in names:
        absent = replace(absent, sources=np.zeros_like(images.sources), available=(False, False))
    painted = case.paint(absent)
    return seen_unless(painted is None, "channels")


def _together(case: _Case) -> str:
    whole = _manifest().samples[0]
    rows = (
        whole,
        replace(whole, row=2, channels=()),
        replace(whole, row=3, mask=None),
        replace(whole, row=4, region=None),
        replace(whole, row=5, sources=(None, None)),
    )
    table, conditioner = Manifest(Path("data.csv"), rows, "each row"), case.conditioner
    says, teaches = conditioner.rows_that_say(table).tolist(), conditioner.rows_that_teach(table).tolist()
    kept = says == [*map(conditioner.says, rows)] and teaches == [*map(conditioner.teaches, rows)]
    return seen_unless(kept, f"rows that say: {says}, rows that teach: {teaches}")


def _pictures(case: _Case) -> str:
    part, painted = case.fit(), case.paint(case.images())
    if part.kind == "vector" or painted is None:
        return ""
    pictures = case.conditioner.pictures(painted, part.facts)
    kept = len(pictures) > 0 and all(each.shape == case.shape and np.abs(each).max() <= 1 for each in pictures)
    return seen_unless(kept, [each.shape for each in pictures])


def _equal(one: Voxels32 | None, other: Voxels32 | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
