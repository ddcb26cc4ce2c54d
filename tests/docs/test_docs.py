"""The documentation is true: its commands and code run, its YAML validates, its links lead somewhere."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tests.factories import write_picture

from gandlf_synth import registry
from gandlf_synth.cli.main import main
from gandlf_synth.config import parse_document, validate

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    path for folder in (".", "tutorials", "how-to", "reference", "explanation") for path in (DOCS / folder).glob("*.md")
)
GENERATED = {
    "reference/cli.md", "reference/configuration.md", "reference/components.md", "decisions/index.md",
    "explanation/benchmarks.md",
}  # fmt: skip
SLOW = {
    "tutorials/two-dimensions.md", "tutorials/three-dimensions.md", "tutorials/thirty-subjects.md",
    "tutorials/masks.md", "tutorials/translation.md",
    "how-to/cluster.md", "how-to/large-data.md",
}  # fmt: skip
FENCE = re.compile(r"^```(?P<kind>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)(?P<target>[^)#\s]+)?(?:#(?P<anchor>[^)]+))?\)")
SMALLER = {
    "train": ["--minutes", "0.03", "--set", "model_config.save_eval_images_every_n_epochs=-1"],
    "generate": ["--steps", "2"],
}


@dataclass(frozen=True)
class Block:
    kind: str
    title: str | None
    text: str


def name_of(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


def blocks(page: Path) -> list[Block]:
    return [Block(**match.groupdict()) for match in FENCE.finditer(page.read_text(encoding="utf-8"))]


def cells(page: Path) -> list[Block]:
    """Return the cells that run of the notebook of a tutorial."""
    import notebooks

    code = (cell["source"] for cell in notebooks.notebook(page)["cells"] if cell["cell_type"] == "code")
    shell = notebooks.SHELL
    return [Block("sh" if cell.startswith(shell) else "python", None, cell.removeprefix(shell)) for cell in code]


def runnable() -> Iterator[object]:
    for page in PAGES:
        if any(block.kind in ("sh", "python") for block in blocks(page)):
            name = name_of(page)
            yield pytest.param(page, id=name, marks=[pytest.mark.slow] if name in SLOW else [])


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What how-to pages begin with: ``images/``, the ``project/`` that init writes for it, and a model trained a little."""
    import numpy as np

    folder = tmp_path_factory.mktemp("example")
    rng = np.random.default_rng(0)
    for class_name, brightness in (("benign", 90), ("tumour", 160)):
        for index in range(10):
            array = np.clip(brightness + rng.normal(0, 30, (16, 16)), 0, 255).astype(np.uint8)
            write_picture(folder / "images" / class_name / f"{class_name}_{index}" / "image.png", array)
    before = Path.cwd()
    os.chdir(folder)
    try:
        run_line("gandlf-synth init images -o project")
        run_line("gandlf-synth train -c project/config.yaml -dt project/data.csv -m-dir project/model -vr 0.2")
    finally:
        os.chdir(before)
    return folder


def run_line(line: str) -> None:
    """Run one line of a shell block; our own commands in this process, made small, the rest in a shell."""
    words = shlex.split(line, comments=True)
    if words and words[0] == "gandlf-synth" and not re.search(r"[|>&;$]", line):
        command = next((word for word in words[1:] if word in SMALLER), "")
        assert main([*words[1:], *SMALLER.get(command, [])]) == 0, line
        return
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["/bin/sh", "-ec", line], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def run_block(block: Block) -> None:
    if block.title:
        path = Path(block.title)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    elif block.kind == "python":
        exec(compile(block.text, "<documentation>", "exec"), {"__name__": "__main__"})  # noqa: S102
    elif block.kind == "sh":
        for line in block.text.replace("\\\n", " ").splitlines():
            run_line(line)


@pytest.mark.parametrize("page", runnable())
def test_the_commands_of_a_page_work(
    page: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.syspath_prepend(str(DOCS))
    here = tmp_path / "here"
    is_tutorial = page.parent.name == "tutorials"
    if is_tutorial:
        here.mkdir()
    else:
        shutil.copytree(request.getfixturevalue("example"), here)
    monkeypatch.chdir(here)

    for block in cells(page) if is_tutorial else blocks(page):
        run_block(block)


def test_a_notebook_holds_all_of_its_tutorial_and_needs_no_other_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    import notebooks

    made = notebooks.notebooks()
    content = json.loads(made["tutorials/two-dimensions.ipynb"])
    sources = [cell["source"] for cell in content["cells"]]
    page = (DOCS / "tutorials" / "two-dimensions.md").read_text(encoding="utf-8")

    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in content["cells"]}) == len(sources)
    assert sources[0].startswith(page.partition("\n")[0])
    assert "%%sh -e\ngandlf-synth init images -o project" in sources
    assert any("install (`docs/how-to/install.md`)" in source for source in sources)
    assert all(
        f"attachment:{name}" in cell["source"] for cell in content["cells"] for name in cell.get("attachments", ())
    )
    assert not any(re.search(r"\]\((?!https?:|attachment:)", source) for source in sources)
    assert "tutorials/cluster.ipynb" not in made  # nothing of it runs without a cluster


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_yaml_is_valid_and_links_lead_somewhere(page: Path) -> None:
    for block in blocks(page):
        assert block.kind in {"sh", "python", "yaml", "text", "bash"}, f"{page}: a block says no language"
        if block.kind == "yaml":
            validate(parse_document(block.text, str(page)))
        if block.kind == "bash":
            subprocess.run([shutil.which("bash") or "bash", "-n"], input=block.text, text=True, check=True)
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        target = (page.parent / match["target"]).resolve() if match["target"] else page
        name = os.path.relpath(target, DOCS)
        assert target.exists() or name in GENERATED, f"{page}: {match['target']}"
        if match["anchor"] and name not in GENERATED:
            assert match["anchor"] in anchors(target), f"{page}: #{match['anchor']}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def test_every_entry_of_the_navigation_exists_and_every_page_is_in_it() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(_targets(YAML(typ="safe").load(text)["nav"]))

    assert {name for name in listed - GENERATED if not (DOCS / name).is_file()} == set()
    assert {name_of(page) for page in PAGES} - listed == set()


def _targets(entry: object) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    for part in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ():
        yield from _targets(part)


def test_generated_pages_tell_every_command_key_and_component(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    import generated

    pages = generated.pages()

    assert set(pages) == GENERATED
    assert "| `ddpm_128` |" in pages["explanation/benchmarks.md"]
    assert "gandlf-synth train -c project/config.yaml" in pages["reference/cli.md"]
    assert "model_name: stylegan2" in pages["reference/configuration.md"]
    assert "| `--guidance-scale` |" in pages["reference/cli.md"]
    assert "`gandlf-synth config explain`" in pages["reference/cli.md"]
    for name in registry.names("models"):
        assert f"## `{name}`" in pages["reference/configuration.md"]
    assert "`model_config.architecture.num_train_timesteps`" in pages["reference/configuration.md"]
    assert all(f"`{name}`" in pages["reference/components.md"] for name in registry.names("losses"))


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "reference" / "python" / "index.html").is_file()
