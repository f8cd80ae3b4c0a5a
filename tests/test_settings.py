"""Settings make a plan in one place, for commands and Python alike: the same errors, each in the caller's words."""

from __future__ import annotations

from typing import Any

import pytest

from mrl_cli.commands.compute import Compute
from mrl_cli.commands.options import Options
from mrl_cli.commands.planning import plan_of_options
from mrl_cli.commands.sweep import MarginSweep
from mrl_cli.errors import UsageError
from mrl_cli.model import USUAL_CONFIDENCE, group_roles
from mrl_cli.settings import SettingsError, plan_of
from mrl_cli.words import option_of
from tests.each import each

PAIRS: dict[Any, str | None] = {"x1": "x1", "x2": "x2", "y": "y"}


@each(
    ("columns", "settings", "message", "names"),
    [
        (
            {"margin": "m"},
            {"margin": 1.0},
            "{margin} and {margin_column} exclude each other",
            ("margin", "margin_column"),
        ),
        ({"margin": "m"}, {"loss": "ipo"}, "the loss ipo has no margin", ("margin", "loss")),
        ({}, {"loss": "ipo", "margins": [0.0], "dtype": "float64"}, "the loss ipo has no margin", ("margins", "loss")),
        (group_roles("aba"), {}, "{group_by} names the column a twice", ("group_by",)),
        (group_roles(["a", None]), {}, "{group_by} must name columns, not None", ("group_by",)),
        ({}, {"y_const": 1}, "{y} and {y_const} exclude each other", ("y", "y_const")),
        (
            {"weight": "w"},
            {"confidence": 0.9},
            "{weight} does not go with {confidence} or {cluster}: these intervals are of unweighted means",
            ("weight", "confidence"),
        ),
    ],
)
def test_settings_that_make_no_plan_are_named_in_the_words_of_the_caller(
    columns: dict[Any, str | None], settings: dict[str, Any], message: str, names: tuple[str, ...]
) -> None:
    every = (
        "margin",
        "margin_column",
        "group_by",
        "by_file",
        "y",
        "y_const",
        "weight",
        "confidence",
        "cluster",
        "on_tie",
    )
    for word in (str, option_of):
        with pytest.raises(SettingsError) as raised:
            plan_of(PAIRS | columns, word=word, parameters={}, **settings)
        assert raised.value.message == message.format(**{name: word(name) for name in every})
        assert raised.value.names == names


def test_clusters_ask_for_intervals() -> None:
    assert plan_of(PAIRS | {"cluster": "p"}, parameters={}).reporting.confidence == USUAL_CONFIDENCE
    assert plan_of(PAIRS, parameters={}).reporting.confidence is None


def test_columns_of_a_plan_stand_in_the_order_of_their_roles() -> None:
    columns: dict[Any, str | None] = {"key": "k", "x2_b": "v", "x1_b": "u", "group": None, "weight": "w", "margin": "m"}
    plan_columns = plan_of(PAIRS | columns, parameters={}).columns
    numbers = (("margin", "m"), ("weight", "w"), ("x1_b", "u"), ("x2_b", "v"))
    assert (plan_columns.numbers, plan_columns.keys) == (numbers, (("key", "k"),))
    plan = plan_of(PAIRS | {"cluster": "c"} | group_roles("bac"), parameters={}, by_file=True)
    assert list(plan.groups.values()) == plan.settings()["group_by"] == ["file", "b", "a", "c"]
    assert [plan.columns.name_of(role) for role in plan.key_roles] == [None, "b", "a", "c", "c"]


def test_options_without_a_header_line_name_columns_by_place() -> None:
    columns = plan_of_options(Options(no_header=True, x2="4", weight="5")).columns
    assert (columns.x1, columns.x2, columns.y, columns.numbers) == ("1", "4", "3", (("weight", "5"),))


def test_margin_of_zero_excludes_a_column_of_margins_where_it_was_given() -> None:
    assert plan_of_options(Options(margin_column="m")).columns.name_of("margin") == "m"
    with pytest.raises(UsageError, match="--margin and --margin-column exclude each other"):
        plan_of_options(Options(margin=0.0, margin_column="m"))


def test_option_that_a_command_lacks_has_its_default() -> None:
    options = Options()
    assert (options.loss, options.null_value, options.no_header, options.weight) == ("margin_ranking", (), False, None)
    assert not {"raw", "margin"} & set(MarginSweep.option_names())
    assert {"raw", "margin"} <= set(Compute.option_names())
