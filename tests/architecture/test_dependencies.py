"""``pyproject.toml`` declares what is imported, and what it requires is imported."""

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from itertools import chain

import pytest
from tests.source import FILES, ROOT, imports_of, name_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_DISTRIBUTED = {"gandlf_synth", "tests", "benchmarks", "example_plugin"}
BESIDE_EACH_OTHER = {path.stem for path in (ROOT / "docs").glob("*.py")}  # run as scripts, they import one another
INSTALLED_BY_HAND = {
    "GANDLF": "its pins contradict ours (docs/how-to/gandlf.md)",
    "torch_fidelity": "it needs torchvision, which has no build for some machines (docs/how-to/evaluate.md)",
    "umap": "a map of features is drawn with it where it is installed, otherwise with principal components",
}
USED_BY_OTHERS = {
    "pylibjpeg": "pydicom decodes with it",
    "pylibjpeg-openjpeg": "pydicom decodes JPEG 2000 with it",
    "pylibjpeg-rle": "pydicom decodes RLE with it",
    "tensorboard": "Lightning writes its logs with it",
}
PART_OF = {"pydantic-core": "pydantic", "mlflow": "mlflow-skinny"}
DISTRIBUTIONS = {**packages_distributions(), "wandb": ["wandb"], "mlflow": ["mlflow-skinny"]}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: Iterable[str]) -> set[str]:
    return {normalized(match.group()) for line in requirements if (match := re.match(r"[A-Za-z0-9._-]+", line))}


def imported(folder: str) -> set[str]:
    """The top-level packages that the files of a folder import, less Python's own and ours."""
    modules = {module for path in FILES if name_of(path).startswith(folder) for module in imports_of(path)}
    return {module.split(".")[0] for module in modules} - sys.stdlib_module_names - NOT_DISTRIBUTED - BESIDE_EACH_OTHER


def distributions(package: str) -> set[str]:
    names = {normalized(name) for name in DISTRIBUTIONS.get(package, [package])}
    return names | {PART_OF[name] for name in names if name in PART_OF}


REQUIRED = declared(PROJECT["dependencies"])
DECLARED = REQUIRED.union(*map(declared, PROJECT["optional-dependencies"].values()))


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks", "docs"])
def test_what_is_imported_is_declared(folder: str) -> None:
    packages = imported(folder) - INSTALLED_BY_HAND.keys()

    assert sorted(package for package in packages if not distributions(package) & DECLARED) == []


def test_what_is_required_is_imported() -> None:
    used = set().union(*map(distributions, imported("src")))

    assert sorted(REQUIRED - used - USED_BY_OTHERS.keys()) == []


def test_every_requirement_has_a_lower_bound_and_a_tested_version() -> None:
    lines = [*PROJECT["dependencies"], *chain.from_iterable(PROJECT["optional-dependencies"].values())]
    tested = declared(line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#"))
    untested = {"deepspeed", "s3fs", "gcsfs", "adlfs"}  # need a compiler and a GPU, or an account; HTTP is tested

    assert [line for line in lines if ">=" not in line and not line.startswith(("gandlf-synth[", "types-"))] == []
    assert sorted(DECLARED - tested - untested - {"gandlf-synth"}) == []
