"""Sizes as people write them, in the YAML and on the command line."""

import pytest
from tests.factories import Cli, TinyConfig

from gandlf_synth.config.size import bytes_of


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20GB", 20 * 10**9),
        ("1.5 mb", 1_500_000),
        ("700", 700),
        ("700B", 700),
        ("8G", 8 * 10**9),
        ("8GiB", 8 * 2**30),
        ("0.5 tib", 2**39),
        ("16Ki", 16 * 2**10),
    ],
)
def test_decimal_and_binary_units_are_told_apart(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["a lot", "", "8iB", "GB", "-1GB", "8PB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"{text!r} is not a size such as 20GB"):
        bytes_of(text)


def test_the_command_line_refuses_what_the_yaml_refuses(cli: Cli, tiny_config: TinyConfig) -> None:
    yaml = cli("config", "show", "-c", tiny_config([8, 8]), "--set", "cache_size=8PB")
    flag = cli("init", "images", "--memory", "8PB")

    assert (yaml[0], flag[0]) == (2, 2)
    assert "'8PB' is not a size" in yaml[2]
    assert "--memory: '8PB' is not a size" in flag[2]
