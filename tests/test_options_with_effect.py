"""An option that is given twice, or that would have no effect, is an error; a default from elsewhere is not."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import pytest

from mrl_cli.cli import group
from mrl_cli.commands import command_names, parsing
from mrl_cli.commands.options import ColumnName, refuse_if
from mrl_cli.errors import UsageError
from mrl_cli.verify import conformance
from mrl_cli.words import OPTION, hint_for
from tests.each import each
from tests.hint_cases import parquet
from tests.running import Mrl
from tests.test_hints import hint_pieces
from tests.test_structure import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path) -> Mrl:
    (tmp_path / "pairs.csv").write_text("x1,x2,y,g\n1,3,1,a\n3,1,1,b\n2,1,-1,a\n")
    (tmp_path / "01.csv").write_text("x1,x2,y\n1,3,1\n3,1,0\n")
    (tmp_path / "pairs.jsonl").write_text('{"x1": 1, "x2": 3, "y": 1}\n')
    (tmp_path / "pairs.parquet").write_bytes(parquet(x1=[1.0, 3.0], x2=[3.0, 1.0], y=[1, 1]))
    (tmp_path / "texts.parquet").write_bytes(parquet(x1=["1,5", "NA"], x2=["3,0", "1"], y=["1", "1"]))
    (tmp_path / "lists.csv").write_text("query,label,score\na,1,2\na,0,1\n")
    (tmp_path / "trl.csv").write_text("chosen_rewards,rejected_rewards\n1,3\n3,1\n")
    return mrl


def _options() -> Iterator[tuple[str, click.Option]]:
    context = click.Context(group)
    for name in command_names():
        command = group.get_command(context, name)
        assert command is not None
        yield from ((name, option) for option in command.params if isinstance(option, click.Option))


def _value(option: click.Option) -> list[str]:
    if option.is_flag:
        return []
    if isinstance(option.type, click.Choice):
        return [str(option.type.choices[0])]
    return ["0.5"]


@each(("command", "option"), _options(), quick=50)
def test_option_that_is_not_repeatable_is_given_once(command: str, option: click.Option, mrl: Mrl) -> None:
    spellings = [*option.opts, *option.secondary_opts]
    ran = mrl(command, spellings[0], *_value(option), spellings[-1], *_value(option))
    assert (f"{max(option.opts, key=len)} is given more than once" in ran.err) == (not option.multiple)
    assert option.multiple or ran.code == 2


def test_values_are_no_options(mrl: Mrl) -> None:
    assert mrl("compute", "pairs.csv", "--x1", "x1", "--x2", "x2", "--null-value=--x1", "--", "pairs.csv").code == 0


WITHOUT_EFFECT = [
    "compute 01.csv --labels 01 --on-tie drop",
    "compute 01.csv --labels any --on-tie drop",
    "compute 01.csv --loss margin_mse --on-tie drop",
    "compute pairs.csv --y-const 1 --on-tie drop",
    "compute pairs.csv --y-const 1 --labels 01",
    "compute trl.csv --preset trl --on-tie drop",
    "compute trl.csv --preset trl --labels 01",
    "compute pairs.csv --rejects bad.csv",
    "compute pairs.csv --score-column s",
    "compute pairs.csv --keep-columns",
    "compute pairs.csv --group-by g --reduction none",
    "compute pairs.csv --by-file --reduction none",
    "compute pairs.csv --weight x1 --reduction none",
    "compute pairs.csv --confidence 0.9 --reduction none",
    "compute pairs.csv --format json --raw",
    "compute pairs.csv --group-by g --raw",
    "compute pairs.csv --by-file --raw",
    "compute pairs.csv --confidence 0.9 --raw",
    "compute pairs.csv --cluster g --raw",
    "compute pairs.jsonl --delimiter ;",
    "compute pairs.parquet --decimal ,",
    "compute pairs.parquet --null-value NA",
    "compute pairs.jsonl --no-header --x1 x1 --x2 x2 --y y",
    "compare pairs.csv --x1-b x2 --x2-b x1 --bootstrap 0 --seed 3",
    "compare pairs.csv pairs.csv --by-row --unmatched drop",
    "validate pairs.csv --seed 3",
    "validate pairs.csv --rtol 0.1",
    "validate pairs.csv --atol 0.1",
    "validate --margin 0.5",
]


@each("line", WITHOUT_EFFECT)
def test_option_without_effect_is_an_error_that_names_it(line: str, mrl: Mrl) -> None:
    ran = mrl(*line.split())
    assert (ran.code, ran.out) == (2, "")
    assert any(word in ran.err.splitlines()[0] for word in line.split() if word.startswith("--"))


@each(
    ("line", "option"),
    [
        ("compute 01.csv --labels 01", "ON_TIE=drop"),
        ("compute 01.csv --labels any", "ON_TIE=drop"),
        ("compute pairs.csv --y-const 1", "ON_TIE=drop"),
        ("compute trl.csv --preset trl", "ON_TIE=drop"),
        ("compute 01.csv --labels 01", "LABEL_MAP=a=1"),
        ("compute pairs.csv", "STRENGTH=weight"),
        ("compute pairs.csv", "REJECTS=bad.csv"),
        ("compute pairs.csv", "KEEP_COLUMNS=1"),
        ("compute pairs.csv --reduction none", "GROUP_BY=g"),
        ("compute pairs.csv --raw", "FORMAT=json"),
        ("compute pairs.jsonl", "DELIMITER=;"),
        ("compare pairs.csv --x1-b x2 --x2-b x1 --bootstrap 0", "SEED=3"),
        ("validate pairs.csv", "RTOL=0.1"),
        ("validate", "MARGIN=0.5"),
    ],
    quick=4,
)
def test_default_from_the_environment_may_be_of_no_use(
    line: str, option: str, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conformance, "list_checks", list)  # the built-in suite takes seconds
    plain = mrl(*line.split(), "--quiet")
    name, _, value = option.partition("=")
    monkeypatch.setenv(f"MRL_{line.split(maxsplit=1)[0].upper()}_{name}", value)
    ran = mrl(*line.split(), "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, plain.out, "")


def test_options_with_effect_are_not_refused(mrl: Mrl) -> None:
    line = "compute texts.parquet --decimal , --null-value NA --on-error skip -f json"
    assert mrl(*line.split()).result["mean"] == 1.5
    for line in (
        "compute pairs.csv --on-tie drop",
        "compute pairs.csv --on-tie drop --labels pm1",
        "compute trl.csv --preset trl --y chosen_rewards --labels any",
        "compute pairs.csv --group-by g --raw --fail-if macro_mean>9",
        "compute pairs.csv pairs.jsonl --delimiter ,",
        "compute pairs.jsonl --encoding utf-8",
        "validate pairs.csv --sample 2 --seed 3",
    ):
        assert mrl(*line.split()).code == 0, line


@each(("command", "option"), _options())
def test_every_option_comes_from_the_environment(
    command: str, option: click.Option, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That for the command wins over that for all commands, and the command line over both."""
    if option.is_eager or option.name is None:
        return
    made = group.get_command(click.Context(group), command)
    assert made is not None
    context = click.Context(made, info_name=command, parent=click.Context(group, auto_envvar_prefix="MRL"))
    environment = click.core.ParameterSource.ENVIRONMENT
    one, other = ("1", "0") if option.is_flag else ("one", "other")
    for name, value in ((option.name, one), (f"{command}_{option.name}", other)):
        monkeypatch.setenv(f"MRL_{name.upper()}", value)
        assert option.resolve_envvar_value(context) == value
        assert option.consume_value(context, {})[1] is environment
    given: Any = {option.name: "own"}
    assert option.consume_value(context, given) == ("own", click.core.ParameterSource.COMMANDLINE)


