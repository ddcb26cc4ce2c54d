"""What a person can choose for a model: the fields of the page follow from what the model was conditioned on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gandlf_synth.config import InferenceParameters, SamplingOptions
from gandlf_synth.data.formats.writers import choose_writer
from gandlf_synth.data.loading.cell_input import CellInput
from gandlf_synth.data.loading.conditioners import build_conditioner, images_read
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import ConfigError, GandlfSynthError, Problem, listing
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.registry import load, names

_FILL = "Fill a region of an image"


@dataclass(frozen=True)
class Field:
    """A cell that a person fills in.

    Args:
        cell: which.
        required: whether the model never learned to do without.
        group: what it is for, where that is something else than what all images of the model are made from.
    """

    cell: CellInput
    required: bool
    group: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the field as the page reads it."""
        return {**self.cell.model_dump(), "hint": self.cell.hint, "required": self.required, "group": self.group}


@dataclass(frozen=True)
class Form:
    """The fields for a model.

    Args:
        module: the model.
        parameters: how it samples where a person does not say.
        seed: that a person starts from.
    """

    module: GenerativeModule
    parameters: InferenceParameters
    seed: int

    @property
    def fields(self) -> list[Field]:
        """The cells of a row that images are made from, the images first."""
        found = {field.cell.column: field for field in self._fields()}
        return sorted(found.values(), key=lambda field: field.cell.kind != "image")

    @property
    def shows_patient(self) -> bool:
        """Whether every image resembles the one that it is made from, on purpose."""
        return bool({"image", "sources"} & images_read(self.module.spec.parts))

    def check(self, cells: Mapping[str, str], files: Mapping[str, Any]) -> None:
        """Refuse cells that the model has no use for: the page does not send them, but other programs may.

        Raises:
            ConfigError: there are some.
        """
        fields = {field.cell.column: field.cell for field in self.fields}
        for place, given, wants_path in (("cells", cells, False), ("files", files, True)):
            allowed = [column for column, cell in fields.items() if cell.is_path == wants_path]
            for column in given:
                if column not in allowed:
                    what = "is not what this model is made from"
                    raise ConfigError(Problem(f"{place}.{column}", what, listing(allowed) or "none"))

    def as_json(self) -> dict[str, Any]:
        """Return the form as the page reads it."""
        module, spec = self.module, self.module.spec
        sampling = dict(module.sampling_defaults(self.parameters))
        return {
            "family": module.config.model_name, "spatial_dims": spec.spatial_dims, "channels": list(spec.column_names),
            "shape": list(spec.shape), "spacing": list(spec.geometry.spacing) if spec.physical else [],
            "classes": list(spec.class_names), "fields": [field.as_json() for field in self.fields],
            "samplers": list(module.samplers), "sampling": sampling, "guided": self._is_guided(sampling),
            "formats": self._formats(), "format": self.format_of(None), "seed": self.seed,
            "shows_patient": self.shows_patient, "remarks": list(self._remarks(spec)),
        }  # fmt: skip

    def format_of(self, name: str | None) -> str:
        """Return the name of the writer that ``name`` stands for; None: that of the model's own configuration."""
        spec, chosen = self.module.spec, name or self.parameters.output_format
        writer = choose_writer(chosen, spec.modality, spec.spatial_dims, spec.dtype)
        return next((each for each in names("writers") if load("writers", each) is type(writer)), chosen)

    def _fields(self) -> Iterator[Field]:
        spec = self.module.spec
        for part in spec.parts:
            conditioner = build_conditioner(part.conditioner, part.parameters)
            if "image" in getattr(conditioner, "reads", ()):
                about = "the image of low resolution" if part.conditioner == "low_resolution" else ""
                yield from (Field(cell, required=True) for cell in _channels(spec, about))
            yield from (Field(cell, not part.optional) for cell in conditioner.inputs(part.facts))
        if self._fills_regions:
            region = CellInput(column="Region", kind="image", about="a mask: where it is not 0, the image is made anew")
            for cell in (*_channels(spec, "the image to change; outside the region it stays as it is"), region):
                yield Field(cell, required=False, group=_FILL)

    @property
    def _fills_regions(self) -> bool:
        """Whether the model fills regions without having been trained for it."""
        family = load("models", self.module.config.model_name)
        return "inpainting" in family.tasks and "image" not in images_read(self.module.spec.parts)

    def _remarks(self, spec: DataSpec) -> Iterator[str]:
        if any(part.name == "spacing" for part in spec.parts):
            yield "Voxels are as large as those of the image that you give; without one their size counts as not known."

    def _is_guided(self, sampling: Mapping[str, object]) -> bool:
        try:
            self.module.check_sampling(SamplingOptions(guidance_scale=2))
        except ConfigError:
            return False
        return "guidance_scale" in sampling

    def _formats(self) -> list[str]:
        """Return the names of the writers that can hold what the model makes."""
        spec, able = self.module.spec, []
        exact = any(field.cell.kind == "image" and not field.group for field in self.fields)
        grid = None if exact else spec.geometry
        of_labels = {load("writers", name).labels for name in names("writers")}
        for name in sorted({*names("writers")} - of_labels):
            try:
                choose_writer(name, spec.modality, spec.spatial_dims, spec.dtype, exact=exact, grid=grid)
            except GandlfSynthError:  # it cannot hold them, or needs what is not installed
                continue
            able.append(name)
        return able


def _channels(spec: DataSpec, about: str) -> list[CellInput]:
    """Return what is asked for where the image itself is looked at."""
    titles = [""] if len(spec.column_names) == 1 else spec.column_names
    return [
        CellInput(column=f"Channel_{number}", kind="image", title=title, about=about)
        for number, title in enumerate(titles)
    ]
