"""What to do about rows with problems: chosen from what was read, so that following it makes those rows readable.

A remedy that makes only some of them readable is left out, and so is one that the plan holds already. `_remedies` is
where one is entered; the first that has something to say counts.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from mrl_cli.model.problems import (
    ENCODING,
    ENCODING_HINT,
    INFINITE,
    LINES,
    LIST,
    MISSING,
    NEGATIVE_LABEL,
    NO_SUCH_SCORE,
    NOT_A_NUMBER,
    NOT_AN_OBJECT,
    NOT_IN_MAP,
    NOT_JUDGED,
    OBJECT,
    PATH_LIST,
    UNEQUAL_LISTS,
)
from mrl_cli.reports.labelways import Way, ways_of_labels, ways_of_ties
from mrl_cli.words import harmless, hint_for, is_float, option_of, shell_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.model import Plan
    from mrl_cli.reports.symptoms import Symptoms

_COMMA, _POINT = re.compile(r"'[+-]?\d+,\d+'"), re.compile(r"'?[+-]?\d+\.\d+'?")
# Three digits after the comma may as well be thousands, but for those after a zero.
_DECIMAL_COMMA = re.compile(r"'[+-]?(?:0,\d+|\d+,(?:\d{1,2}|\d{4,}))'")
# What a problem shows of a list, and of an object (a list of one or not), that begins with plain members, then a number
# or what may hold one.
_LIST_OF_MORE = re.compile(r"""\[["']?[-.\d[{].*,""")
_OBJECT = re.compile(r"""(\[)?\{(?:"[^"]*": (?:"[^"]*"|[^][{}",]+), )*?"([^"\\]+)": "?[-.\d[{]""")
_RULE = re.compile(r"--label-map |--labels (\w+)")
_FILLED = {"margin": 0, "weight": 1}  # what a row has where nothing is said


def remedy(symptoms: Symptoms) -> str | None:
    """Return what a user with these problems most probably has to do, None where nothing is known to help."""
    hint = next(filter(None, (hint_for(text, symptoms.options) for text in _remedies(symptoms))), None)
    return hint and "; ".join(_in_place(part, symptoms.plan) for part in hint.split("; "))


def _remedies(symptoms: Symptoms) -> Iterator[str | None]:
    """Yield what may help, the most telling first."""
    problems, texts = symptoms.counts.problems, [problem.value for problem in symptoms.first(NOT_A_NUMBER)]
    if symptoms.logs and problems:
        yield f"{symptoms.logs[0]}: read the scores of each pair"
    yield _for_header(symptoms)
    if NOT_IN_MAP in problems:
        label_map = harmless(symptoms.plan.rules.label_map_text, 200)
        yield f"the map of labels is {label_map}; each value needs an entry: 1, -1, 0 or skip"
    yield _in_words(ways_of_ties(symptoms))
    yield _for_lists(symptoms)
    yield _for_objects(symptoms)
    yield _for_gains(symptoms)
    yield _in_words(ways_of_labels(symptoms))
    if all(any(character.isalpha() for character in text) for text in texts):
        yield _for_other_columns(symptoms, texts)
    yield _for_decimals(symptoms)
    if symptoms.are_all_bad and any(problem.value in ("'{'", "'['") for problem in symptoms.first(NOT_AN_OBJECT)):
        yield "is it one JSON value over several lines? give the file the suffix .json"
    if ENCODING in problems:
        yield ENCODING_HINT
    if NO_SUCH_SCORE in problems and symptoms.scores is not None:
        yield f"rows of the scores are counted from 0, and there are {symptoms.scores:,}"
    yield _for_float32(symptoms)
    yield _in_words(_ways_of_missing(symptoms))
    if NOT_JUDGED in problems:
        yield "--missing drop leaves such documents out and counts them; --missing zero takes their relevance for 0"
    if line := next((line for kind, line in LINES.items() if kind in problems), None):
        yield "; ".join(filter(None, (line, _for_rows(symptoms))))
    yield _for_rows(symptoms)
    yield _for_other_columns(symptoms, texts)


def _in_place(part: str, plan: Plan) -> str:
    """Return a part of a hint; one that proposes a rule of labels with the options of the plan that exclude it."""
    proposed, rules = _RULE.search(part), plan.rules
    is_of_preset = plan.reporting.preset is not None and (rules.is_reversed or rules.label_map)
    if proposed is None or is_of_preset:  # a rule of its own gives way
        return part
    has_ties = proposed[1] in ("pm1", "strength") or (proposed[1] is None and "=0" in part)
    others = {
        "--labels": proposed[1] is None and rules.labels != "pm1",
        "--strength": proposed[1] != "strength" and rules.strength != "ignore",
        "--on-tie": rules.on_tie == "drop" and not has_ties,
    }
    excluded = " and ".join(option for option, is_excluded in others.items() if is_excluded)
    return f"{part} in place of {excluded}" if excluded else part


def ways_to_read(symptoms: Symptoms) -> list[Way]:
    """Return the ways to read labels with a problem and missing cells, the likeliest first.

    That one has no options where other ways are as likely, or none is known.
    """
    return ways_of_ties(symptoms) or ways_of_labels(symptoms) or _ways_of_missing(symptoms)


def _in_words(ways: list[Way]) -> str | None:
    return "; ".join(way.text for way in ways) or None


def _for_other_columns(symptoms: Symptoms, texts: list[str]) -> str | None:
    """Name the columns of what is no number, such as texts, dates and shares in percent, where that is in every row."""
    if not (symptoms.are_all_bad and symptoms.first_of_all(NOT_A_NUMBER)):
        return None
    names = dict(symptoms.plan.columns.wanted_numbers)
    bad = [role for role, name in names.items() if harmless(name) in symptoms.bad_columns]
    options = [f"{option_of(symptoms.plan.setting_of(role))} COLUMN" for role in bad]
    hold = f"{' and '.join(symptoms.bad_columns)} hold{'' if len(symptoms.bad_columns) > 1 else 's'}"
    what = f"texts, such as {texts[0]}" if texts[0][0] in "'\"" else texts[0]  # else true or false
    return f"{hold} {what}, not numbers; name columns of numbers with {' '.join(options)}"


def _for_decimals(symptoms: Symptoms) -> str | None:
    numbers, dialect = symptoms.first(NOT_A_NUMBER), symptoms.plan.reading.dialect
    values = [problem.value for problem in numbers]
    # A number with the other sign of decimals could not be read any more.
    have_decimals = symptoms.counts.pairs and not symptoms.look.grids & 1
    if not values or have_decimals:
        return None
    if dialect.decimal == "," and all(map(_POINT.fullmatch, values)):
        return "decimal points? use --decimal ."
    are_commas = all(map(_COMMA.fullmatch, values)) and any(map(_DECIMAL_COMMA.fullmatch, values))
    if dialect.decimal != "." or not are_commas:
        return None
    return "decimal commas? use --decimal ," + (" and leave out --delimiter" if dialect.delimiter == "," else "")


def _for_header(symptoms: Symptoms) -> str | None:
    dialect = symptoms.plan.reading.dialect
    is_first = any(
        problem.row == 1 and problem.value.strip("'")[:1].isalpha() for problem in symptoms.first(NOT_A_NUMBER)
    )
    has_header = is_first and not dialect.header and not dialect.names
    return "is the first line a header? leave out --no-header" if has_header else None


def _for_float32(symptoms: Symptoms) -> str | None:
    infinite = symptoms.first(INFINITE)
    fit = infinite and all(is_float(problem.value) and math.isfinite(float(problem.value)) for problem in infinite)
    return "float32 does not hold them; use --dtype float64" if fit and symptoms.plan.loss.dtype == "float32" else None


def _ways_of_missing(symptoms: Symptoms) -> list[Way]:
    roles = {harmless(name): role for role, name in symptoms.plan.columns.numbers if role in _FILLED}
    missing = {problem.column or "" for problem in symptoms.first(MISSING)}
    if not missing or not missing <= roles.keys():
        return []
    fill = tuple((role, _FILLED[role]) for name, role in roles.items() if name in missing)
    return [Way.to(f"{' and '.join(f'a missing {role} is {number}' for role, number in fill)}?", fill=fill)]


def _for_gains(symptoms: Symptoms) -> str | None:
    if NEGATIVE_LABEL not in symptoms.counts.problems:
        return None
    plan = symptoms.plan
    if plan.ranking.lambda_weight == "ndcg":
        return "gains of labels below 0 are none; --lambda-weight label_diff takes any labels"
    raw = "; --param target=raw or target=softmax takes any labels" if plan.loss.name == "softmax" else ""
    return f"the loss {plan.loss.name} takes labels as shares or gains, from 0 on{raw}"


def _for_lists(symptoms: Symptoms) -> str | None:
    if UNEQUAL_LISTS in symptoms.counts.problems and symptoms.plan.benchmark == "rmbench":
        return "RM-Bench has one of each style; without --preset, name --chosen, --rejected"
    if PATH_LIST in symptoms.counts.problems:
        return "items of a list are named by their place, counted from 0"
    if LIST not in symptoms.counts.problems:
        return None
    later = "lists are for `mrl rank`"
    if symptoms.plan.has_lists:
        if not symptoms.first(LIST)[0].value.startswith("["):
            return "cells are lists in JSON, Parquet and Arrow; in text, write a row for each item"
        columns = symptoms.plan.columns
        every = ["--label", f"{columns.name_of('y')}.*", "--score", f"{columns.name_of('score')}.*"]
        may_be_rows = columns.y is not None and not symptoms.plan.rows_are_lists
        return f"is each row a list? use {shell_line(every)}" if may_be_rows else None
    for problem in symptoms.first_of_all(LIST):
        if _LIST_OF_MORE.match(problem.value):  # not a text, which paths do not lead into
            return f"{symptoms.plan.path_hint(symptoms.role_of(problem), problem.column or '', '0')}; {later}"
    return f"one number belongs in a cell; {later}"


def _for_objects(symptoms: Symptoms) -> str | None:
    for problem in symptoms.first_of_all(OBJECT):
        if shown := _OBJECT.match(problem.value):
            below = f"{'0.' if shown[1] else ''}{shown[2]}"
            return symptoms.plan.path_hint(symptoms.role_of(problem), problem.column or "", below)
    return None


def _for_rows(symptoms: Symptoms) -> str | None:
    if symptoms.are_all_bad or not symptoms.may_skip or symptoms.plan.reading.on_error == "skip":
        return None
    return "--on-error skip leaves bad rows out and counts them; --rejects FILE writes them down"
