"""The automatic normalisation fits what the values mean."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.factories import Array, write_nifti

from gandlf_synth.data.formats.scan import scan_files
from gandlf_synth.data.inspection.fingerprint import Fingerprint, fingerprint
from gandlf_synth.data.table.manifest import read_manifest
from gandlf_synth.training.defaults import choose_normalization


def facts_of(folder: Path, arrays: list[np.ndarray]) -> Fingerprint:
    names = [write_nifti(folder / f"{index}.nii.gz", array).name for index, array in enumerate(arrays)]
    (folder / "a.csv").write_text("\n".join(["Channel_0", *names]))
    manifest = read_manifest(folder / "a.csv")
    return fingerprint([manifest], scan_files([sample.channels[0] for sample in manifest.samples], folder / "cache"))


def ct(seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(40, 30, (12, 12, 12))
    values[:5] = -1000
    values[10:] += 700
    return values.astype(np.int16)


def test_hounsfield_units_get_one_window(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, [ct(0), ct(1)])
    choice = choose_normalization(facts)

    assert facts.modality == "CT"
    assert choice.value[0].parameters["in_min_max"] == [-1000.0, 1000.0]
    assert "-1000 to 1000 HU" in choice.reason


@pytest.mark.parametrize("change", [lambda v: v + 1100, lambda v: v.astype(np.float32), lambda v: v * 10])
def test_other_values_are_no_hounsfield_units(tmp_path: Path, change: Callable[[Array], Array]) -> None:
    facts = facts_of(tmp_path, [change(ct(0)), ct(1)])

    assert facts.modality == ""
    assert "percentiles" in choose_normalization(facts).value[0].parameters
