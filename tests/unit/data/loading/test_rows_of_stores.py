"""What is said of the rows of a store, asked of its index at once, is what is said of the rows one by one."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from tests.factories import blob_picture, write_picture, write_table

from gandlf_synth import api
from gandlf_synth.config import Step
from gandlf_synth.data.formats.shards.index import open_store, store_location
from gandlf_synth.data.inspection.sides import differing_sides, rows_without_targets
from gandlf_synth.data.loading.conditioners import ConditionPart, build_conditioner, fit_conditioners
from gandlf_synth.data.loading.conditioning.row_checks import check_before_fit, check_inputs, check_rows, check_sources
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.errors import DataError
from gandlf_synth.training.store_preparation import PreparationRequest
from gandlf_synth.training.stored_data import stored_facts, stored_scans

STEPS = {
    "image": Step(name="image"),
    "mask": Step(name="mask"),
    "region": Step(name="region", parameters="Region"),
    "holes in the mask": Step(name="region", parameters="Mask"),
    "random holes": Step(name="region"),
    "low_resolution": Step(name="low_resolution", parameters=2),
}
ROWS = (
    # Channel_0, Source_0, Mask by its labels, Region, Label
    (1, 1, (0, 1), 1, "0"),
    (1, 0, (0, 1, 3), 0, "1"),
    (0, 1, (), 1, "0"),
    (1, 1, (1,), 0, "1"),
    (1, 0, (0, 1, 3), 1, "1"),
    (1, 1, (), 0, "0"),
)


CONFIG = """\
model_config:
  model_name: ddpm
  conditioning: [image, {region: random}]
  tensor_shape: [16, 16]
  architecture: {num_channels: [8, 8], attention_levels: [false, false], num_res_blocks: 1, norm_num_groups: 4}
compute: {accelerator: cpu}
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredManifest:
    tmp_path = tmp_path_factory.mktemp("store")
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    rows = []
    for number, (target, source, labels, region, label) in enumerate(ROWS):
        maps = [np.resize(labels, (16, 16)) if labels else None, np.resize((0, 1), (16, 16)) if region else None]
        images = [blob_picture(16, number) if given else None for given in (target, source)]
        paths = [
            "" if array is None else write_picture(tmp_path / f"{number}_{place}.png", array.astype(np.uint8))
            for place, array in enumerate([*images, *maps])
        ]
        rows.append((f"s{number}", *paths, label))
    table = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", "Source_0", "Mask", "Region", "Label"), rows)
    api.prepare(PreparationRequest(config, table, tmp_path / "store", shard_bytes=16 * 16 * 4 * 4))
    return StoredManifest.of(open_store(store_location(tmp_path / "store"), tmp_path / "store"))


def one_by_one(manifest: Manifest) -> Manifest:
    return Manifest(manifest.path, tuple(manifest.samples), manifest.subject_rule)


def messages(ask: Callable[[], object]) -> list[str]:
    try:
        ask()
    except DataError as error:
        return str(error).splitlines()
    return []


def rows_in(found: list[str]) -> list[int]:
    return [int(line.partition(" row ")[2].partition(",")[0]) for line in found if " row " in line]


def parts_of(manifest: StoredManifest, step: Step) -> tuple[ConditionPart, ...]:
    """Return what is learned of the first and the last row, whose masks have no label 3."""
    train = manifest.at(np.array([0, 3]))
    return fit_conditioners([step], train, stored_facts({"train": train}))


@pytest.mark.parametrize("name", STEPS)
def test_messages_are_those_of_the_rows_one_by_one(stored: StoredManifest, name: str) -> None:
    rows, scans, step = one_by_one(stored), stored_scans({"train": stored}), STEPS[name]
    parts = parts_of(stored, step)
    questions: list[Callable[[Manifest], object]] = [
        lambda table: check_before_fit([table], [step], scans),
        lambda table: check_rows(table, parts, scans),
        lambda table: check_inputs(table, parts, scans),
        lambda table: check_sources(table, parts),
    ]

    said = [messages(partial(ask, stored)) for ask in questions]

    assert said == [messages(partial(ask, rows)) for ask in questions]


@pytest.mark.parametrize(
    ("name", "rows"), [("image", [2, 5]), ("mask", [6]), ("holes in the mask", [6]), ("region", [2, 4, 6])]
)
def test_what_cannot_be_used_is_named_row_by_row(stored: StoredManifest, name: str, rows: list[int]) -> None:
    found = messages(lambda: check_sources(stored, parts_of(stored, STEPS[name])))

    assert rows_in(found) == rows


def test_masks_that_hold_what_no_training_row_has_are_named_in_the_order_of_their_rows(stored: StoredManifest) -> None:
    scans, parts = stored_scans({"train": stored}), parts_of(stored, STEPS["mask"])

    found = messages(lambda: check_rows(stored, parts, scans))

    assert rows_in(found) == [2, 5]
    assert "has labels that no mask of the training rows has: 3; allowed: 0, 1" in found[1]


@pytest.mark.parametrize("name", STEPS)
def test_rows_asked_together_say_and_teach_what_each_does(stored: StoredManifest, name: str) -> None:
    conditioner = build_conditioner(STEPS[name].name, STEPS[name].parameters)

    for table in (stored, one_by_one(stored), stored.at(np.array([4, 1]))):
        assert conditioner.learns_without(table) == conditioner.learns_without(one_by_one(table))
        assert conditioner.rows_that_say(table).tolist() == list(map(conditioner.says, table.samples))
        assert conditioner.rows_that_teach(table).tolist() == list(map(conditioner.teaches, table.samples))


def test_notes_on_the_two_sides_are_those_of_the_rows_one_by_one(stored: StoredManifest) -> None:
    scans = stored_scans({"train": stored})

    for places in ([0, 1, 2], [1, 2, 4], [2, 4]):
        some = stored.at(np.array(places))
        assert differing_sides(some, scans) == differing_sides(one_by_one(some), scans)
        assert rows_without_targets(some) == rows_without_targets(one_by_one(some))
    (note,) = differing_sides(stored.at(np.array([1, 2])), scans)
    assert "class 0 is 100% of the sources and 0% of the targets" in note
