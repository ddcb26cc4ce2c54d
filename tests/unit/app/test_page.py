"""The page over HTTP: what is made is what the command makes, browsers do not disturb one another, strangers do nothing."""

import io
import shlex
import socket
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from tests.factories import Cli, blob_picture, write_picture
from tests.pages import Page


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".gz", ".png", ".json")}


def unpacked(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        return {Path(name).name: content.read(name) for name in content.namelist()}


@pytest.fixture
def mask(page: Page, tmp_path: Path) -> str:
    path = write_picture(tmp_path / "head.png", (blob_picture(16, 3) > 100).astype("uint8"))
    return page.upload(path)


def test_the_form_follows_from_what_the_model_was_conditioned_on(page: Page) -> None:
    page.order()  # the model is loaded then

    model = page.ask("v1/model").json

    assert model["state"] == "ready"
    assert model["classes"] == ["benign", "tumour"]
    fields = {field["column"]: field for field in model["fields"]}
    assert {column: (field["kind"], field["required"], field["group"]) for column, field in fields.items()} == {
        "Mask": ("image", False, ""), "age": ("number", False, ""),
        "Channel_0": ("image", False, "Fill a region of an image"), "Region": ("image", False, "Fill a region of an image"),
    }  # fmt: skip
    assert fields["age"]["hint"] == "the training images have 30 to 65 years"
    assert {"nifti", "png", "tiff"} <= set(model["formats"])
    assert model["sampling"]["num_inference_steps"] == 2
    assert model["guided"]


@pytest.mark.parametrize(
    "order",
    [
        {"number": 2, "class": "tumour", "seed": 5, "steps": 3, "guidance_scale": 1.5, "format": "png"},
        {"number": 3, "seed": 6, "cells": {"age": "40"}},
        {"number": 2, "seed": 7, "class": "benign", "masked": True},
    ],
    ids=["class", "number", "mask"],
)
def test_the_command_beside_the_images_makes_the_same_bytes(
    page: Page, cli: Cli, mask: str, tmp_path: Path, order: dict[str, object]
) -> None:
    masked = order.pop("masked", False) if "masked" in order else False
    job = page.order(**order, files={"Mask": mask} if masked else {})
    assert job["state"] == "done", job["error"]
    made = unpacked(page.ask(f"v1/jobs/{job['id']}/archive.zip").body)

    program, *words = shlex.split(job["command"])
    code, out, err = cli(*words, "-i-dir", tmp_path / "again")

    assert (program, code) == ("gandlf-synth", 0), err
    again = files_in(Path(out.strip()))
    assert {name: made[name] for name in again} == again
    assert made["command.txt"].decode().strip() == job["command"]
    names = [name for image in job["images"] for name in image["files"]]
    assert len(names) == order["number"]
    for name in names:
        assert page.ask(f"v1/jobs/{job['id']}/files/{name}").body == again[name]


def test_a_region_is_filled_and_the_rest_of_the_image_stays(page: Page, tmp_path: Path) -> None:
    head = blob_picture(16, 5)
    region = np.zeros_like(head)
    region[4:9, 6:11] = 1
    files = {
        "Channel_0": page.upload(write_picture(tmp_path / "head.png", head)),
        "Region": page.upload(write_picture(tmp_path / "region.png", region)),
    }

    job = page.order(files=files, format="png", seed=2)

    assert job["state"] == "done", job["error"]
    (name,) = job["images"][0]["files"]
    made = np.asarray(Picture.open(io.BytesIO(page.ask(f"v1/jobs/{job['id']}/files/{name}").body)))
    assert np.array_equal(made[region == 0], head[region == 0])
    assert not np.array_equal(made[region == 1], head[region == 1])


def test_each_image_says_its_class_and_is_shown(page: Page) -> None:
    job = page.order(number=3, seed=1)

    assert [image["facts"]["class"] for image in job["images"]] == ["benign", "tumour", "benign"]
    for image in job["images"]:
        picture = page.ask(f"v1/jobs/{job['id']}/pictures/{image['shown'][0]['pictures'][0]}")
        assert (picture.status, picture.body[:4]) == (200, b"\x89PNG")


def test_several_draws_of_a_row_come_with_maps_of_mean_and_spread(page: Page) -> None:
    job = page.order(n_samples=3, cells={"age": 50}, seed=5)

    assert len(job["images"]) == 3
    assert [each["title"] for each in job["maps"]] == [
        "row 1: mean of 3 images, voxel by voxel", "row 1: std of 3 images, voxel by voxel"
    ]  # fmt: skip
    for each in job["maps"]:
        assert page.ask(f"v1/jobs/{job['id']}/pictures/{each['pictures'][0]}").status == 200
        assert page.ask(f"v1/jobs/{job['id']}/files/{each['file']}").status == 200
    assert "--n-samples 3" in job["command"]
    assert "n_samples: makes several images of each row" in page.order(n_samples=2)["error"]
    answer = page.ask("v1/jobs", "POST", {"n_samples": 9, "number": 9})
    assert "81 images (number times n_samples) are too many; at most 64 in one order" in answer.json["error"]


def test_a_number_beyond_the_training_is_warned_of(page: Page) -> None:
    job = page.order(cells={"age": 99})

    assert any("99 years lies outside of the training rows" in line for line in job["remarks"])


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"class": "glioma"}, "class: the model knows no class 'glioma'; allowed: benign, tumour"),
        ({"cells": {"weight": "3"}}, "cells.weight: is not what this model is made from; allowed: age"),
        ({"cells": {"Mask": "/etc/passwd"}}, "cells.Mask: is not what this model is made from; allowed: age"),
        ({"cells": {"age": "old"}}, "column age: is 'old'; allowed: a number with a decimal point"),
        ({"format": "gif"}, "unknown name 'gif' in writers"),
        ({"sampler": "best"}, "unknown name 'best' in samplers"),
    ],
)
def test_what_the_model_cannot_do_is_said_in_a_sentence(page: Page, order: dict[str, object], message: str) -> None:
    job = page.order(**order)

    assert job["state"] == "failed"
    assert message in job["error"]
    assert "Traceback" not in job["error"]


