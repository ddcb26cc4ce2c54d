"""Who is let in: only a page that the program served, on this computer, with the secret of its address."""

import pytest

from gandlf_synth.app.admission import Admission
from gandlf_synth.app.reply import RefusedError

ADMISSION = Admission(8000, "s3cret")
OWN = {"Host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1:8000"},
        {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
    ids=["program", "page", "page by name", "typed", "link"],
)
def test_the_page_itself_and_programs_of_the_person_are_let_in(headers: dict[str, str]) -> None:
    assert ADMISSION.path_of("/s3cret/v1/jobs?x=1", {**OWN, **headers}) == "v1/jobs?x=1"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8001"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
    ids=["other site", "sandboxed page", "other port", "forged without origin", "other program of this computer"],
)
def test_another_page_is_refused_even_if_it_knows_the_secret(headers: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match="requests from other pages are refused") as refusal:
        ADMISSION.path_of("/s3cret/v1/jobs", {**OWN, **headers})

    assert refusal.value.status == 403


@pytest.mark.parametrize("host", ["", "evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:8001", "[::1]:8000"])
def test_a_name_that_was_rebound_to_this_computer_is_refused(host: str) -> None:
    with pytest.raises(
        RefusedError, match="this page is for this computer only; open the address that the terminal shows"
    ):
        ADMISSION.path_of("/s3cret/", {"Host": host})


@pytest.mark.parametrize("target", ["/", "/s3cret", "/wrong/", "//s3cret/", "s3cre/t", "/s3cret/" + "a" * 3000, "*"])
def test_without_the_secret_nothing_is_found(target: str) -> None:
    with pytest.raises(RefusedError, match="not found; the address is the one that the terminal shows") as refusal:
        ADMISSION.path_of(target, OWN)

    assert refusal.value.status == 404
