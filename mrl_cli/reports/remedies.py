"""What to do about rows with problems: chosen from what was read, so that following it makes those rows readable.

A remedy that makes only some of them readable is left out, and so is one that the plan holds already. `REMEDIES` is
where one is entered; the first that has something to say counts.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from mrl_cli.losses import LOSSES
from mrl_cli.model.problems import (
    ENCODING,
    ENCODING_HINT,
    INFINITE,
    LABEL_KINDS,
    LIST,
    MISSING,
    MOST_LABELS_NAMED,
    NEGATIVE_LABEL,
    NO_SUCH_SCORE,
    NOT_A_NUMBER,
    NOT_AN_OBJECT,
    NOT_IN_MAP,
    PATH_LIST,
    TIE,
    Counts,
    Problem,
    ProblemCount,
)
from mrl_cli.words import harmless, is_float, number_text, option_of, shell_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.model import Plan
    from mrl_cli.reductions.look import Look

_COMMA, _POINT = re.compile(r"'[+-]?\d+,\d+'"), re.compile(r"'?[+-]?\d+\.\d+'?")
# Three digits after the comma may as well be thousands, but for those after a zero.
_DECIMAL_COMMA = re.compile(r"'[+-]?(?:0,\d+|\d+,(?:\d{1,2}|\d{4,}))'")
_STRAY = 20  # a label that is wrong in one row of so many is a slip, not another rule
# What judges and people write for the better one of two, by the label that it means.
_WORDS = {
    1: "model_a a a>b first left x1 response_a answer_a",
    -1: "model_b b b>a second right x2 response_b answer_b",
    0: "tie|tie (bothbad)|both|bothbad|equal|same|draw|neither|none|a=b",
}
_KNOWN = {word: label for label, words in _WORDS.items() for word in words.split("|" if "|" in words else " ")}
_FILLED = {"margin": 0, "weight": 1}  # what a row has where nothing is said


class Facts(NamedTuple):
    """What remedies are chosen from: counts, the plan, a look at the data, and how many scores pairs may point at."""

    counts: Counts
    plan: Plan
    look: Look
    scores: int | None = None
    may_skip: bool = True

    def first(self, kind: str) -> tuple[Problem, ...]:
        """Return the first few problems of a kind."""
        return self.counts.problems.get(kind, ProblemCount()).first

    @property
    def are_all_bad(self) -> bool:
        """Whether leaving bad rows out would leave nothing."""
        return self.counts.pairs == 0

    @property
    def bad_columns(self) -> list[str]:
        """The columns in which the first few cells are that hold no number, the first first."""
        return list(dict.fromkeys(problem.column or "" for problem in self.first(NOT_A_NUMBER)))


def remedy(facts: Facts) -> str | None:
    """Return what a user with these problems most probably has to do, None where nothing is known to help."""
    return next(filter(None, (rule(facts) for rule in REMEDIES)), None)


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
        words = tuple(text.strip("'\"") for text in texts if text[:1] in "'\"" or text.casefold() in ("true", "false"))
        bad = {float(text) for text in counts.bad_labels if is_float(text) and math.isfinite(float(text))}
        if not (words or bad):
            return None
        used = {label for label in (look.lowest_label, look.highest_label) if label is not None}
        ties = {0.0} if counts.ties_dropped else set()
        return cls(frozenset(bad | used | ties), words, len(counts.bad_labels) < MOST_LABELS_NAMED)


def _for_map(facts: Facts) -> str | None:
    if NOT_IN_MAP not in facts.counts.problems:
        return None
    label_map = harmless(facts.plan.rules.label_map_text, 200)
    return f"the map of labels is {label_map}; each value needs an entry: 1, -1, 0 or skip"


def _for_ties(facts: Facts) -> str | None:
    return "--on-tie drop leaves ties out and counts them" if TIE in facts.counts.problems else None


def _for_labels(facts: Facts) -> str | None:
    """Propose the rule that all labels keep, whatever the rule of the plan."""
    if facts.plan.has_lists:  # whose labels are any numbers
        return None
    column = harmless(facts.plan.columns.name_of("y") or "")
    is_label = any(kind in facts.counts.problems for kind in LABEL_KINDS.values()) or facts.bad_columns == [column]
    labels, rule = _Labels.of(facts) if is_label else None, facts.plan.rules.labels
    if labels is None:
        return None
    if labels.words:
        return _for_words(labels, facts)
    if rule != "any" and LOSSES[facts.plan.loss.name].is_target:
        return "y is what x1 - x2 should be? use --labels any"
    numbers = labels.numbers
    if numbers <= {-1, 0, 1}:
        return _for_signs(numbers, rule)
    if facts.counts.rejected * _STRAY <= facts.counts.rows:
        return None
    if all(number.is_integer() and 0 <= number < MOST_LABELS_NAMED for number in numbers) and labels.are_all:
        return _for_codes(numbers)
    if min(numbers) >= 0 and max(numbers) <= 1:
        return "labels are probabilities that x1 is better? use --labels probability"
    if min(numbers) < 0 < max(numbers):
        ties = " --on-tie drop" if 0 in numbers else ""
        use = f"labels are strengths, above 0 where x1 is better? use --labels strength{ties}"
        return f"{use}; below 0 where x1 is? then swap x1 and x2 as well"
    if facts.counts.rejected * 2 <= facts.counts.rows:
        return None
    return f"is {column} the column of labels? name that with --y COLUMN"


def _for_signs(numbers: frozenset[float], rule: str) -> str | None:
    hints = []
    if numbers <= {0, 1} and rule != "01":
        hints.append("labels are 0 and 1 here? use --labels 01")
    if numbers <= {-1, 1} and rule != "pm1":
        hints.append("labels are 1 and -1 here? use --labels pm1")
    elif 0 in numbers:
        hints.append(f"0 means no preference? use {'' if rule == 'pm1' else '--labels pm1 '}--on-tie drop")
    return "; ".join(hints) or None


def _for_codes(numbers: frozenset[float]) -> str:
    if numbers <= {0, 1, 2} and 0 in numbers:
        return _label_map({"0": 1, "1": 0, "2": -1}, "0 means that x1 is better, 1 neither, 2 that x2 is?")
    if numbers <= {1, 2}:
        return _label_map({"1": 1, "2": -1}, "1 means that x1 is better, 2 that x2 is?")
    return _label_map(dict.fromkeys(map(_number_text, sorted(numbers))))


def _for_words(labels: _Labels, facts: Facts) -> str | None:
    words, numbers = {word.casefold() for word in labels.words}, labels.numbers
    if words <= {"true", "false"} and numbers <= {0, 1}:
        return "true means that x1 is better, false that x2 is? use --labels 01"
    is_slip = not words <= _KNOWN.keys() and facts.counts.rejected * 2 < facts.counts.rows
    if is_slip or not labels.are_all or any(set("=,…\\") & set(word) for word in words):
        return None
    meanings = {word: _KNOWN.get(word.casefold()) for word in labels.words}
    meanings |= {_number_text(number): int(number) if number in {-1, 0, 1} else None for number in sorted(numbers)}
    if None in meanings.values():
        return _label_map(meanings)
    better = {label: word for word, label in meanings.items()}
    sides = [f"{better[label]} means that {x} is better" for label, x in ((1, "x1"), (-1, "x2")) if label in better]
    return _label_map(meanings, f"{', '.join(sides)}?") if sides else None  # of ties alone no pair would be left


def _number_text(number: float) -> str:
    return number_text(int(number) if number.is_integer() else number)


def _label_map(meanings: dict[str, int | None], question: str | None = None) -> str:
    """Return the hint to map labels; a meaning that is not known is left open."""
    text = ",".join(f"{label}={'…' if meaning is None else meaning}" for label, meaning in meanings.items())
    line = shell_line(["--label-map", text]) + (" --on-tie drop" if 0 in meanings.values() else "")
    if question is None:
        return f"say what each label means, 1 (x1 is better), -1 (x2 is), 0 (neither) or skip: {line}"
    return f"{question} use {line}"


def _for_texts(facts: Facts) -> str | None:
    """Name the columns of texts, where they stand in every row."""
    examples = facts.first(NOT_A_NUMBER)
    texts = [problem for problem in examples if any(c.isalpha() for c in problem.value)]
    if not facts.are_all_bad or len(texts) < len(examples) or not texts:
        return None
    names = dict(facts.plan.columns.wanted_numbers)
    bad = [role for role, name in names.items() if harmless(name) in facts.bad_columns]
    options = [f"{option_of(facts.plan.setting_of(role))} COLUMN" for role in bad]
    hold = f"{' and '.join(facts.bad_columns)} hold{'' if len(facts.bad_columns) > 1 else 's'} texts"
    return f"{hold}, such as {texts[0].value}, not numbers; name columns of numbers with {' '.join(options)}"


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
    roles = {harmless(name): role for role, name in facts.plan.columns.numbers if role in _FILLED}
    missing = {problem.column or "" for problem in facts.first(MISSING)}
    if not missing or not missing <= roles.keys():
        return None
    return "; ".join(
        f"a missing {role} is {_FILLED[role]}? use --fill {role}={_FILLED[role]}"
        for name, role in roles.items()
        if name in missing
    )


def _for_gains(facts: Facts) -> str | None:
    if NEGATIVE_LABEL not in facts.counts.problems:
        return None
    plan = facts.plan
    if plan.ranking.lambda_weight == "ndcg":
        return "gains of labels below 0 are none; --lambda-weight label_diff takes any labels"
    raw = "; --param target=raw or target=softmax takes any labels" if plan.loss.name == "softmax" else ""
    return f"the loss {plan.loss.name} takes labels as shares or gains, from 0 on{raw}"


def _for_lists(facts: Facts) -> str | None:
    if PATH_LIST in facts.counts.problems:
        return "items of a list are named by their place, counted from 0"
    if LIST not in facts.counts.problems:
        return None
    problem, later = facts.first(LIST)[0], "lists are for `mrl rank`"
    if facts.plan.has_lists:
        if not problem.value.startswith("["):
            return "cells are lists in JSON, Parquet and Arrow; in text, write a row for each item"
        columns = facts.plan.columns
        every = ["--label", f"{columns.name_of('y')}.*", "--score", f"{columns.name_of('score')}.*"]
        return f"is each row a list? use {shell_line(every)}" if columns.y is not None else None
    if problem.value.startswith("[") and "," in problem.value:  # not in a text, which paths do not lead into
        return f"one of its numbers is named by its place, from 0, such as {problem.column}.0; {later}"
    return f"one number belongs in a cell; {later}"


def _for_rows(facts: Facts) -> str | None:
    if facts.are_all_bad or not facts.may_skip or facts.plan.reading.on_error == "skip":
        return None
    return "--on-error skip leaves bad rows out and counts them; --rejects FILE writes them down"


REMEDIES: tuple[Callable[[Facts], str | None], ...] = (
    _for_header,
    _for_map,
    _for_ties,
    _for_lists,
    _for_gains,
    _for_labels,
    _for_texts,
    _for_decimals,
    _for_lines,
    _for_encoding,
    _for_scores,
    _for_float32,
    _for_missing,
    _for_rows,
)