def test_another_program_sends_json_and_gets_an_image(page: Page, mask: str) -> None:
    order = {"class": "tumour", "seed": 3, "cells": {"age": 50}, "files": {"Mask": mask}}

    first, second = (page.ask("v1/generate", "POST", order) for _ in range(2))

    assert (first.status, first.headers["Content-Type"], first.body[:2]) == (200, "application/gzip", b"\x1f\x8b")
    assert first.headers["Content-Disposition"] == 'attachment; filename="head_synthetic.nii.gz"'
    assert first.body == second.body
    refused = page.ask("v1/generate", "POST", {"number": 2})
    assert (refused.status, refused.json) == (422, {"error": "number: one image at a time; use v1/jobs for more"})


def test_many_browsers_at_once_get_each_what_they_ordered(page: Page) -> None:
    alone = {seed: page.ask("v1/generate", "POST", {"seed": seed}).body for seed in range(3)}

    with ThreadPoolExecutor(9) as browsers:
        bodies = list(browsers.map(lambda k: page.ask("v1/generate", "POST", {"seed": k % 3}).body, range(9)))

    assert bodies == [alone[k % 3] for k in range(9)]


@pytest.mark.slow  # another worker starts
def test_a_canceled_order_leaves_nothing_and_the_next_one_is_made(page: Page) -> None:
    job = page.ask("v1/jobs", "POST", {"number": 64, "steps": 10}).json["id"]
    after = page.ask("v1/jobs", "POST", {"seed": 1}).json["id"]

    page.ask(f"v1/jobs/{job}", "DELETE")

    assert page.ended(job)["state"] == "canceled"
    assert page.ended(after)["state"] == "done"
    assert not (page.output / job).exists()


def test_a_removed_order_is_gone_from_the_disk(page: Page) -> None:
    job = page.order(seed=8)["id"]
    assert (page.output / job).is_dir()

    page.ask(f"v1/jobs/{job}", "DELETE")

    assert not (page.output / job).exists()
    assert page.ask(f"v1/jobs/{job}").status == 404


