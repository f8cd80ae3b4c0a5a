"""Defaults of options from the environment and from files of settings: which wins, and what is wrong is blamed on."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click
import pytest

from mrl_cli.cli import group
from mrl_cli.commands import command_names
from mrl_cli.commands.config import settings_in
from tests.each import each
from tests.running import Mrl, Ran

if TYPE_CHECKING:
    from pathlib import Path


# losses at margin m: max(0, m - 0.25), max(0, m + 1), m
PAIRS = "x1,x2,y,g\n0.5,0.25,1,a\n1,2,1,a\n1,1,-1,b\n"


def _mean(margin: float) -> float:
    return (max(0.0, margin - 0.25) + margin + 1 + margin) / 3


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    """Run mrl in the folder `a/b` below files of settings that a test writes."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    (inner / "pairs.csv").write_text(PAIRS)
    (inner / "lists.csv").write_text("query,label,score\n1,1,0.5\n1,0,0.75\n")
    return mrl


def _margin(ran: Ran) -> float:
    assert ran.result["mean"] == _mean(ran.result["margin"])
    return float(ran.result["margin"])


@each(
    ("files", "margin"),
    [
        ({"mrl.toml": "margin = 0.5"}, 0.5),
        ({"../mrl.toml": "margin = 0.5"}, 0.5),
        ({"../../pyproject.toml": "[tool.mrl]\nmargin = 0.5"}, 0.5),
        ({"pyproject.toml": "[project]\nname = 'mrl'", "../mrl.toml": "margin = 0.5"}, 0.5),
        ({"pyproject.toml": "[project]\nname = 'x'", "../mrl.toml": "margin = 0.5"}, 0.5),
        ({"pyproject.toml": "[tool.mrl]\nmargin = 2", "mrl.toml": "margin = 0.5"}, 0.5),
        ({"pyproject.toml": "tool.mrl.margin = 0.5"}, 0.5),
        ({"pyproject.toml": "[ tool . 'mrl' ]\nmargin = 0.5"}, 0.5),
        ({"pyproject.toml": '["tool"."mrl"]\nmargin = 0.5'}, 0.5),
        ({"pyproject.toml": "[tool]\nmrl.margin = 0.5"}, 0.5),
        ({"pyproject.toml": "tool = {mrl = {margin = 0.5}}"}, 0.5),
        ({"pyproject.toml": "'tool' = {x = 1, mrl = {margin = 0.5}}"}, 0.5),
        ({"pyproject.toml": '["to\\u006fl"."\\U0000006drl"]\nmargin = 0.5'}, 0.5),
        ({"pyproject.toml": "[tool.x]\na = 1\n[project.scripts]\nmrl = 'x'"}, 0.0),
        ({"mrl.toml": "margin = 0.5", "../mrl.toml": "margin = 2"}, 0.5),
        ({"mrl.toml": "margin = 2\n[compute]\nmargin = 0.5"}, 0.5),
        ({"mrl.toml": "[rank]\nmargin = 2"}, 0.0),
        ({"mrl.toml": "top = 3\nper-query = true\nmargin = 0.5"}, 0.5),
        ({"mrl.toml": ""}, 0.0),
        ({"mrl.toml": "\ufeffmargin = 0.5\n"}, 0.5),
        ({"pyproject.toml": "this is ] no TOML, mrl"}, 0.0),
    ],
    quick=4,
)
def test_the_nearest_file_gives_defaults(files: dict[str, str], margin: float, mrl: Mrl) -> None:
    for name, text in files.items():
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)
    try:
        assert _margin(mrl("compute", "pairs.csv", "-f", "json")) == margin
    finally:
        for name in files:
            os.remove(name)


