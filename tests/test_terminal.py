"""On a terminal: colours and who decides on them, the pager, the bar of progress, at sizes that terminals have."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from mrl_cli.render import progress
from mrl_cli.render.colors import STYLES, painted, wants_color
from mrl_cli.render.terminal import terminal_size
from tests.each import each
from tests.running import run_inside
from tests.running import run_on_terminal_inside as on_terminal

ROOT = Path(__file__).parent.parent
PAIRS = ROOT / "sample_data" / "diabetes_pairs.csv"
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


# Colours.


@each(
    ("choice", "environment", "is_terminal", "is_colored"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("never", {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}, True, False),
        ("always", {"NO_COLOR": "1", "TERM": "dumb", "CLICOLOR": "0"}, False, True),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": "0"}, True, False),  # whatever it is, but for nothing
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, True, False),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "0"}, False, False),
        ("auto", {"FORCE_COLOR": "1", "CLICOLOR": "0", "TERM": "dumb"}, False, True),
        ("auto", {"FORCE_COLOR": ""}, False, False),
        ("auto", {"CLICOLOR": "0"}, True, False),
        ("auto", {"CLICOLOR": "1"}, True, True),
        ("auto", {"CLICOLOR": "1"}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
    ],
)
def test_one_place_decides_on_colour(
    choice: str, environment: dict[str, str], is_terminal: bool, is_colored: bool
) -> None:
    assert wants_color(choice, environment, is_terminal=is_terminal) is is_colored


def test_every_style_is_known_to_rich_and_those_of_messages_without_it() -> None:
    from rich.style import Style

    for style in STYLES.values():
        Style.parse(style)
    for kind in ("error", "hint", "note", "bad", "good"):
        assert ESCAPE.sub("", painted("text", kind)) == "text"


def test_every_colour_is_legible_on_white_and_on_black() -> None:
    """By its contrast as WCAG has it, in the cube of 6 x 6 x 6 colours that is the same on every terminal."""

    def luminance(number: int) -> float:
        shares = ((55 + 40 * part if part else 0) / 255 for part in divmod36(number - 16))
        linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def divmod36(place: int) -> tuple[int, int, int]:
        return place // 36, place // 6 % 6, place % 6

    for kind, style in STYLES.items():
        words = set(style.split()) - {"bold", "dim"}
        for number in (int(re.fullmatch(r"color\((\d+)\)", word)[1]) for word in words):  # type: ignore[index]
            assert 16 <= number < 232, kind
            assert 1.05 / (luminance(number) + 0.05) > 3.5, f"{kind} on white"
            assert (luminance(number) + 0.05) / 0.05 > 3.5, f"{kind} on black"


@pytest.mark.parametrize("choice", [[], ["--color", "never"], ["--color=always"]])
def test_messages_on_stderr_are_in_colour_on_a_terminal(choice: list[str]) -> None:
    code, screen = on_terminal(["compute", PAIRS, *choice, "--y", "yy"])
    assert code == 2
    assert (painted("error:", "error") in screen) == ("never" not in choice)
    assert (painted("hint:", "hint") in screen) == ("never" not in choice)


def test_messages_follow_color_through_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    assert painted("error:", "error") in run_inside(["compute", "--color", "always", "missing.csv"], capfd).err
    assert run_inside(["compute", "missing.csv"], capfd).err.startswith("error:")
    failed = run_inside(["compute", PAIRS, "--fail-if", "pairs>0", "--color", "always"], capfd)
    assert painted("fail-if:", "bad") in failed.err


def test_color_given_twice_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_inside(["compute", PAIRS, "--color", "always", "--color", "never"], capfd).code == 2


def test_a_terminal_without_utf_8_gets_ascii() -> None:
    code, screen = on_terminal(["compute", PAIRS], {"PYTHONIOENCODING": "latin-1", "TERM": "dumb"}, (60, 60))
    assert code == 0
    assert screen.isascii()
    assert "+--" in screen
    assert max(map(len, screen.splitlines())) <= 60


@each(
    ("args", "env", "is_colored"),
    [
        (["compute", "--help"], {}, True),
        (["compute", "-h"], {}, True),
        (["--help"], {}, True),
        (["help", "compute"], {}, True),
        (["compute", "--color", "never", "--help"], {}, False),
        (["help", "--color=never", "compute"], {}, False),
        (["compute", "-h"], {"MRL_COLOR": "never"}, False),
        (["--help"], {"MRL_COLOR": "never"}, False),
        (["--help"], {"NO_COLOR": "1"}, False),
    ],
)
def test_headings_of_help_stand_out_on_a_terminal(args: list[str], env: dict[str, str], is_colored: bool) -> None:
    code, screen = on_terminal(args, env)
    assert code == 0
    assert ("\x1b[1mUsage:\x1b[0m mrl" in screen) is is_colored
    assert ("\x1b[1m" in screen.partition("Usage:")[2]) is is_colored


def test_help_is_as_wide_with_colours_as_without(capfd: pytest.CaptureFixture[str]) -> None:
    plain, colored = (run_inside(["compute", "--color", when, "--help"], capfd).out for when in ("never", "always"))
    assert colored != plain == ESCAPE.sub("", colored)


@each(
    ("env", "size"),
    [
        ({}, (80, 24)),
        ({"COLUMNS": "60", "LINES": "50"}, (60, 50)),
        ({"COLUMNS": "0", "LINES": "x"}, (80, 24)),
        ({"COLUMNS": "-5", "LINES": "7"}, (80, 7)),
    ],
)
def test_the_size_of_the_terminal_is_the_one_that_shutil_finds(
    env: dict[str, str], size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "__stdout__", None)
    assert terminal_size() == shutil.get_terminal_size() == size


# The pager.

PAGER = f"{sys.executable} -c \"import sys; print('PAGED', len(sys.stdin.read().splitlines()))\""


@each(
    ("env", "args", "lines", "is_paged"),
    [
        ({}, [], 12, False),
        ({"PAGER": PAGER}, [], 12, True),
        ({"PAGER": "false", "MRL_PAGER": PAGER}, [], 12, True),
        ({"PAGER": PAGER, "MRL_PAGER": "cat"}, [], 12, False),
        ({"PAGER": PAGER, "MRL_PAGER": ""}, [], 12, False),
        ({"PAGER": PAGER}, [], 90, False),
        ({"PAGER": PAGER}, ["--no-pager"], 12, False),
        ({"PAGER": PAGER}, ["-f", "json"], 12, False),
        ({"PAGER": "no-such-pager"}, [], 12, False),
    ],
)
def test_a_table_longer_than_the_screen_goes_through_the_pager(
    env: dict[str, str], args: list[str], lines: int, is_paged: bool
) -> None:
    code, screen = on_terminal(["compute", PAIRS, *args], env, (lines, 80))
    assert code == 0
    assert ("PAGED" in screen) == is_paged
    assert ("ranked right" in screen or '"pairs"' in screen) != is_paged


def test_losses_go_through_the_pager_too() -> None:
    assert "PAGED" in on_terminal(["losses"], {"PAGER": PAGER}, (5, 80))[1]
    assert "PAGED" not in on_terminal(["--no-pager", "losses"], {"PAGER": PAGER}, (5, 80))[1]


@each(
    ("args", "height", "is_paged"),
    [
        (["compute", "--help"], 24, True),
        (["help", "compute"], 24, True),
        (["--help"], 24, True),
        (["--help"], 90, False),
        (["compute", "--no-pager", "--help"], 24, False),
        (["--no-pager", "compute", "--help"], 24, False),
        (["--no-pager", "help", "compute"], 24, False),
        (["--no-pager", "--help"], 24, False),
    ],
)
def test_help_longer_than_the_screen_goes_through_the_pager(args: list[str], height: int, is_paged: bool) -> None:
    code, screen = on_terminal(args, {"PAGER": PAGER}, (height, 80))
    assert code == 0
    assert ("PAGED" in screen) is is_paged is ("Usage:" not in screen)


def test_a_pager_that_is_quit_early_changes_no_exit_code() -> None:
    code, screen = on_terminal(["compute", PAIRS, "--fail-if", "pairs>0"], {"PAGER": "true"})
    assert code == 1
    assert "fail-if:" in screen


# Progress.


@each("width", [40, 60, 80, 120, 200])
def test_progress_is_one_line_of_any_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.0)
    code, screen = on_terminal(["compute", PAIRS, "-f", "json", "--jobs", "1"], size=(24, width))
    assert code == 0
    frames = [line for line in re.split(r"[\r\n]", ESCAPE.sub("", screen)) if line.startswith("reading ")]
    assert frames
    assert max(map(len, frames)) <= width
    assert any(re.search(r"100%.*0:00 left", frame) for frame in frames)
    assert any("diabetes_pairs.csv" in frame for frame in frames) == (width >= 80)
    assert any("rows/s" in frame for frame in frames) == (width >= 120)
    assert screen.rstrip().endswith("}")  # taken away, and nothing after it
    assert "\x1b[2K" in screen


def test_progress_of_an_unknown_size_has_the_time_taken(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", "80")
    ran = run_inside(["compute", "-", "--progress"], capfd, stdin=PAIRS.read_bytes())
    assert "reading stdin" in ran.err
    assert "%" not in ran.err