@each("name", command_names())
def test_an_option_that_is_not_given_is_what_click_has_it_be(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    line = INPUTS.get(name, ["bash"])
    quick = command.make_context(name, [*line], click.Context(group, auto_envvar_prefix="MRL"))
    monkeypatch.setattr(parsing.Option, "handle_parse_result", click.Option.handle_parse_result)
    known = command.make_context(name, [*line], click.Context(group, auto_envvar_prefix="MRL"))
    assert quick.params == known.params
    assert [quick.get_parameter_source(one) for one in known.params] == [
        known.get_parameter_source(one) for one in known.params
    ]


@each(
    ("name", "value", "line", "result"),
    [
        ("MARGIN", "3", "compute pairs.csv --raw", (5 + 1 + 4) / 3),
        ("MARGIN", "3", "compute pairs.csv --raw --margin 0", (2 + 0 + 1) / 3),
        ("MARGIN", "3", "compute pairs.csv --raw --margin-column x1", (3 + 1 + 3) / 3),
        ("MARGIN_COLUMN", "x1", "compute pairs.csv --raw --margin 0", (2 + 0 + 1) / 3),
        ("DIFFERENCE", "x1", "compute pairs.csv --raw --x1 x1", (2 + 0 + 1) / 3),
        ("X1", "x2", "compute pairs.csv --raw --difference x1", (0 + 0 + 2) / 3),
        ("Y_CONST", "1", "compute pairs.csv --raw --y y", (2 + 0 + 1) / 3),
        ("Y", "x1", "compute pairs.csv --raw --y-const 1", (2 + 0 + 0) / 3),
        ("MARGIN", "3", "compute pairs.csv --raw --loss ipo --y-const 1", (2.5**2 + 1.5**2 + 0.5**2) / 3),
    ],
)
def test_what_the_command_line_excludes_is_passed_over(
    name: str, value: str, line: str, result: float, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    for form in (f"MRL_{name}", f"MRL_COMPUTE_{name}"):
        monkeypatch.setenv(form, value)
        assert float(mrl(*line.split()).out) == pytest.approx(result), form


def test_what_the_environment_alone_excludes_is_refused(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRL_DIFFERENCE", "x1")
    monkeypatch.setenv("MRL_X1", "x1")
    assert "exclude each other" in mrl("compute", "pairs.csv").err


INPUTS = {
    "compute": ["pairs.csv"],
    "sweep": ["pairs.csv", "--margins", "0"],
    "validate": ["pairs.csv"],
    "compare": ["pairs.csv", "--x1-b", "x2", "--x2-b", "x1"],
    "check": ["pairs.csv"],
    "rank": ["lists.csv"],
    "pairs": ["lists.csv"],
    "report": ["pairs.csv"],
    "losses": [],
    "schema": [],
    "docs": [],
    "help": [],
}


NAMING = [
    (command, max(option.opts, key=len))
    for command, option in _options()
    if isinstance(option.type, ColumnName) or option.metavar == "FILE" or option.name == "encoding"
]


@pytest.mark.slow
@each(("command", "option"), NAMING, quick=40)
def test_an_empty_name_is_not_as_if_none_were_given(command: str, option: str, mrl: Mrl) -> None:
    ran = mrl(command, *INPUTS[command], option, "")
    assert ran.code in (2, 3, 4), ran
    assert ran.err.startswith("error: ")


def test_no_numeric_option_takes_digits_grouped_by_underscores() -> None:
    met = set[str]()
    for name in command_names():
        command = group.get_command(click.Context(group), name)
        assert command is not None
        for option in command.params:
            if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType):
                met.add(option.opts[0])
                option.type_cast_value(click.Context(command), "10")
                with pytest.raises(click.BadParameter, match=r"'1_0' is not a (whole )?number"):
                    option.type_cast_value(click.Context(command), "1_0")
    assert {"--jobs", "--rtol", "--top"} <= met


@pytest.mark.slow  # the quick test of hint_for is in its docstring
def test_no_hint_names_an_option_that_the_command_does_not_have() -> None:
    every = hint_pieces(MODULES)
    pieces = {piece for piece in every if OPTION.search(piece)}
    assert any("--fill" in piece for piece in pieces)
    assert all(hint_for(piece, ()) == piece for piece in every - pieces)
    for name in command_names():
        command = copy(group.get_command(click.Context(group), name))
        assert command is not None
        options, context = {option.name for option in command.params} | {"help"}, click.Context(command)
        for piece in pieces:
            command.callback = partial(refuse_if, True, "no", piece)
            with pytest.raises(UsageError) as raised:
                command.invoke(context)
            named = OPTION.findall((raised.value.hint or "").split("mrl ")[0])
            assert {option.replace("-", "_") for option in named} <= options
