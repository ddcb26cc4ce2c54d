"""Notebooks of the tutorials, in nbformat 4.5: what runs as it is becomes cells, all else stays text.

A tutorial is written once, in Markdown. Blocks of ``sh`` and ``python`` run without data of one's own. Those of
``bash`` and ``text`` are for the reader's own data, so they stay text.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any

_DOCS = Path(__file__).parent
_BLOCK = re.compile(r"^```(?P<kind>sh|python)\n(?P<text>.*?)^```\n?", re.MULTILINE | re.DOTALL)
_PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<target>[^):]+)\)")
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?!https?:|mailto:|attachment:)(?P<target>[^)#]*)(?:#[^)]*)?\)")
SHELL = "%%sh -e\n"
"""What makes a cell a script of shell commands that ends at the first one that fails."""
_HOW_TO_RUN = """\
*Made from `docs/tutorials/{name}.md`. Open it in an environment that has GaNDLF-Synth (`pip install jupyterlab`, then
`jupyter lab`). Commands write into the folder of the notebook; a cell with* `%%sh` *needs Linux or macOS.*
"""
_OFFER = "[Download this page as a notebook]({name}.ipynb){{ download }}\n\n"


def notebooks() -> dict[str, str]:
    """Return the notebook of every tutorial that has something to run, by its path in ``docs``."""
    pages = sorted((_DOCS / "tutorials").glob("*.md"))
    return {f"tutorials/{page.stem}.ipynb": json.dumps(notebook(page), indent=1) for page in pages if is_runnable(page)}


def is_runnable(page: Path) -> bool:
    """Say whether a page has commands or code that run as they are."""
    return _BLOCK.search(page.read_text(encoding="utf-8")) is not None


def offer_notebook(page: Path, markdown: str) -> str:
    """Return the text of a page with a link to its notebook below the title, where there is one."""
    if page.parent.name != "tutorials" or not is_runnable(page):
        return markdown
    title, _, rest = markdown.partition("\n")
    return f"{title}\n\n{_OFFER.format(name=page.stem)}{rest.lstrip()}"


def notebook(page: Path) -> dict[str, Any]:
    """Return the notebook of a page, with its pictures inside, so that it can be moved."""
    text = page.read_text(encoding="utf-8")
    title, _, text = text.partition("\n")
    cells = [_text_cell(f"{title}\n\n{_HOW_TO_RUN.format(name=page.stem)}", page)]
    end = 0
    for block in _BLOCK.finditer(text):
        cells += [_text_cell(text[end : block.start()], page), _code_cell(block["kind"], block["text"])]
        end = block.end()
    cells.append(_text_cell(text[end:], page))
    filled = [cell for cell in cells if cell["source"]]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [{"id": f"cell-{number}", **cell} for number, cell in enumerate(filled)],
    }


def _code_cell(kind: str, text: str) -> dict[str, Any]:
    source = SHELL + text if kind == "sh" else text
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": source.rstrip()}


def _text_cell(text: str, page: Path) -> dict[str, Any]:
    """Return a cell of Markdown; pictures go with it, and links to other pages say where the page is."""
    pictures = {Path(match["target"]).name: page.parent / match["target"] for match in _PICTURE.finditer(text)}
    attached = {name: {"image/png": base64.b64encode(path.read_bytes()).decode()} for name, path in pictures.items()}
    text = _PICTURE.sub(lambda match: f"![{match['alt']}](attachment:{Path(match['target']).name})", text)
    text = _LINK.sub(lambda match: _named(match, page), text)
    cell = {"cell_type": "markdown", "metadata": {}, "source": text.strip()}
    return cell | ({"attachments": attached} if attached else {})


def _named(link: re.Match[str], page: Path) -> str:
    """Return the words of a link, and the file of the page that it leads to."""
    if not link["target"]:
        return link["text"]
    target = (page.parent / link["target"]).resolve().relative_to(_DOCS.parent)
    return f"{link['text']} (`{target.as_posix()}`)"
