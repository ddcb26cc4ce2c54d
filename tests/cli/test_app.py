"""``gandlf-synth app`` as a command: what it refuses, what it says, and what it leaves."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.factories import Cli
from tests.pages import Page
from tests.processes import start

from gandlf_synth.files import write_text
from gandlf_synth.model_folder import ModelFolder


def test_a_folder_without_a_model_is_refused_as_by_generate(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("app", "-m-dir", tmp_path / "none", "--no-browser")
    of_generate = cli("generate", "-m-dir", tmp_path / "none")[2]

    assert code == 4
    assert f"model folder {tmp_path / 'none'}: holds no checkpoint; train first" in err
    assert err == of_generate
    assert not (tmp_path / "none").exists()


def test_a_missing_checkpoint_and_a_taken_port_are_refused(cli: Cli, tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path / "model")
    write_text(folder.last, "anything")
    code, _, err = cli("app", "-m-dir", folder.root, "-ckpt-path", tmp_path / "none.ckpt")
    assert code == 4
    assert "none.ckpt: is not a checkpoint file: it does not exist" in err

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = cli("app", "-m-dir", folder.root, "--port", port)

    assert code == 7
    assert f"--port {port}: cannot be used: Address already in use; name another, or leave it out" in err


def test_it_needs_no_torch_to_answer_and_leaves_nothing_when_it_ends(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path / "model")
    write_text(folder.resolved_config, "model_config: {model_name: ddpm}")  # a training that has no checkpoint yet
    program = start("app", "-m-dir", folder.root, "--no-browser")
    assert program.stdout is not None
    url = program.stdout.readline().strip()

    page = Page(url, folder.root)
    content, state = page.ask().body, page.ask("v1/training").body
    program.send_signal(signal.SIGTERM)
    _, err = program.communicate(timeout=60)

    assert url.startswith("http://127.0.0.1:")
    assert b"<title>GaNDLF-Synth</title>" in content
    assert b'"curves": []' in state
    assert program.returncode == 0
    assert "Traceback" not in err
    assert [path.name for path in folder.root.iterdir()] == ["resolved_config.yaml"]


def test_the_process_of_the_page_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = "{'torch', 'numpy', 'PIL', 'monai'}"
    code = f"import sys, gandlf_synth.app.run, gandlf_synth.cli.app; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert run.stdout.strip() == "[]"
