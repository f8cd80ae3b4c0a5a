"""What to do about rows with problems: chosen from what was read, so that following it makes those rows readable.

A remedy that makes only some of them readable is left out, and so is one that the plan holds already. `REMEDIES` is
where one is entered; the first that has something to say counts.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from mrl_cli.losses import LOSSES
from mrl_cli.model.labels import comparable, value_text
from mrl_cli.model.problems import (
    ENCODING,
    ENCODING_HINT,
    INFINITE,
    LABEL_KINDS,
    LINES,
    LIST,
    MISSING,
    MOST_LABELS_NAMED,
    NEGATIVE_LABEL,
    NO_SUCH_SCORE,
    NOT_A_NUMBER,
    NOT_AN_OBJECT,
    NOT_IN_MAP,
    NOT_JUDGED,
    OBJECT,
    PATH_LIST,
    TIE,
    UNEQUAL_LISTS,
    Counts,
    Problem,
    ProblemCount,
)
from mrl_cli.settings import flags_of
from mrl_cli.words import harmless, hint_for, is_float, number_text, option_of, shell_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from mrl_cli.model import Plan, Role
    from mrl_cli.reductions.look import Look

_COMMA, _POINT = re.compile(r"'[+-]?\d+,\d+'"), re.compile(r"'?[+-]?\d+\.\d+'?")
# Three digits after the comma may as well be thousands, but for those after a zero.
_DECIMAL_COMMA = re.compile(r"'[+-]?(?:0,\d+|\d+,(?:\d{1,2}|\d{4,}))'")
# What a problem shows of a list, and of an object (a list of one or not), that begins with plain members, then a number
# or what may hold one.
_LIST_OF_MORE = re.compile(r"""\[["']?[-.\d[{].*,""")
_OBJECT = re.compile(r"""(\[)?\{(?:"[^"]*": (?:"[^"]*"|[^][{}",]+), )*?"([^"\\]+)": "?[-.\d[{]""")
_RULE = re.compile(r"--label-map |--labels (\w+)")
STRAY = 20  # a label that is wrong in one row of so many is a slip, not another rule
# What judges and people write for the better one of two, by the label that it means.
_WORDS = {
    1: "model_a a a>b first left x1 response_a answer_a",
    -1: "model_b b b>a second right x2 response_b answer_b",
    0: "tie|tie (bothbad)|tie (inconsistent)|both_bad|both|bothbad|equal|same|draw|neither|none|a=b",
}
_KNOWN = {word: label for label, words in _WORDS.items() for word in words.split("|" if "|" in words else " ")}
# Columns called so may hold the place of the better one: 0 the first, 1 the second.
_MAY_BE_PLACES = frozenset(("winner", "preferred", "preference", "better", "choice"))
_FILLED = {"margin": 0, "weight": 1}  # what a row has where nothing is said


class Facts(NamedTuple):
    """What remedies are chosen from: counts, the plan, a look at the data, the names of the options that there are,
    and how many scores pairs may point at.
    """

    counts: Counts
    plan: Plan
    look: Look
    options: Collection[str]
    scores: int | None = None
    may_skip: bool = True

    def first(self, kind: str) -> tuple[Problem, ...]:
        """Return the first few problems of a kind."""
        return self.counts.problems.get(kind, ProblemCount()).first

    def first_of_all(self, kind: str) -> tuple[Problem, ...]:
        """Return the first few problems of a kind that every row has in that column, none of one that some have."""
        problems = self.counts.problems.get(kind, ProblemCount())
        is_of_all = len({problem.column for problem in problems.first}) * self.counts.rows <= problems.count
        return problems.first if is_of_all else ()

    def role_of(self, problem: Problem) -> Role:
        """Return the first role of the column in which a problem is."""
        return next(role for role, name in self.plan.columns.wanted if harmless(name) == problem.column)

    @property
    def are_all_bad(self) -> bool:
        """Whether leaving bad rows out would leave nothing."""
        return self.counts.pairs == 0

    @property
    def bad_columns(self) -> list[str]:
        """The columns in which the first few cells are that hold no number, the first first."""
        return list(dict.fromkeys(problem.column or "" for problem in self.first(NOT_A_NUMBER)))


class Way(NamedTuple):
    """A way to read the rows: in words, and as options of the command, None where it is for the user to choose."""

    text: str
    options: Mapping[str, Any] | None = None

    @classmethod
    def to(cls, question: str, **options: Any) -> Way:
        """Return the way of these options, which is right where the answer to a question is yes."""
        return cls(f"{question} use {shell_line(flags_of(options))}", options)


def remedy(facts: Facts) -> str | None:
    """Return what a user with these problems most probably has to do, None where nothing is known to help."""
    hint = next(filter(None, (hint_for(rule(facts), facts.options) for rule in REMEDIES)), None)
    return hint and "; ".join(_in_place(part, facts.plan) for part in hint.split("; "))


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


def _is_boolean(text: str) -> bool:
    return text.casefold() in ("true", "false")


class _Labels(NamedTuple):
    """The different labels of all rows, numbers and words; `are_all`: there are no more."""

    numbers: frozenset[float]
    words: tuple[str, ...]
    are_all: bool

    @classmethod
    def of(cls, facts: Facts) -> _Labels | None:
        """Return those with a problem and those of the pairs used; None where no rule makes those with one readable."""
        counts, look = facts.counts, facts.look
        texts = [text for text in counts.bad_labels if not is_float(text.strip("'\""))]
        said = (text[1:-1] if text[:1] in "'\"" else text for text in texts if text[:1] in "'\"" or _is_boolean(text))
        words = tuple({comparable(word): word.strip() for word in said}.values())
        bad = {float(text) for text in counts.bad_labels if is_float(text) and math.isfinite(float(text))}
        if not (words or bad):
            return None
        words += ("true", "false") if look.has_booleans else ()  # read as 1 and 0, which other rules do not
        used = {label for label in (look.lowest_label, look.highest_label) if label is not None}
        ties = {0.0} if counts.ties_dropped else set()
        # Under other rules a look has not all of the labels used, or none.
        is_known = facts.plan.rules.labels in ("pm1", "01") or not counts.pairs
        return cls(frozenset(bad | used | ties), words, is_known and len(counts.bad_labels) < MOST_LABELS_NAMED)


def _for_map(facts: Facts) -> str | None:
    if NOT_IN_MAP not in facts.counts.problems:
        return None
    label_map = harmless(facts.plan.rules.label_map_text, 200)
    return f"the map of labels is {label_map}; each value needs an entry: 1, -1, 0 or skip"


def ways_to_read(facts: Facts) -> list[Way]:
    """Return the ways to read labels with a problem and missing cells, the likeliest first.

    That one has no options where other ways are as likely, or none is known.
    """
    return _ways_of_ties(facts) or _ways_of_labels(facts) or _ways_of_missing(facts)


def _for_ties(facts: Facts) -> str | None:
    return _in_words(_ways_of_ties(facts))


def _ways_of_ties(facts: Facts) -> list[Way]:
    ties, counts = facts.counts.problems.get(TIE, ProblemCount()).count, facts.counts
    has_other_labels = 0 < ties < counts.rows
    return [Way("--on-tie drop leaves ties out and counts them", {"on_tie": "drop"})] if has_other_labels else []


def _for_labels(facts: Facts) -> str | None:
    return _in_words(_ways_of_labels(facts))


def _in_words(ways: list[Way]) -> str | None:
    return "; ".join(way.text for way in ways) or None


def _ways_of_labels(facts: Facts) -> list[Way]:
    """Return the rules that all labels keep, whatever the rule of the plan."""
    if facts.plan.has_lists:  # whose labels are any numbers
        return []
    column = harmless(facts.plan.columns.name_of("y") or "")
    is_label = any(kind in facts.counts.problems for kind in LABEL_KINDS.values()) or facts.bad_columns == [column]
    labels, rule = _Labels.of(facts) if is_label else None, facts.plan.rules.labels
    if labels is None:
        return []
    are_points = any(is_float(p.value) for p in facts.first(NOT_A_NUMBER))  # where decimals have a comma
    if are_points or (labels.words and LOSSES[facts.plan.loss.name].is_target):
        return []
    if labels.words:
        return _ways_of_words(labels, facts)
    if rule != "any" and LOSSES[facts.plan.loss.name].is_target:
        return [Way.to("y is what x1 - x2 should be?", labels="any")]
    numbers = labels.numbers
    if numbers <= {-1, 0, 1}:
        return _ways_of_signs(numbers, rule, column)
    if facts.counts.rejected * STRAY <= facts.counts.rows:
        return []
    if all(number.is_integer() and 0 <= number < MOST_LABELS_NAMED for number in numbers) and labels.are_all:
        return [way_of_codes(numbers)]
    if min(numbers) >= 0 and max(numbers) <= 1:
        return [Way.to("labels are probabilities that x1 is better?", labels="probability")]
    if min(numbers) < 0 < max(numbers):
        ties = {"on_tie": "drop"} if 0 in numbers else {}
        strengths = Way.to("labels are strengths, above 0 where x1 is better?", labels="strength", **ties)
        is_known = "preference" not in _plain(column)  # that of HelpSteer is below 0 where the first is better
        return [strengths if is_known else Way(strengths.text), Way("below 0 where x1 is? then swap x1 and x2 as well")]
    if labels.are_all and facts.counts.rejected * 2 <= facts.counts.rows:
        return []
    return [Way(f"is {column} the column of labels? name that with --y COLUMN")]


def _ways_of_signs(numbers: frozenset[float], rule: str, column: str) -> list[Way]:
    ways = []
    if numbers <= {0, 1} and rule != "01":
        zero_one = Way.to("labels are 0 and 1 here?", labels="01")
        are_places = _plain(column) in _MAY_BE_PLACES
        is_known = 1 in numbers and not are_places  # 0 alone may be anything
        ways.append(zero_one if is_known else Way(zero_one.text))
        if are_places:
            ways.append(Way.to("0 means that x1 is better, 1 that x2 is?", label_map=(("0", 1), ("1", -1))))
    if numbers <= {-1, 1} and rule != "pm1":
        ways.append(Way.to("labels are 1 and -1 here?", labels="pm1"))
    elif 0 in numbers and numbers != {0}:  # of ties alone no pair would be left
        ways.append(Way.to("0 means no preference?", **({} if rule == "pm1" else {"labels": "pm1"}), on_tie="drop"))
    return ways


def _plain(column: str) -> str:
    return column.rpartition(".")[2].strip().casefold()


def way_of_codes(numbers: frozenset[float]) -> Way:
    """Return the way to map labels that are small integers."""
    if numbers <= {0, 1, 2} and 0 in numbers:
        return _label_map({"0": 1, "1": 0, "2": -1}, "0 means that x1 is better, 1 neither, 2 that x2 is?")
    if numbers <= {1, 2}:
        return _label_map({"1": 1, "2": -1}, "1 means that x1 is better, 2 that x2 is?")
    return _label_map(dict.fromkeys(map(_number_text, sorted(numbers))))


def _ways_of_words(labels: _Labels, facts: Facts) -> list[Way]:
    words, numbers = {word.casefold() for word in labels.words}, labels.numbers
    if words <= {"true", "false"} and numbers <= {0, 1}:
        return [Way.to("true means that x1 is better, false that x2 is?", labels="01")]
    is_slip = not words <= _KNOWN.keys() and facts.counts.rejected * 2 < facts.counts.rows
    if is_slip or not labels.are_all or any(set("…\\") & set(word) for word in words):
        return []
    meanings = {word: _KNOWN.get(word.casefold()) for word in labels.words}
    meanings |= {_number_text(number): int(number) if number in {-1, 0, 1} else None for number in sorted(numbers)}
    if None in meanings.values():
        return [_label_map(meanings)]
    better = {label: word for word, label in meanings.items()}
    sides = [f"{better[label]} means that {x} is better" for label, x in ((1, "x1"), (-1, "x2")) if label in better]
    return [_label_map(meanings, f"{', '.join(sides)}?")] if sides else []  # of ties alone no pair would be left


def _number_text(number: float) -> str:
    return number_text(int(number) if number.is_integer() else number)


def _label_map(meanings: dict[str, int | None], question: str | None = None) -> Way:
    """Return the way to map labels; a meaning that is not known is left open."""
    if question is not None:
        ties = {"on_tie": "drop"} if 0 in meanings.values() else {}
        return Way.to(question, label_map=tuple(meanings.items()), **ties)
    text = ",".join(f"{value_text(label)}={'…' if known is None else known}" for label, known in meanings.items())
    line = shell_line(["--label-map", text]) + (" --on-tie drop" if 0 in meanings.values() else "")
    return Way(f"say what each label means, 1 (x1 is better), -1 (x2 is), 0 (neither) or skip: {line}")


def _for_texts(facts: Facts) -> str | None:
    """Name the columns of texts, where they stand in every row."""
    texts = [problem.value for problem in facts.first(NOT_A_NUMBER)]
    return _other_columns(facts, texts) if all(any(c.isalpha() for c in text) for text in texts) else None


def _for_other_columns(facts: Facts) -> str | None:
    """Name the columns of what else is no number, such as dates and shares in percent, where that is in every row."""
    return _other_columns(facts, [problem.value for problem in facts.first(NOT_A_NUMBER)])


def _other_columns(facts: Facts, texts: list[str]) -> str | None:
    if not (facts.are_all_bad and facts.first_of_all(NOT_A_NUMBER)):
        return None
    names = dict(facts.plan.columns.wanted_numbers)
    bad = [role for role, name in names.items() if harmless(name) in facts.bad_columns]
    options = [f"{option_of(facts.plan.setting_of(role))} COLUMN" for role in bad]
    hold = f"{' and '.join(facts.bad_columns)} hold{'' if len(facts.bad_columns) > 1 else 's'}"
    what = f"texts, such as {texts[0]}" if texts[0][0] in "'\"" else texts[0]  # else true or false
    return f"{hold} {what}, not numbers; name columns of numbers with {' '.join(options)}"


def _for_decimals(facts: Facts) -> str | None:
    numbers, dialect = facts.first(NOT_A_NUMBER), facts.plan.reading.dialect
    values = [problem.value for problem in numbers]
    # A number with the other sign of decimals could not be read any more.
    have_decimals = facts.counts.pairs and not facts.look.grids & 1
    if not values or have_decimals:
        return None
    if dialect.decimal == "," and all(map(_POINT.fullmatch, values)):
        return "decimal points? use --decimal ."
    are_commas = all(map(_COMMA.fullmatch, values)) and any(map(_DECIMAL_COMMA.fullmatch, values))
    if dialect.decimal != "." or not are_commas:
        return None
    return "decimal commas? use --decimal ," + (" and leave out --delimiter" if dialect.delimiter == "," else "")


def _for_header(facts: Facts) -> str | None:
    dialect = facts.plan.reading.dialect
    is_first = any(problem.row == 1 and problem.value.strip("'")[:1].isalpha() for problem in facts.first(NOT_A_NUMBER))
    has_header = is_first and not dialect.header and not dialect.names
    return "is the first line a header? leave out --no-header" if has_header else None


def _for_lines(facts: Facts) -> str | None:
    is_opened = any(problem.value in ("'{'", "'['") for problem in facts.first(NOT_AN_OBJECT))
    is_value = is_opened and facts.are_all_bad
    return "is it one JSON value over several lines? give the file the suffix .json" if is_value else None


def _for_encoding(facts: Facts) -> str | None:
    return ENCODING_HINT if ENCODING in facts.counts.problems else None


def _for_scores(facts: Facts) -> str | None:
    is_there = NO_SUCH_SCORE in facts.counts.problems and facts.scores is not None
    return f"rows of the scores are counted from 0, and there are {facts.scores:,}" if is_there else None


def _for_float32(facts: Facts) -> str | None:
    infinite = facts.first(INFINITE)
    fit = infinite and all(is_float(problem.value) and math.isfinite(float(problem.value)) for problem in infinite)
    return "float32 does not hold them; use --dtype float64" if fit and facts.plan.loss.dtype == "float32" else None


def _for_missing(facts: Facts) -> str | None:
    return _in_words(_ways_of_missing(facts))


def _ways_of_missing(facts: Facts) -> list[Way]:
    roles = {harmless(name): role for role, name in facts.plan.columns.numbers if role in _FILLED}
    missing = {problem.column or "" for problem in facts.first(MISSING)}
    if not missing or not missing <= roles.keys():
        return []
    fill = tuple((role, _FILLED[role]) for name, role in roles.items() if name in missing)
    return [Way.to(f"{' and '.join(f'a missing {role} is {number}' for role, number in fill)}?", fill=fill)]


def _for_gains(facts: Facts) -> str | None:
    if NEGATIVE_LABEL not in facts.counts.problems:
        return None
    plan = facts.plan
    if plan.ranking.lambda_weight == "ndcg":
        return "gains of labels below 0 are none; --lambda-weight label_diff takes any labels"
    raw = "; --param target=raw or target=softmax takes any labels" if plan.loss.name == "softmax" else ""
    return f"the loss {plan.loss.name} takes labels as shares or gains, from 0 on{raw}"


def _for_lists(facts: Facts) -> str | None:
    if UNEQUAL_LISTS in facts.counts.problems and facts.plan.benchmark == "rmbench":
        return "RM-Bench has one of each style; without --preset, name --chosen, --rejected"
    if PATH_LIST in facts.counts.problems:
        return "items of a list are named by their place, counted from 0"
    if LIST not in facts.counts.problems:
        return None
    later = "lists are for `mrl rank`"
    if facts.plan.has_lists:
        if not facts.first(LIST)[0].value.startswith("["):
            return "cells are lists in JSON, Parquet and Arrow; in text, write a row for each item"
        columns = facts.plan.columns
        every = ["--label", f"{columns.name_of('y')}.*", "--score", f"{columns.name_of('score')}.*"]
        may_be_rows = columns.y is not None and not facts.plan.rows_are_lists
        return f"is each row a list? use {shell_line(every)}" if may_be_rows else None
    for problem in facts.first_of_all(LIST):
        if _LIST_OF_MORE.match(problem.value):  # not a text, which paths do not lead into
            return f"{facts.plan.path_hint(facts.role_of(problem), problem.column or '', '0')}; {later}"
    return f"one number belongs in a cell; {later}"


def _for_objects(facts: Facts) -> str | None:
    for problem in facts.first_of_all(OBJECT):
        if shown := _OBJECT.match(problem.value):
            below = f"{'0.' if shown[1] else ''}{shown[2]}"
            return facts.plan.path_hint(facts.role_of(problem), problem.column or "", below)
    return None


def _for_judgments(facts: Facts) -> str | None:
    if NOT_JUDGED not in facts.counts.problems:
        return None
    return "--missing drop leaves such documents out and counts them; --missing zero takes their relevance for 0"


def _for_fields(facts: Facts) -> str | None:
    line = next((line for kind, line in LINES.items() if kind in facts.counts.problems), None)
    return line and "; ".join(filter(None, (line, _for_rows(facts))))


def _for_rows(facts: Facts) -> str | None:
    if facts.are_all_bad or not facts.may_skip or facts.plan.reading.on_error == "skip":
        return None
    return "--on-error skip leaves bad rows out and counts them; --rejects FILE writes them down"


REMEDIES: tuple[Callable[[Facts], str | None], ...] = (
    _for_header,
    _for_map,
    _for_ties,
    _for_lists,
    _for_objects,
    _for_gains,
    _for_labels,
    _for_texts,
    _for_decimals,
    _for_lines,
    _for_encoding,
    _for_scores,
    _for_float32,
    _for_missing,
    _for_judgments,
    _for_fields,
    _for_rows,
    _for_other_columns,
)