def test_hostile_requests_do_nothing_and_get_a_short_error(page: Page) -> None:
    before = page.ask("v1/jobs").json
    secret = page.url.split("/")[3]
    job = page.order(seed=9)["id"]
    jobs = f"/{secret}/v1/jobs"
    foreign = {"Origin": "https://evil.example"}
    answers = [
        page.ask("v1/jobs", "POST", {"seed": 1}, **foreign),
        page.ask("v1/jobs", "POST", {"seed": 1}, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors"),
        page.ask("v1/jobs", "POST", {"seed": 1}, Host="evil.example"),
        page.ask(raw="/v1/jobs", method="POST", content={"seed": 1}),
        page.ask("v1/jobs", "POST", b'{"seed": 1}', Content_Type="text/plain"),
        page.ask("v1/jobs", "POST", b'{"seed": ', Content_Type="application/json"),
        page.ask("v1/jobs", "POST", b"[" * 100_000, Content_Type="application/json"),
        page.ask("v1/jobs", "POST", b'{"seed": "\xff"}', Content_Type="application/json"),
        page.ask("v1/jobs", "POST", [1]),
        page.ask("v1/jobs", "POST", {"files": {"Mask": "../../.."}}),
        page.ask("v1/uploads?name=a.png&to=..", "POST", b"abc"),
        page.ask(f"v1/jobs/{job}/files/..%2f..%2f..%2f..%2fetc%2fpasswd"),
        page.ask(f"v1/jobs/{job}/files/request.json"),
        page.ask(f"v1/jobs/{job}/pictures/..%2finputs.csv"),
        page.ask("page/..%2fserver.py"),
        page.ask("page/../../../../etc/passwd"),
        page.ask("v1/training/..%2frun.json"),
        page.ask("v1/reports/0"),
        page.ask(raw=jobs, method="PUT", content={}),
        page.ask(raw=jobs, method="OPTIONS"),
    ]

    assert [answer.status for answer in answers] == [
        403, 403, 403, 404, 415, 400, 400, 400, 400, 404, 404, 404, 404, 404, 404, 404, 404, 404, 501, 501,
    ]  # fmt: skip
    for answer in answers:
        assert set(answer.json) == {"error"}
        assert len(answer.body) < 300
        assert "Access-Control-Allow-Origin" not in answer.headers
    page.ask(f"v1/jobs/{job}", "DELETE")
    assert page.ask("v1/jobs").json == before


def spoken(page: Page, request: bytes) -> bytes:
    """Send bytes as they are, and return what comes back."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as connection:
        connection.sendall(request)
        return connection.recv(65536)


def test_what_is_announced_as_huge_is_refused_before_it_is_sent(page: Page) -> None:
    head = f"POST {page.url.split(str(page.port))[1]}{{}} HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
    kinds = {"v1/uploads?name=a": "application/octet-stream", "v1/jobs": "application/json"}

    for path, kind in kinds.items():
        request = f"{head.format(path)}Content-Type: {kind}\r\nContent-Length: {2**40}\r\n\r\n"
        assert spoken(page, request.encode()).startswith(b"HTTP/1.0 413")
    assert spoken(page, f"{head.format('v1/jobs')}Transfer-Encoding: chunked\r\n\r\n".encode()).startswith(
        b"HTTP/1.0 411"
    )
    assert spoken(page, b"\x16\x03\x01\x02\x00 no http\r\n\r\n") == b'{"error": "bad request"}'


def test_a_thousand_requests_at_a_time_do_no_harm(page: Page) -> None:
    def ask(number: int) -> int:
        try:
            return page.ask("v1/jobs" if number % 2 else "").status
        except OSError:  # turned away before it was read
            return 503

    with ThreadPoolExecutor(250) as many:
        statuses = set(many.map(ask, range(1000)))

    assert statuses <= {200, 503}
    assert page.ask("v1/jobs").status == 200
    assert page.order(seed=2)["state"] == "done"


def test_the_page_is_small_and_needs_nothing_from_elsewhere(page: Page) -> None:
    names = ["index.html", "style.css", "niivue.js", *(f"{name}.js" for name in (
        "main", "form", "jobs", "planes", "reports", "server", "training", "volume"))]  # fmt: skip
    assets = {name: page.ask(f"page/{name}") for name in names}

    assert {answer.status for answer in assets.values()} == {200}
    assert sum(len(answer.body) for answer in assets.values()) < 2_000_000
    own = b"".join(answer.body for name, answer in assets.items() if name != "niivue.js")
    assert b"http://www.w3.org/2000/svg" in own
    assert own.replace(b"http://www.w3.org/2000/svg", b"").count(b"http") == 0
    policy = assets["index.html"].headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