def test_command_line_wins_over_environment_over_file(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("mrl.toml", "w") as file:
        file.write("[compute]\nmargin = 0.5\nquiet = false\nformat = 'json'\n")
    assert _margin(mrl("compute", "pairs.csv")) == 0.5
    monkeypatch.setenv("MRL_MARGIN", "1")
    assert _margin(mrl("compute", "pairs.csv")) == 1.0
    monkeypatch.setenv("MRL_COMPUTE_MARGIN", "2")
    assert _margin(mrl("compute", "pairs.csv")) == 2.0
    assert _margin(mrl("compute", "pairs.csv", "--margin", "4")) == 4.0
    assert "settings: format in mrl.toml, margin in MRL_COMPUTE_MARGIN" not in mrl("compute", "pairs.csv").err
    assert _settings(mrl("compute", "pairs.csv", "-v")) == {"MRL_COMPUTE_MARGIN", "compute.format in mrl.toml"}


def _settings(ran: Ran) -> set[str]:
    (said,) = (line for line in ran.err.splitlines() if line.startswith("settings: "))
    return set(said.removeprefix("settings: ").split(", "))


def test_settings_that_are_passed_over_are_not_said_to_be_used(mrl: Mrl) -> None:
    with open("mrl.toml", "w") as file:
        file.write("rejects = 'bad.csv'\nmargin = 0.5\n")
    assert _settings(mrl("compute", "pairs.csv", "-v")) == {"margin in mrl.toml"}
    both = mrl("compute", "pairs.csv", "-v", "--on-error", "skip")
    assert _settings(both) == {"margin in mrl.toml", "rejects in mrl.toml"}


@each("text", ["[tool.mrl]\nmargin = \n", "[project]\n[ tool . mrl ]\nmargin = 1 2"])
def test_a_project_with_settings_that_is_not_toml_is_an_error(text: str, mrl: Mrl) -> None:
    with open("pyproject.toml", "w") as file:
        file.write(text)
    ran = mrl("compute", "pairs.csv")
    assert (ran.code, ran.out) == (2, "")
    assert "error: pyproject.toml is not TOML: " in ran.err
    assert f"at line {text.strip().count(chr(10)) + 1}, " in ran.err


def test_a_named_file_is_the_only_one(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("mrl.toml", "margin = 0.5"), ("other.toml", "margin = 1"), ("empty.toml", "")):
        with open(name, "w") as file:
            file.write(text)
    line = ("compute", "pairs.csv", "-f", "json")
    assert _margin(mrl(*line, "--config", "other.toml")) == 1.0
    assert _margin(mrl(*line, "--config", os.devnull)) == 0.0
    monkeypatch.setenv("MRL_CONFIG", "empty.toml")
    assert _margin(mrl(*line)) == 0.0
    assert _margin(mrl(*line, "--config", "mrl.toml")) == 0.5
    assert "--config is given more than once" in mrl(*line, "--config", "mrl.toml", "--config", "mrl.toml").err


def test_values_are_those_of_the_command_line(mrl: Mrl) -> None:
    with open("mrl.toml", "w") as file:
        file.write(
            "[compute]\nloss = 'smoothed_bradley_terry'\nparam = {beta = 2, label_smoothing = 0.125}\n"
            "group-by = 'g'\nfail_if = ['mean<0', 'pairs<1']\nno-header = false\nformat = 'json'\n"
        )
    ran = mrl("compute", "pairs.csv")
    assert ran.result["parameters"] == {"beta": 2.0, "label_smoothing": 0.125}
    assert [group["group"] for group in ran.result["groups"]] == ["a", "b"]
    by_options = ("--loss", "smoothed_bradley_terry", "--param", "beta=2", "--param", "label_smoothing=0.125")
    same = mrl("compute", "pairs.csv", "--config", os.devnull, *by_options, "--group-by", "g", "-f", "json")
    assert ran.result == same.result
    assert "groups" in mrl("compute", "pairs.csv", "--group-by", "x1").result  # one value from the line, not both


def test_an_option_of_a_file_and_of_the_line_is_not_given_twice(mrl: Mrl) -> None:
    with open("mrl.toml", "w") as file:
        file.write("margin = 0.5\nmargin-column = 'x1'")
    ran = mrl("compute", "pairs.csv")
    ran.must_fail(2, "--margin is from margin in mrl.toml")
    assert "--margin and --margin-column exclude each other (" in ran.err
    assert _margin(mrl("compute", "pairs.csv", "--margin", "1", "-f", "json")) == 1.0


@each(
    ("text", "message"),
    [
        ("on-tie = 'drop'\non_tie = 'error'", "mrl.toml has on-tie and on_tie, which are one setting"),
        ("margn = 1", "unknown key margn in mrl.toml: no command has that option\nhint: did you mean margin?"),
        (
            "compute.margn = 1",
            "mrl compute does not have that option\nhint: did you mean compute.margin?",
        ),
        ("compute.top = 1", "unknown key compute.top in mrl.toml"),
        (
            "comptue.margin = 1",
            "unknown key comptue in mrl.toml: no command has that option\nhint: did you mean compute?",
        ),
        ("config = 'x'", "unknown key config in mrl.toml"),
        ("help = true", "\nhint: --help is for the command line: take it out of the file"),
        ("inputs = 'x'", "unknown key inputs in mrl.toml"),
        ("tool.mrl.margin = 1", "hint: in pyproject.toml settings stand in [tool.mrl], in other files at the top"),
        ("margin = 'x'", "Invalid value for margin in mrl.toml: 'x' is not a finite number."),
        ("margin = true", "margin in mrl.toml must be a text or a number, not true"),
        ("margin = [1]", "margin in mrl.toml must be one value, not [1]"),
        ('output = "a\\u0000b"', "output in mrl.toml holds a null character"),
        ('fill = {"a\\u0000" = 1}', "fill in mrl.toml holds a null character"),
        ("margin = {a = 1}", "margin in mrl.toml must be a text or a number, not a table"),
        ("compute.margin = 'x'", "Invalid value for compute.margin in mrl.toml"),
        ("keep-columns = 1", "keep-columns in mrl.toml must be true or false, not 1"),
        ("loss = 'logisic'", "loss in mrl.toml: loss must be one of"),
        ("loss = 'hinge'", "loss in mrl.toml: hinge is the name of several losses"),
        ("format = 'jsno'", "Invalid value for format in mrl.toml: 'jsno' is not one of"),
        ("param = {temperature = 'x'}", "Invalid value for param in mrl.toml: 'x' is not a finite number."),
        ("margin = ", "mrl.toml is not TOML: "),
        (b"margin = '\xff'", "mrl.toml is not TOML: "),
    ],
)
def test_what_is_wrong_in_a_file_names_file_and_key(text: str | bytes, message: str, mrl: Mrl) -> None:
    with open("mrl.toml", "wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
    mrl("compute", "pairs.csv").must_fail(2, message)


@each(
    ("name", "text", "message"),
    [
        ("no.toml", None, "cannot read no.toml: No such file or directory"),
        ("pyproject.toml", "[project]", "pyproject.toml has no table [tool.mrl]"),
        ("pyproject.toml", "tool.mrl = 1", "tool.mrl in pyproject.toml is not a table"),
        ("folder", None, "cannot read folder: Is a directory"),
        ("", None, "the name is empty"),
    ],
)
def test_a_named_file_must_hold_settings(name: str, text: str | None, message: str, mrl: Mrl) -> None:
    os.makedirs("folder", exist_ok=True)
    if text is not None:
        with open(name, "w") as file:
            file.write(text)
    mrl("compute", "pairs.csv", "--config", name).must_fail(2, message)


def test_what_cannot_be_read_above_is_passed_over(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mrl.toml").write_text("margin = 0.5")
    (tmp_path / "a" / "mrl.toml").mkdir()
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.mrl]\nmargin = 1")
    (tmp_path / "a" / "pyproject.toml").chmod(0)
    assert _margin(mrl("compute", "pairs.csv", "-f", "json")) == (
        1.0 if os.access("../pyproject.toml", os.R_OK) else 0.5
    )
    pairs = str(tmp_path / "a" / "b" / "pairs.csv")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert _margin(mrl("compute", pairs, "-f", "json")) == 0.0


def test_a_bad_variable_is_blamed_by_its_name(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRL_MARGIN", "x")
    assert "Invalid value for MRL_MARGIN: 'x' is not a finite number." in mrl("compute", "pairs.csv").err
    monkeypatch.setenv("MRL_COMPUTE_MARGIN", "y")
    assert "Invalid value for MRL_COMPUTE_MARGIN: 'y' is not" in mrl("compute", "pairs.csv").err
    assert "Invalid value for '--margin': 'z' is not" in mrl("compute", "pairs.csv", "--margin", "z").err
    monkeypatch.delenv("MRL_COMPUTE_MARGIN")
    monkeypatch.delenv("MRL_MARGIN")
    monkeypatch.setenv("MRL_LOSS", "kto")
    assert "MRL_LOSS: kto is no loss of its own here" in mrl("compute", "pairs.csv").err


@each(
    ("variable", "note"),
    [
        ("MRL_COMPUTE_MARGN", "note: the variable MRL_COMPUTE_MARGN is no option; did you mean MRL_COMPUTE_MARGIN?"),
        ("MRL_MARGN", "note: the variable MRL_MARGN is no option; did you mean MRL_MARGIN?"),
        ("MRL_COMPUTE_NOTHING", "note: the variable MRL_COMPUTE_NOTHING is no option of mrl compute"),
        ("MRL_NOTHING_AT_ALL", ""),
        ("MRL_RANK_MARGN", ""),
        ("MRL_TOP", ""),
        ("MRL_DEBUG", ""),
    ],
)
def test_an_unknown_variable_gets_a_note(variable: str, note: str, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    ran = mrl("compute", "pairs.csv", "-f", "json")
    assert _margin(ran) == 0.0
    assert ran.err.strip() == note
    assert mrl("compute", "pairs.csv", "-q").err == ""


@pytest.mark.slow
def test_every_option_of_every_command_can_stand_in_a_file(tmp_path: Path) -> None:
    path, context = tmp_path / "mrl.toml", click.Context(group)
    for name in command_names():
        command = group.get_command(context, name)
        assert command is not None
        options = {option.name: option for option in command.params if isinstance(option, click.Option)}
        assert options.pop("config", None) is not None or not options
        for option in options.values():
            value, read = ("true", True) if option.is_flag else ("['x']", ["x"]) if option.multiple else ("'x'", "x")
            path.write_text(f"{name}.{option.name} = {value}\n")
            found = settings_in(str(path), command, is_named=True)
            assert found is not None
            assert tuple(found) == (str(path), {option.name: read}, {option.name})


def test_a_file_gives_rank_its_own(mrl: Mrl) -> None:
    with open("mrl.toml", "w") as file:
        file.write("loss = 'logistic'\n[rank]\nloss = 'listnet'\nformat = 'json'\n")
    assert mrl("rank", "lists.csv").result["loss"] == "softmax"
    assert json.loads(mrl("compute", "pairs.csv", "-f", "json").out)["loss"] == "logistic"


@each(
    ("text", "args", "kind"),
    [
        ("[sweep]\nquery = 'query'", ("lists.csv",), "queries"),
        ("[validate]\nquery = 'query'", ("lists.csv",), None),  # another command's
        ("query = 'query'", ("lists.csv",), None),  # it is for the commands that read lists alone
        ("query = 'query'", ("pairs.csv",), "pairs"),
        ("[sweep]\nquery = 'query'", ("pairs.csv", "--x1", "x1"), "pairs"),  # the command line wins
    ],
)
def test_an_option_of_lists_in_a_file_makes_a_command_read_lists(
    text: str, args: tuple[str, ...], kind: str | None, mrl: Mrl
) -> None:
    with open("mrl.toml", "w") as file:
        file.write(text)
    ran = mrl("sweep", *args, "--margins", "0,1", "-f", "json")
    if kind is None:
        assert (ran.code, ran.out) == (2, "")
        assert "no column 'x1'" in ran.err
    else:
        assert ran.result[kind] == (1 if kind == "queries" else 3)
        assert ("queries" in ran.result) is (kind == "queries")


def test_the_variable_of_a_command_makes_it_read_lists(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRL_QUERY", "query")
    assert mrl("sweep", "lists.csv", "--margins", "0").code == 2
    monkeypatch.setenv("MRL_SWEEP_QUERY", "query")
    assert mrl("sweep", "lists.csv", "--margins", "0", "-f", "json").result["queries"] == 1
