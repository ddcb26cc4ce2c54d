"""Makes what is ordered with a loaded model, by the same call as ``gandlf-synth generate``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from gandlf_synth.api import GenerationRequest, generate
from gandlf_synth.api.models import configuration_of
from gandlf_synth.api.synthesis import DEFAULT_SEED, sampling_parameters
from gandlf_synth.app.command_line import command_for
from gandlf_synth.app.form import Form
from gandlf_synth.app.order import Order
from gandlf_synth.app.pictures import Shown, draw
from gandlf_synth.app.remembered import RememberingLoader
from gandlf_synth.app.rows import check_class, class_of, write_rows
from gandlf_synth.app.worker_process import WorkerOptions
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.files import read_json
from gandlf_synth.model_folder import InferenceFolder, ModelFolder
from gandlf_synth.progress import Progress
from gandlf_synth.synthesis.generate import GenerationResult

_FACTS = ("seed", "sampled_with_seed", "copies_refused", "nearest_training_image", "row", "index")
_WIDE = 10_000
_MAPS = ("mean of ", "std of ")
"""How the kinds of maps begin."""


class Studio:
    """A model, ready to make images.

    Args:
        options: which model, and how.

    Raises:
        CheckpointError: there is none that can be used.
    """

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._folder = ModelFolder(options.model_dir)
        self._loader = RememberingLoader()
        self._form = self._load()

    def _load(self) -> Form:
        self._checkpoint = self._folder.choose_checkpoint(self._options.checkpoint)
        self._state = self._checkpoint.stat()
        loaded = configuration_of(None, self._folder)
        module = self._loader.load(self._checkpoint, loaded.config.model.model_name if loaded else None)
        request = GenerationRequest(self._options.model_dir)
        parameters = sampling_parameters(request, loaded, self._folder.sampling)
        return Form(module, parameters, loaded.config.seed if loaded else DEFAULT_SEED)

    @property
    def changed(self) -> bool:
        """Whether a training has written another checkpoint since the model was loaded."""
        chosen = self._folder.choose_checkpoint(self._options.checkpoint)
        now = chosen.stat()
        return chosen != self._checkpoint or (now.st_ino, now.st_mtime_ns) != (
            self._state.st_ino,
            self._state.st_mtime_ns,
        )

    def describe(self) -> dict[str, Any]:
        """Return what the page has to know of the model, as it is in its file now."""
        if self.changed:
            self._form = self._load()
        record = read_json(self._folder.record) if self._folder.record.is_file() else {}
        return {
            "state": "ready", **self._form.as_json(), "checkpoint": self._checkpoint.name,
            "checks_copies": self._options.refuse_copies is not None and not self._form.shows_patient,
            "init_from": record.get("init_from") or None,
        }  # fmt: skip

    def _gate_csv(self, files: Mapping[str, Path]) -> Path | None:
        """Return the training images, where copies of them can be told from what is meant to resemble its source."""
        resembles = self._form.shows_patient or any(column.startswith("Channel_") for column in files)
        return None if resembles else self._options.refuse_copies

    def make(
        self, order: Order, files: Mapping[str, Path], folder: Path, said: TextIO, progress: Progress
    ) -> dict[str, Any]:
        """Make what is ordered, and return what the page has to know of it.

        Args:
            order: the order.
            files: what the images are made from, by column.
            folder: for everything that is made.
            said: where the lines go that a person reads.
            progress: says how far it is.

        Raises:
            GandlfSynthError: as ``api.generate``.
        """
        spec = self._form.module.spec
        self._form.check(order.cells, files)
        check_class(order.class_name, spec)
        request = self._request(order, files, folder)
        console = Console(file=said, width=_WIDE, color_system=None)
        result = generate(request, console, loader=self._loader, progress=progress)
        return {
            **self._show(result, order, files, folder), "command": command_for(request, self._options.plugins),
            "format": self._form.format_of(order.output_format), "output": str(result.folder.relative_to(folder)),
            "sampling": read_json(InferenceFolder(result.folder).request)["sampling"],
        }  # fmt: skip

    def _request(self, order: Order, files: Mapping[str, Path], folder: Path) -> GenerationRequest:
        """Return the order as ``generate`` takes it: by a CSV where images are made from more than a class."""
        spec, options = self._form.module.spec, self._options
        csv, counts = None, None
        if files or any(text.strip() for text in order.cells.values()):
            csv = folder / "inputs.csv"
            write_rows(csv, order, files, spec)
        else:
            _check_one_draw(order)
            counts = order.number if order.class_name is None else {order.class_name: order.number}
        return GenerationRequest(
            options.model_dir, output_dir=folder, checkpoint=options.checkpoint, csv=csv, counts=counts,
            seed=order.seed, output_format=order.output_format, sampler=order.sampler,
            num_inference_steps=order.steps, guidance_scale=order.guidance_scale, refuse_copies=self._gate_csv(files),
            n_samples=order.n_samples if order.n_samples > 1 else None,
        )  # fmt: skip

    def _show(self, result: GenerationResult, order: Order, files: Mapping[str, Path], folder: Path) -> dict[str, Any]:
        """Draw what was made and what it was made from; return it, image by image."""
        spec = self._form.module.spec
        records = _records(result)
        pictures = folder / "pictures"
        names = list(spec.column_names)
        drawn: dict[str, dict[str, Any]] = {}
        for place in range(max(len(record["files"]) for record in records)):
            title = names[place] if len(names) > 1 and place < len(names) else ""
            shown = [
                Shown(f"image_{number}_{place}", title, result.folder / record["files"][place])
                for number, record in enumerate(records)
            ]
            drawn |= draw(shown, pictures, colour=spec.modality == "histo")
        for field in self._form.fields:
            if field.cell.kind == "image" and field.cell.column in files:
                column = field.cell.column
                given = Shown(f"given_{column}", field.cell.title or column, files[column])
                drawn |= draw([given], pictures, colour=spec.modality == "histo")
        return {
            "images": [
                {
                    "files": record["files"],
                    "facts": {
                        "class": class_of(order.class_name, number // order.n_samples, spec),
                        **{name: record[name] for name in _FACTS if record.get(name) is not None},
                    },
                    "shown": [drawn[f"image_{number}_{place}"] for place in range(len(record["files"]))],
                }
                for number, record in enumerate(records)
            ],
            "given": [entry for name, entry in drawn.items() if name.startswith("given_")],
            "maps": list(_draw_maps(result, pictures)) if order.n_samples > 1 else [],
        }  # fmt: skip


def _check_one_draw(order: Order) -> None:
    """Refuse several draws of new images, of which each is a draw of its own.

    Raises:
        ConfigError: they are asked for.
    """
    if order.n_samples > 1:
        what = "makes several images of each row, and these are made from nothing"
        raise ConfigError(Problem("n_samples", what, fix="ask for a number of images instead"))


def _draw_maps(result: GenerationResult, pictures: Path) -> Iterator[dict[str, Any]]:
    """Yield the maps of mean and spread of several draws, each kind in a window of its own."""
    records = [read_json(path) for path in sorted(result.folder.glob("*.json"))]
    maps = [record for record in records if str(record.get("kind", "")).startswith(_MAPS)]
    for kind in _MAPS:
        own = [record for record in maps if record["kind"].startswith(kind)]
        shown = [
            Shown(
                f"map_{kind.split()[0]}_{record['row']}_{place}",
                f"row {record['row']}: {record['kind']}",
                result.folder / name,
            )
            for record in own
            for place, name in enumerate(record["files"])
        ]
        drawn = draw(shown, pictures, colour=False)
        files = [name for record in own for name in record["files"]]
        yield from ({**drawn[each.name], "file": name} for each, name in zip(shown, files, strict=True))


def _records(result: GenerationResult) -> list[dict[str, Any]]:
    """Return what the sidecars say, in the order of the images."""
    places = {path.name: number for number, path in enumerate(result.images)}
    records = [read_json(path) for path in result.folder.glob("*.json")]
    own = [record for record in records if record.get("files") and record["files"][0] in places]
    return sorted(own, key=lambda record: places[record["files"][0]])
