"""The ways to read labels that a rule does not allow: what values of a column of labels may mean, as options.

A rule counts where all labels keep it, whatever the rule of the plan. Where several are as likely, or none is certain,
they are told in words, for the user to choose.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from mrl_cli.losses import LOSSES
from mrl_cli.model.labels import comparable, value_text
from mrl_cli.model.problems import LABEL_KINDS, MOST_LABELS_NAMED, NOT_A_NUMBER, TIE, ProblemCount
from mrl_cli.settings import flags_of
from mrl_cli.words import harmless, is_float, number_text, shell_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mrl_cli.reports.facts import Facts

STRAY = 20  # a label that is wrong in one row of so many is a slip, not another rule
# What judges and people write for the better one of two, by the label that it means.
_WORDS = {
    1: "model_a a [[a]] a>b first left x1 response_a answer_a",
    -1: "model_b b [[b]] b>a second right x2 response_b answer_b",
    0: "tie|tie (bothbad)|tie (inconsistent)|both_bad|both|bothbad|equal|same|draw|neither|none|a=b|[[c]]",
}
_KNOWN = {word: label for label, words in _WORDS.items() for word in words.split("|" if "|" in words else " ")}
_UNSIGNED = {2**bits - 1: bits for bits in (8, 16, 32)}  # what -1 becomes in an integer of so many bits without a sign
# Columns called so may hold the place of the better one: 0 the first, 1 the second; or 1 and 2, and 0 for neither.
_MAY_BE_PLACES = frozenset(("winner", "preferred", "preference", "better", "choice"))


class Way(NamedTuple):
    """A way to read the rows: in words, and as options of the command, None where it is for the user to choose."""

    text: str
    options: Mapping[str, Any] | None = None

    @classmethod
    def to(cls, question: str, **options: Any) -> Way:
        """Return the way of these options, which is right where the answer to a question is yes."""
        return cls(f"{question} use {shell_line(flags_of(options))}", options)


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


def ways_of_ties(facts: Facts) -> list[Way]:
    """Return what to do about ties that the rule does not allow, none where all labels are ties."""
    ties, counts = facts.counts.problems.get(TIE, ProblemCount()).count, facts.counts
    has_other_labels = 0 < ties < counts.rows
    rules, lowest = facts.plan.rules, facts.look.lowest_label
    # A strength of which none is below 0 never has x2 as the better one: so are codes, and probabilities.
    if has_other_labels and rules.labels == "strength" and not rules.is_reversed and lowest is not None and lowest > 0:
        ways = [way_of_codes({0, 1, 2}), Way.to("labels are probabilities that x1 is better?", labels="probability")]
        ways.append(Way("strengths, of which none is below 0, and 0 means no preference? then --on-tie drop"))
        return [Way(way.text) for way in ways]
    return [Way("--on-tie drop leaves ties out and counts them", {"on_tie": "drop"})] if has_other_labels else []


def ways_of_labels(facts: Facts) -> list[Way]:
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
    if (unsigned := way_of_unsigned(numbers)) is not None and labels.are_all:
        return [unsigned]
    if numbers <= {-1, 0, 1}:
        return _ways_of_signs(numbers, rule, column)
    if facts.counts.rejected * STRAY <= facts.counts.rows:
        return []
    if all(number.is_integer() and 0 <= number < MOST_LABELS_NAMED for number in numbers) and labels.are_all:
        return _ways_of_codes(numbers, column)
    if min(numbers) >= 0 and max(numbers) <= 1:
        return [Way.to("labels are probabilities that x1 is better?", labels="probability")]
    if min(numbers) < 0 < max(numbers):
        ties = {"on_tie": "drop"} if 0 in numbers else {}
        strengths = Way.to("labels are strengths, above 0 where x1 is better?", labels="strength", **ties)
        is_known = "preference" not in _plain(column)  # that of HelpSteer is below 0 where the first is better
        return [strengths if is_known else Way(strengths.text), Way("below 0 where x1 is? then swap x1 and x2 as well")]
    if labels.are_all and facts.counts.rejected * 2 <= facts.counts.rows:
        return []
    if column != "y":  # it was named
        return [Way(f"{column} holds other labels: say what each means with --label-map or another --labels")]
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


def way_of_unsigned(numbers: Collection[float]) -> Way | None:
    """Return the way to map labels of which -1 was stored as an integer without a sign, None for others."""
    greatest = max(numbers)
    if greatest not in _UNSIGNED or not {*numbers} <= {0, 1, greatest}:
        return None
    meanings: dict[str, int | None] = {"0": 0} if 0 in numbers else {}
    meanings |= {"1": 1, f"{greatest:.0f}": -1}
    return _label_map(meanings, f"{greatest:.0f} is -1 as uint{_UNSIGNED[greatest]}?")


def _ways_of_codes(numbers: frozenset[float], column: str) -> list[Way]:
    way = way_of_codes(numbers)
    if numbers != {0, 1, 2} or _plain(column) not in _MAY_BE_PLACES:
        return [way]
    places = _label_map({"1": 1, "2": -1, "0": 0}, "1 means that x1 is better, 2 that x2 is, 0 neither?")
    return [Way(way.text), Way(places.text)]


def way_of_codes(numbers: Collection[float]) -> Way:
    """Return the way to map labels that are small integers."""
    if {*numbers} <= {0, 1, 2} and 0 in numbers:
        return _label_map({"0": 1, "1": 0, "2": -1}, "0 means that x1 is better, 1 neither, 2 that x2 is?")
    if {*numbers} <= {1, 2}:
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
