"""A segmentation by a program of somebody else, which gets a file and writes a file."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.errors import ConfigError, DataError, Problem, listing, option
from gandlf_synth.evaluation.paired.grids import grid_problem, laid_like

Labels = NDArray[np.int32]
_FIELD = re.compile(r"\{(\w*)\}")
_EXAMPLE = "TotalSegmentator -i {in} -o {out} --ml"
_KNOWN = "{in} (or {in_0}, {in_1} … of several channels), {source_0}, {source_1} …, and {out}"
_LAST_LINES = 5


@dataclass(frozen=True)
class Segmenter:
    """A command that segments one image; it runs without a shell, so that no file name can do harm.

    Args:
        words: the command, with names in braces where files stand: ``{in}`` is the image as ``.nii.gz``, ``{source_0}``
            the file in a column of the CSV, ``{out}`` the file that the command must write.
        timeout: seconds that it may take for an image.
    """

    words: tuple[str, ...]
    timeout: float

    @classmethod
    def parse(cls, command: str, timeout: float) -> Self:
        """Return the segmenter of a command line.

        Raises:
            ConfigError: the program is not there, or ``{in}`` or ``{out}`` is missing, or another name is in braces.

        >>> Segmenter.parse("cp {in} {out}", 60).words
        ('cp', '{in}', '{out}')
        """
        where = option("segmenter")
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise ConfigError(Problem(where, f"{command!r} cannot be split into words: {error}", _EXAMPLE)) from error
        names = {name for word in words for name in _FIELD.findall(word)}
        unknown = sorted(name for name in names if not re.fullmatch(r"in|out|in_\d+|source_\d+", name))
        if unknown:
            raise ConfigError(Problem(where, f"{{{unknown[0]}}} names no file", _KNOWN))
        if "out" not in names or not any(name.startswith("in") for name in names):
            raise ConfigError(Problem(where, f"{command!r} does not name {{in}} and {{out}}", _EXAMPLE))
        if shutil.which(words[0]) is None:
            raise ConfigError(
                Problem(where, f"the program {words[0]!r} is not there", fix="install it, or name its path")
            )
        return cls(words, timeout)

    @property
    def source_columns(self) -> list[int]:
        """The numbers of the source columns that the command wants."""
        names = sorted({name for word in self.words for name in _FIELD.findall(word) if name.startswith("source_")})
        return [int(name.removeprefix("source_")) for name in names]

    def __call__(self, image: Image, sources: Mapping[int, Path], target: Path, where: str) -> Labels:
        """Return the labels of an image, ``(*shape)``, with the axes of its file.

        Args:
            image: in the units of the data.
            sources: the files that ``{source_k}`` stands for.
            target: where the segmentation is kept, with ``.nii.gz``.
            where: the image, for messages.

        Raises:
            DataError: the command fails, takes too long, or writes nothing, no labels, or labels on another grid.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            files = {f"source_{number}": path for number, path in sources.items()}
            for number, channel in enumerate(image.array):
                path = Path(folder) / f"image_{number}.nii.gz"
                nib.save(nib.Nifti1Image(channel.astype(np.float32), image.geometry.affine), path)
                files[f"in_{number}"] = path
            files |= {"in": files["in_0"], "out": target.absolute()}
            words = [_FIELD.sub(lambda match: str(files.get(match[1], match[0])), word) for word in self.words]
            self._run(words, Path(folder) / "messages.txt", where)
        return self._labels(target, image, where)

    def _run(self, words: list[str], messages: Path, where: str) -> None:
        with messages.open("w+b") as log:
            code = _finish(words, log, self.timeout)
            log.seek(0)
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
        said = " / ".join(lines[-_LAST_LINES:]) or "nothing"
        if code is None:
            what = f"did not end within {self.timeout:g} seconds; its last lines: {said}"
            raise self._problem(where, what, f"give it more time with {option('segmenter_timeout')}")
        if code:
            raise self._problem(where, f"ended with code {code}; its last lines: {said}")

    def _labels(self, target: Path, image: Image, where: str) -> Labels:
        if not target.is_file():
            raise self._problem(where, f"wrote nothing to {target}", "it must write one file, the one at {out}")
        try:
            found = read_image(target)
        except UnreadableError as error:
            raise self._problem(where, f"wrote {target}, which {error.what}") from error
        different = grid_problem(found.geometry, image.geometry)
        if different or found.num_channels != 1:
            raise self._problem(where, f"wrote {target}, which {different or 'has several channels'}")
        if (found.array != np.rint(found.array)).any():
            raise self._problem(where, f"wrote {target}, which holds other values than whole numbers", "write labels")
        labels: Labels = laid_like(found, image.geometry).array[0].astype(np.int32)
        return labels

    def _problem(self, where: str, what: str, fix: str = "") -> DataError:
        return DataError(Problem(f"{option('segmenter')} {self.words[0]} for {where}", what, fix=fix))


def _finish(words: list[str], log: IO[bytes], timeout: float) -> int | None:
    """Return the exit code of a command, None where it took too long; then all that it started is ended."""
    with subprocess.Popen(  # noqa: S603 (the user's own command)
        words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


def missing_sources(segmenter: Segmenter, sources: tuple[Path | None, ...], where: str) -> list[Problem]:
    """Return the sources that a command wants and a row does not have."""
    absent = [f"Source_{k}" for k in segmenter.source_columns if k >= len(sources) or sources[k] is None]
    if not absent:
        return []
    what = f"is missing or empty, and {option('segmenter')} names it"
    return [Problem(f"{where}, column {listing(absent)}", what)]
