"""The ways to read labels that a rule does not allow: what values of a column of labels may mean, as options.

A rule counts where all labels keep it, whatever the rule of the plan. Where several are as likely, or none is certain,
they are told in words, for the user to choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.losses import LOSSES
from mrl_cli.model.labels import comparable, value_text
from mrl_cli.model.problems import (
    ABOVE_1,
    BELOW_0,
    FIRST_PROBLEMS_SHOWN,
    FROM_0_TO_1,
    LABEL_KINDS,
    MOST_LABELS_NAMED,
    NOT_A_NUMBER,
    TIE,
    ProblemCount,
)
from mrl_cli.records import NamedTuple
from mrl_cli.settings import flags_of
from mrl_cli.words import counted, harmless, is_float, number_text, shell_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from collections.abc import Set as AbstractSet

    from mrl_cli.reports.symptoms import Symptoms

STRAY = 20  # a label that is wrong in one row of so many is a slip, not another rule
FEW_ROWS = 2  # with a label: it may be a slip, or not, where that is more than one row of STRAY
_WHERE = {BELOW_0: -0.5, FROM_0_TO_1: 0.5, ABOVE_1: 1.5}  # a number for labels that are none of a few
_BOOLEANS = frozenset(("true", "false"))
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
    return text.casefold() in _BOOLEANS


class _Labels(NamedTuple):
    """How many rows have each label, a number or a word; those with a problem, with the first few; `are_all`: no more.

    Labels that are no whole numbers count as one that lies where they do.
    """

    rows: Mapping[Any, int]
    bad: Mapping[Any, ProblemCount]
    are_all: bool

    @classmethod
    def of(cls, symptoms: Symptoms) -> _Labels | None:
        """Return those with a problem and those of other rows; None where no rule makes those with one readable."""
        counts, look, rule = symptoms.counts, symptoms.look, symptoms.plan.rules.labels
        bad: dict[Any, ProblemCount] = {}
        spelled: dict[Any, str] = {}
        for text, known in counts.bad_labels.items():
            is_word = (text[:1] in "'\"" and not is_float(text[1:-1])) or _is_boolean(text)
            word = text[1:-1] if text[:1] in "'\"" else text
            label = spelled.setdefault(comparable(word), word.strip()) if is_word else _number(text)
            if label is not None:
                bad[label] = bad.get(label, ProblemCount()) + known
        if not bad:
            return None
        others = counts.pairs + counts.zero_weight - counts.ones
        good: dict[Any, int] = {0.0: counts.ties_dropped}
        if look.has_booleans:  # read as 1 and 0, which other rules do not
            good |= {"true": counts.ones, "false": others}
        elif rule in ("pm1", "01"):
            good |= {1.0: counts.ones, (-1.0 if rule == "pm1" else 0.0): others}
        else:  # a look has not all of the labels used, or none
            good |= dict.fromkeys((x for x in (look.lowest_label, look.highest_label) if x is not None), counts.pairs)
        rows = {label: known.count for label, known in bad.items()}
        rows |= {label: rows.get(label, 0) + count for label, count in good.items() if count}
        uncounted = counts.rejected - sum(known.count for known in bad.values())
        are_all = len(counts.bad_labels) < MOST_LABELS_NAMED or uncounted * STRAY <= sum(rows.values())
        return cls(rows, bad, are_all and (rule in ("pm1", "01") or not counts.pairs))

    @property
    def numbers(self) -> frozenset[float]:
        """The labels that are numbers."""
        return frozenset(label for label in self.rows if not isinstance(label, str))

    @property
    def words(self) -> list[str]:
        """The labels that are words, in the order in which they first stand in a row."""
        return [label for label in self.rows if isinstance(label, str)]

    def without(self, labels: AbstractSet[Any]) -> _Labels:
        """Return the others."""
        return self._replace(rows={label: count for label, count in self.rows.items() if label not in labels})

    def odd(self, few: AbstractSet[Any]) -> AbstractSet[Any]:
        """Return those of some labels that few rows have which do not belong to the kind of label that the others are.

        Where the others are less than two, it is not known what that is.
        """
        kept = self.without(few)
        numbers, words = kept.numbers, {word.casefold() for word in kept.words}
        if words and (words <= _BOOLEANS or words <= _KNOWN.keys()):
            kind = _BOOLEANS if words <= _BOOLEANS else _KNOWN.keys()
            alike = {0, 1} if words <= _BOOLEANS else set()  # one rule reads them all
            return {label for label in few if str(label).casefold() not in kind and label not in alike}
        if words or not numbers:
            return set()
        if numbers <= {0, 1}:  # which one rule reads together with true and false
            few = {label for label in few if not (isinstance(label, str) and _is_boolean(label))}
        if len(numbers) == 1 and all(number.is_integer() for number in numbers):
            return {label for label in few if isinstance(label, str)}
        if numbers <= {0, 1, 2}:
            return few - ({1} if numbers == {0, 2} else set())
        if numbers <= {-1, 0, 1}:
            return few - {-1, 0, 1}
        if way_of_unsigned(numbers) is not None:
            return few - {0}
        if min(numbers) < 0 < max(numbers):
            return {label for label in few if isinstance(label, str)}
        if min(numbers) >= 0 and max(numbers) <= 1:
            return few - {0, 1}
        return {label for label in few if isinstance(label, str) or label < 0 or not label.is_integer()}


def _number(text: str) -> float | None:
    """Return the number that a kind of labels stands for, None for none."""
    return _WHERE[text] if text in _WHERE else float(text) if is_float(text) else None


def ways_of_ties(symptoms: Symptoms) -> list[Way]:
    """Return what to do about ties that the rule does not allow, none where all labels are ties."""
    ties, counts = symptoms.counts.problems.get(TIE, ProblemCount()).count, symptoms.counts
    has_other_labels = 0 < ties < counts.rows
    rules, lowest = symptoms.plan.rules, symptoms.look.lowest_label
    # A strength of which none is below 0 never has x2 as the better one: so are codes, and probabilities.
    if has_other_labels and rules.labels == "strength" and not rules.is_reversed and lowest is not None and lowest > 0:
        ways = [way_of_codes({0, 1, 2}), Way.to("labels are probabilities that x1 is better?", labels="probability")]
        ways.append(Way("strengths, of which none is below 0, and 0 means no preference? then --on-tie drop"))
        return [Way(way.text) for way in ways]
    return [Way("--on-tie drop leaves ties out and counts them", {"on_tie": "drop"})] if has_other_labels else []


def ways_of_labels(symptoms: Symptoms) -> list[Way]:
    """Return the rules that all labels keep, whatever the rule of the plan, or all but the slips of a few rows."""
    kinds = {known.first[0].kind for known in symptoms.counts.bad_labels.values()}
    if symptoms.plan.has_lists or not kinds & {*LABEL_KINDS.values(), NOT_A_NUMBER}:  # labels of lists are any numbers
        return []
    labels, is_target = _Labels.of(symptoms), LOSSES[symptoms.plan.loss.name].is_target
    are_points = any(is_float(p.value.strip("'")) for p in symptoms.first(NOT_A_NUMBER))  # where decimals have a comma
    if labels is None or are_points or (labels.words and is_target):
        return []
    if is_target and symptoms.plan.rules.labels != "any":
        return [Way.to("y is what x1 - x2 should be?", labels="any")]
    total = sum(labels.rows.values())
    few = {label for label, count in labels.rows.items() if count * STRAY <= total}
    if sum(labels.rows[label] for label in few) * STRAY > total:  # too many rows for slips
        few = set()
    knows_all = (
        symptoms.plan.rules.labels in ("pm1", "01") or not symptoms.counts.pairs
    )  # the labels that the rule reads
    if knows_all and (odd := labels.odd(few)):
        kept = labels.without(odd)
        return [] if _is_read(kept, symptoms) else [*_ways_of(kept, symptoms), _way_of_odd(odd, labels, symptoms)]
    ways = _ways_of(labels, symptoms)
    is_plain = labels.numbers <= {0, 1} or labels.numbers <= {-1, 1} or labels.rows.keys() - few == {-1}
    if few and len(labels.without(few).rows) == 1 and not (labels.words or is_plain):
        return [Way(way.text) for way in ways]
    return ways if few else _ways_of_few_rows(labels, ways, symptoms)


def _ways_of_few_rows(labels: _Labels, ways: list[Way], symptoms: Symptoms) -> list[Way]:
    """Return ways to read labels, and those to read them but for one or two rows, which may be slips or not."""
    rows: Mapping[Any, int] = labels.rows
    few: AbstractSet[Any] = {*labels.words}
    least = sum(rows[number] for number in labels.numbers)  # what a word has to be few beside
    if not few or 2 * sum(rows[word] for word in few) > least:
        few = {label for label in rows if 2 * rows[label] <= max(rows.values())}
        least = min((rows[label] for label in rows if label not in labels.odd(few)), default=0)
    odd = labels.odd(few)
    most = max((rows[label] for label in odd), default=least)
    kept = labels.without(odd)
    others = [] if not odd or _is_read(kept, symptoms) else _ways_of(kept, symptoms)
    if 2 * most > least or most > FEW_ROWS or not (_is_read(kept, symptoms) or any(way.options for way in others)):
        return ways
    if not (others or any(way.options for way in ways)):  # only the rows of slips cannot be read
        return []
    if any(way.options for way in ways):  # either may be meant
        others, ways = ([Way(way.text) for way in some] for some in (others, ways))
    else:
        ways = []
    ways = [way for way in ways if way not in others]
    return [*others, _way_of_odd(odd, labels, symptoms), *ways]


def _is_read(labels: _Labels, symptoms: Symptoms) -> bool:
    """Return whether the rule of the plan reads labels."""
    numbers, words, rules = labels.numbers, labels.words, symptoms.plan.rules
    if words:
        return rules.labels == "01" and {*words} <= _BOOLEANS and numbers <= {0, 1}
    if rules.labels == "pm1":
        return numbers <= {-1, 1} or (rules.drops_ties and -1 in numbers and numbers <= {-1, 0, 1})
    if rules.labels in ("01", "probability"):
        return numbers <= {0, 1} or (rules.labels == "probability" and min(numbers) >= 0 and max(numbers) <= 1)
    return True


def _way_of_odd(odd: AbstractSet[Any], labels: _Labels, symptoms: Symptoms) -> Way:
    """Return what to do about the rows of labels that are slips, or may be."""
    first = [
        problem for label in labels.rows if label in odd & labels.bad.keys() for problem in labels.bad[label].first
    ]
    first = sorted(first, key=lambda problem: problem.row)[:FIRST_PROBLEMS_SHOWN]
    has_files = len({problem.file for known in symptoms.counts.bad_labels.values() for problem in known.first}) > 1
    places = [problem.described(with_file=has_files) for problem in first]
    column = harmless(symptoms.plan.columns.name_of("y") or "")
    places += [
        f"{column} is {label if isinstance(label, str) else _number_text(label)} in {counted(rows, 'row')}"
        for label, rows in labels.rows.items()
        if label in odd and label not in labels.bad
    ]
    rows = sum(labels.rows[label] for label in odd)
    it, what = (
        ("it", ", ".join(places)) if rows == 1 else ("them", f"{rows:,} rows have other labels ({', '.join(places)})")
    )
    may_skip = symptoms.may_skip and symptoms.plan.reading.on_error == "fail"
    return Way(f"{what}: correct {it}{f', or leave {it} out with --on-error skip' if may_skip else ''}")


def _ways_of(labels: _Labels, symptoms: Symptoms) -> list[Way]:
    """Return the rules that labels keep."""
    rule, numbers, column = (
        symptoms.plan.rules.labels,
        labels.numbers,
        harmless(symptoms.plan.columns.name_of("y") or ""),
    )
    if labels.words:
        return _ways_of_words(labels, symptoms)
    if (unsigned := way_of_unsigned(numbers)) is not None and labels.are_all:
        return [unsigned]
    if numbers <= {-1, 0, 1}:
        return _ways_of_signs(labels, rule, column)
    if symptoms.counts.rejected * STRAY <= symptoms.counts.rows:
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
    if labels.are_all and symptoms.counts.rejected * 2 <= symptoms.counts.rows:
        return []
    if column != "y":  # it was named
        return [Way(f"{column} holds other labels: say what each means with --label-map or another --labels")]
    return [Way(f"is {column} the column of labels? name that with --y COLUMN")]


def _ways_of_signs(labels: _Labels, rule: str, column: str) -> list[Way]:
    ways, numbers, rows = [], labels.numbers, sum(labels.rows.values())
    may_be_ties = -1 in numbers or rows < STRAY or labels.rows.get(0, 0) * STRAY <= rows  # of 1 and 0, few are ties
    if numbers <= {0, 1} and rule != "01":
        zero_one = Way.to("labels are 0 and 1 here?", labels="01")
        are_places = _plain(column) in _MAY_BE_PLACES
        is_known = 1 in numbers and not are_places  # 0 alone may be anything
        ways.append(zero_one if is_known else Way(zero_one.text))
        if are_places:
            ways.append(Way.to("0 means that x1 is better, 1 that x2 is?", label_map=(("0", 1), ("1", -1))))
    if numbers <= {-1, 1} and rule != "pm1":
        ways.append(Way.to("labels are 1 and -1 here?", labels="pm1"))
    elif 0 in numbers and numbers != {0} and may_be_ties:  # of ties alone no pair would be left
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


def _ways_of_words(labels: _Labels, symptoms: Symptoms) -> list[Way]:
    words, numbers = {word.casefold() for word in labels.words}, labels.numbers
    if words <= _BOOLEANS and numbers <= {0, 1}:
        return [Way.to("true means that x1 is better, false that x2 is?", labels="01")]
    is_slip = not words <= _KNOWN.keys() and symptoms.counts.rejected * 2 < symptoms.counts.rows
    is_unnamed = any(set("…\\") & set(word) for word in words) or not all(map(float.is_integer, numbers))
    if is_slip or is_unnamed or not labels.are_all:
        return []
    meanings = {word: _KNOWN.get(word.casefold()) for word in labels.words}
    signs = {-1, 0, 1} if -1 in numbers else {1}  # 0 may be the other side of 1
    meanings |= {_number_text(number): int(number) if number in signs else None for number in sorted(numbers)}
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
