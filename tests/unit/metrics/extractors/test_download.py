"""Weights come from a file, from torch hub's folder or, only when allowed, from the network."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from gandlf_synth.errors import ConfigError
from gandlf_synth.metrics.extractors import build_extractor
from gandlf_synth.metrics.extractors.inception import URL, inception_v3
from gandlf_synth.metrics.extractors.weights import download, downloaded, place_of

CONTENT = b"weights, or so it seems"
HASH = hashlib.sha256(CONTENT).hexdigest()[:8]


@dataclass
class Site:
    """Where files can be fetched from, and what was asked for."""

    folder: Path
    address: str
    asked: list[str] = field(default_factory=list)

    def offer(self, name: str, content: bytes = CONTENT) -> str:
        (self.folder / name).write_bytes(content)
        return f"{self.address}/{name}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "site"
    folder.mkdir()
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Site(folder, f"http://127.0.0.1:{server.server_port}", asked)
        server.shutdown()


def test_a_file_is_fetched_once_into_torch_hubs_folder(site: Site, tmp_path: Path) -> None:
    url = site.offer(f"network-{HASH}.pth")

    assert downloaded(url) is None
    path = download(url)

    assert path == tmp_path / "torch" / "hub" / "checkpoints" / f"network-{HASH}.pth"
    assert path.read_bytes() == CONTENT
    assert downloaded(url) == path
    assert site.asked == [f"/network-{HASH}.pth"]


def test_another_file_than_the_hash_says_is_refused_and_not_kept(site: Site) -> None:
    url = site.offer(f"network-{HASH}.pth", b"something else")

    with pytest.raises(ConfigError, match=rf"allow_download: {url} could not be fetched: invalid hash.*{HASH}"):
        download(url)

    assert list(place_of(url).parent.iterdir()) == []


def test_what_is_not_there_says_what_else_to_do(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"absent-12345678\.pth could not be fetched: .*404.*extractor_weights"):
        download(f"{site.address}/absent-12345678.pth")


def test_without_the_flag_nothing_is_asked_for(site: Site) -> None:
    url = site.offer(f"network-{HASH}.pth")

    with pytest.raises(ConfigError) as error:
        inception_v3(url=url)

    for way in ("extractor_weights", str(place_of(url)), "allow_download"):
        assert way in str(error.value)
    assert site.asked == []


def test_a_copy_in_torch_hubs_folder_is_used_and_a_damaged_one_refused(site: Site) -> None:
    url = f"{site.address}/network-{HASH}.pth"
    path = place_of(url)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)

    with pytest.raises(ConfigError, match=rf"{path}.*(torch-fidelity's network|cannot be read as weights)"):
        inception_v3(url=url)
    path.write_bytes(b"half of it")
    with pytest.raises(ConfigError, match=rf"network-{HASH}\.pth: is damaged: .* instead of {HASH}; delete it"):
        inception_v3(url=url, allow_download=True)
    assert site.asked == []


def test_only_what_has_something_to_download_takes_the_flag() -> None:
    with pytest.raises(ConfigError, match="allow_download: random-conv has nothing to download; drop it"):
        build_extractor("random-conv", allow_download=True)


def test_the_address_of_the_weights_names_their_hash() -> None:
    assert place_of(URL).name == "weights-inception-2015-12-05-6726825d.pth"
