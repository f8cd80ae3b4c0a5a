"""Help: every option is in a group and says what it does, -h fits a screen, and every example runs."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from mrl_cli.cli import EXAMPLES, group
from mrl_cli.commands import command_names
from mrl_cli.commands.helping import HELP_GROUPS, HelpfulCommand, HelpOption
from mrl_cli.verify import conformance
from tests.each import each
from tests.running import run_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = Path(__file__).parents[1] / "sample_data"
SCREEN = 45  # lines
# What stands in for the files of the examples.
FILES = {
    "pairs.csv": "diabetes_pairs.csv",
    "lists.csv": "lists.csv",
    "rewards.jsonl": "rewards.jsonl",
    "other.jsonl": "rewards_small.jsonl",
}
KEYED = "id,x1,x2,y\n1,3,1,1\n2,2,0,1\n3,1,2,-1\n"


def commands() -> Iterator[tuple[str, HelpfulCommand, click.Context]]:
    root = click.Context(group, info_name="mrl", auto_envvar_prefix="MRL")
    for name in command_names():
        command = group.get_command(root, name)
        assert isinstance(command, HelpfulCommand)
        yield name, command, click.Context(command, info_name=name, parent=root)


def test_every_option_is_in_a_group_and_says_what_it_does() -> None:
    for name, command, context in commands():
        shown = {record.option.name: record for _, records in command.option_groups(context) for record in records}
        for option in (one for one in command.params if isinstance(one, click.Option)):
            place = f"mrl {name} --{option.name}"
            assert isinstance(option, HelpOption), place
            assert option.group in HELP_GROUPS, place
            record = shown[option.name]
            assert record.variable == f"MRL_{name.upper()}_{(option.name or '').upper()}", place
            assert record.text.endswith((".", "…")), place
            assert record.text[0].isupper(), place
            assert len(record.text.split()) > 2, place
            assert "[default" not in record.text, place


@pytest.mark.slow
def test_help_holds_all_options_and_the_short_help_a_screen_of_them(capfd: pytest.CaptureFixture[str]) -> None:
    for name, command, context in commands():
        whole, short = (run_inside([name, flag], capfd).out for flag in ("--help", "-h"))
        assert run_inside(["help", name], capfd).out == whole
        for _, records in command.option_groups(context):
            assert all(record.spelling in whole and record.variable in whole for record in records), name
            assert all((record.option.opts[-1] in short) for record in records if record.option.is_common), name
        assert len(short.splitlines()) <= SCREEN, name
        assert f"mrl {name} --help prints all" in short
        assert "MRL_" not in short
    assert run_inside(["help"], capfd).out == run_inside(["--help"], capfd).out == run_inside(["-h"], capfd).out


@each("flag", ["--help", "-h"])
def test_help_keeps_to_the_width_of_the_terminal(
    flag: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for columns in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        page = run_inside(["validate", flag], capfd).out.partition("\nExamples:")[0]
        wide = [
            line for line in page.splitlines() if len(line) > columns and not re.fullmatch(r"  (-\S*,? )+\S*", line)
        ]
        assert wide == []


def test_help_on_what_is_no_command_is_refused_with_the_closest_one(capfd: pytest.CaptureFixture[str]) -> None:
    run_inside(["help", "comptue"], capfd).must_fail(2, "Did you mean compute?")


def test_every_example_of_the_help_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, sample in FILES.items():
        shutil.copy(SAMPLES / sample, tmp_path / name)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(KEYED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(conformance, "list_checks", list)  # the built-in suite takes seconds
    for name, command, _ in commands():
        assert len(set(command.examples)) >= 3, name
        assert all(example.startswith(f"mrl {name}") for example in command.examples), name
    for example in (*EXAMPLES, *(example for _, command, _ in commands() for example in command.examples)):
        ran = run_inside(shlex.split(example)[1:], capfd)
        assert (ran.code, ran.out != "" or " -o " in example) == (0, True), (example, ran.err)
