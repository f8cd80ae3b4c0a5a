"""What known mistakes give for one figure: candidates in stages, the simplest first."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import tee
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.records import NamedTuple
from mrl_cli.reports.figures import KEYS
from mrl_cli.verify.explanations.cases import Case, losses_of
from mrl_cli.verify.explanations.hypotheses import MINUS_SIGMOID, holds
from mrl_cli.verify.explanations.parts import LARGEST_BATCH, AllPairs, Sums, ValueParts
from mrl_cli.verify.explanations.rounding import NARROW, narrowed, total_of_narrow
from mrl_cli.verify.explanations.screened import Aim, two_mistakes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mrl_cli.dtypes import Doubles
    from mrl_cli.reports.base import Report
    from mrl_cli.verify.explanations.parts import MistakenSums

    Solved = Callable[[float], Iterable[tuple["Candidate", float]]]  # by the room that there is

COMMON_BATCHES = sorted({2**power for power in range(1, 17)} | {c * 10**p for c in (1, 2, 3, 5) for p in range(1, 5)})
OTHER = {"mean": "sum", "sum": "mean"}
NOT_ZERO_ONLY = "the mean is over losses that are not 0 only"
RULES: dict[str, tuple[str, Callable[[Sums], float]]] = {
    "accuracy": ("ties counted as wrong", lambda of: of.correct / max(1, of.pairs)),
    "accuracy_right": ("ties counted as right", lambda of: (of.correct + of.tied) / max(1, of.pairs)),
    "accuracy_half": ("ties counted half", lambda of: (of.correct + of.tied / 2) / max(1, of.pairs)),
    "accuracy_without_ties": ("ties left out", lambda of: of.correct / max(1, of.pairs - of.tied)),
}


class Candidate(NamedTuple):
    """What a mistake is called, the value that it gives, and the options with which mrl computes it, if any.

    The options may have a place {!r} for the user's own value, or {percent} for a hundredth of it.
    """

    text: str
    value: float
    hint: str | None = None


class Stage(NamedTuple):
    """Candidates that are tried together. `is_dense`: they lie densely around the right value, as batch sizes do.

    `is_simple`: each is one mistake, so that it is worth naming where it fits and nothing proves it.

    `beside` returns others that are as likely as a simple one, and named beside one that fits too. In place of
    candidates, `solved` returns those with a number that was solved for, each with how probable it is by chance.
    """

    candidates: list[Candidate]
    is_dense: bool = False
    is_simple: bool = False
    beside: Callable[[], list[Candidate]] = list
    solved: Solved | None = None


class Stages:
    """Stages that are made when they are first asked for, and kept: what comes late may not be needed."""

    def __init__(self, stages: Iterator[Stage]) -> None:
        self._stages = stages

    def __iter__(self) -> Iterator[Stage]:
        self._stages, again = tee(self._stages)
        return again


class LeftOut(NamedTuple):
    """How many rows had a problem, and how many a label 0; the last is by what the pairs are grouped."""

    rows: int = 0
    ties: int = 0
    by: str = "group"


def value_stages(
    parts: ValueParts,
    reduction: str,
    left_out: LeftOut,
    weighted: Sums | None,
    pairs: AllPairs,
    solved: Solved | None = None,
    aim: Aim | None = None,
) -> Iterator[Stage]:
    """Yield what mistakes give for the mean or the sum, each stage when it is asked for.

    `pairs` say how the right losses come about, also where there are none of them at hand. What two mistakes give is
    exact where it may be the `aim`, or where there is none.
    """

    def value(sums: Sums) -> float:
        return sums.value(reduction)

    if weighted is not None:
        others = [*_reweighted(parts.right, reduction, weighted), *_macro(parts, left_out), *_log_of_mean(parts)]
        yield Stage(others, is_simple=True)
        yield Stage(_named(value, parts.sums), is_simple=True)
        yield Stage([], solved=solved)
        return
    others = [*_reductions(parts, reduction, left_out), *_macro(parts, left_out), *_narrow(parts, reduction)]
    others += [*_of_all_items(parts, pairs.case), *_log_of_mean(parts)]

    def batches(sizes: Iterable[int] = COMMON_BATCHES) -> list[Candidate]:
        return list(_batches(parts.tail, parts.right.total, parts.right.pairs, sizes))

    # Tried together, as some give the same: margin - mean(d) is a mean without a clamp, and a loss of mean(d).
    yield Stage([*others, *_named(value, parts.sums)], is_simple=True, beside=batches)
    yield Stage([], solved=solved)
    yield Stage([*_broadcasts(pairs, reduction), *_added_up(pairs, reduction)], is_simple=True, beside=batches)
    yield Stage(batches(), is_dense=True)
    yield Stage(batches(_all_sizes(parts)), is_dense=True)
    yield Stage([*_reduced_too(parts, reduction), *_named(value, two_mistakes(pairs, parts.sums, value, aim))])


def accuracy_stages(
    name: str,
    parts: ValueParts,
    left_out: LeftOut,
    figures: Mapping[str, float],
    pairs: AllPairs,
    aim: Aim | None = None,
) -> Iterator[Stage]:
    """Yield what mistakes give for an accuracy, a key of RULES, each stage when it is asked for.

    `figures` are all those of the report, `pairs` and `aim` those of `value_stages`.
    """
    rule, right = RULES[name][1], parts.right
    others = [key for key in figures if key.startswith("accuracy_") and key not in RULES]
    taken_for_it = [*_accuracies(name, right, left_out), *(_figure(key, name, figures[key]) for key in others)]

    def batches(sizes: Iterable[int] = COMMON_BATCHES) -> list[Candidate]:
        return list(_batch_accuracies(name, parts, sizes))

    yield Stage([*taken_for_it, *_macro(parts, left_out, rule)], is_simple=True, beside=batches)
    yield Stage(_named(rule, parts.sums), is_simple=True, beside=batches)
    yield Stage(batches(), is_dense=True)
    yield Stage(batches(_all_sizes(parts)), is_dense=True)
    yield Stage(_named(rule, two_mistakes(pairs, parts.sums, rule, aim)))


def _named(rule: Callable[[Sums], float], sums: MistakenSums) -> list[Candidate]:
    return [Candidate(" and ".join(names), rule(of), of.hint) for names, of in sums.items()]


def numbers_in(report: Report) -> dict[str, float]:
    """Return the figures of a report that are numbers, by key."""
    return {key: number for key in KEYS if isinstance(number := report.figure(key), int | float)}


def figure_stages(name: str, figures: Mapping[str, float]) -> Iterator[Stage]:
    """Yield the other figures of a report for one of them."""
    yield Stage([_figure(key, name, value) for key, value in figures.items() if key != name], is_simple=True)


def _figure(key: str, name: str, value: float) -> Candidate:
    return Candidate(f"it is the {key}, not the {name}", value, f"--expect {key}={{!r}}")


def _all_sizes(parts: ValueParts) -> range:
    return range(2, min(LARGEST_BATCH, parts.right.pairs - 1) + 1)


def _broadcasts(pairs: AllPairs, reduction: str) -> Iterator[Candidate]:
    """Yield the mean, or the sum, over every pair of rows under each way to broadcast one column."""
    count = pairs.case.x1.size**2 if reduction == "sum" else 1
    for text, mean in pairs.broadcasts.items():
        yield Candidate(text.replace("the mean is", f"the {reduction} is"), mean * count)


def _added_up(pairs: AllPairs, reduction: str) -> Iterator[Candidate]:
    """Yield what a total gives that is kept in a narrow float, one loss after the other; and a softmax over rows."""
    case = pairs.case
    size = case.x1.size
    for dtype in NARROW if size else ():
        total = total_of_narrow(losses_of(case), dtype)
        text = f"losses are added up one by one in {dtype}: add them up in float32 or float64"
        yield Candidate(text, total / size if reduction == "mean" else total)
    if size and holds("log of a sigmoid & signs", case):
        scale = case.parameters.get("beta", 1 / case.parameters.get("temperature", 1.0))
        better = scale * np.where(case.y > 0, case.x1, case.x2)
        mean = float(np.logaddexp.reduce(better) - better.mean())
        text = "softmax is over the rows, not over the two scores of a pair: take it along the other axis"
        yield Candidate(text, mean if reduction == "mean" else mean * size)


def _log_of_mean(parts: ValueParts) -> Iterator[Candidate]:
    """Yield -log of the mean sigmoid. Losses are -log of sigmoids, which one of the mistakes adds up."""
    if (minus := parts.sums.get((MINUS_SIGMOID,))) and minus.total < 0:
        text = "it is -log of the mean sigmoid, not the mean of -log sigmoid: take the log of each pair, then the mean"
        yield Candidate(text, -math.log(-minus.value("mean")))


def _reweighted(right: Sums, reduction: str, weighted: Sums) -> Iterator[Candidate]:
    """Yield what comes of weights that are used otherwise."""
    pairs, other = right.divisor or 1, OTHER[reduction]
    yield Candidate("the weights are left out", right.value(reduction), "without --weight")
    yield Candidate("weighted losses are divided by the number of pairs, not by the weights", weighted.total / pairs)
    yield Candidate(f"it is the {other}, not the {reduction}", weighted.value(other), f"--reduction {other}")


def _reductions(parts: ValueParts, reduction: str, left_out: LeftOut) -> Iterator[Candidate]:
    """Yield what the right losses give when they are reduced in another way.

    To add one, enter a row: what it is called, a sum, what that is divided by, and what must not be 0 or False.
    """
    right, other = parts.right, OTHER[reduction]
    yield Candidate(f"it is the {other}, not the {reduction}", right.value(other), f"--reduction {other}")
    for name, part, whole, is_needed in (
        (NOT_ZERO_ONLY, right.total, right.active, True),
        (
            "tied pairs (x1 = x2) are left out of the mean",
            right.total - parts.tied.total,
            right.pairs - parts.tied.pairs,
            parts.tied.pairs,
        ),
        ("the sum is divided by 2 * n: by the scores, not by the pairs", right.total, 2 * right.pairs, right.pairs),
        ("the mean is over all rows, those left out too", right.total, right.pairs + left_out.rows, left_out.rows),
        ("pairs with y = 0 count as pairs without a loss", right.total, right.pairs + left_out.ties, left_out.ties),
    ):
        if is_needed:
            yield Candidate(name, part / max(1, whole))
    yield from _accuracies("", right, LeftOut())


def _narrow(parts: ValueParts, reduction: str) -> Iterator[Candidate]:
    """Yield what a tensor of a narrow float returns: the right value in it, and that of losses which it holds."""
    for dtype in NARROW:
        arithmetic = f"the arithmetic is {dtype}"
        of_arithmetic = {text: sums for (text, *_), sums in parts.sums.items() if text.startswith(arithmetic)}
        for text, of in {f"it is the {reduction}, rounded to {dtype}": parts.right, **of_arithmetic}.items():
            if math.isfinite(of.value(reduction)):
                yield Candidate(text, float(narrowed(np.array([of.value(reduction)]), dtype)[0]))


def _accuracies(name: str, right: Sums, left_out: LeftOut) -> Iterator[Candidate]:
    """Yield accuracies by the rules for ties other than that of `name`, and what is taken for one."""
    for key, (ties, rule) in RULES.items():
        hint = f"--expect {key}={{!r}}" if key != "accuracy_right" else None
        percent = hint and hint.replace("{!r}", "{percent}")
        if key != name and (right.tied or key == "accuracy"):
            yield Candidate(f"it is the accuracy, {ties}", rule(right), hint)
        if not name and (right.tied or key == "accuracy"):
            yield Candidate(f"it is the accuracy in percent, {ties}", 100 * rule(right), percent)
    wrong = right.pairs - right.correct - right.tied
    yield Candidate("it is the share of wrong pairs", wrong / max(1, right.pairs))
    if name:
        rule = RULES[name][1]
        yield Candidate("it is in percent", 100 * rule(right), f"--expect {name}={{percent}}")
        for text, more in (("those left out too", left_out.rows), ("those with y = 0 too", left_out.ties)):
            if more:
                yield Candidate(f"it is the share of all rows, {text}", right.correct / max(1, right.pairs + more))


def _macro(parts: ValueParts, left_out: LeftOut, rule: Callable[[Sums], float] | None = None) -> Iterator[Candidate]:
    """Yield the mean, and the sum, of the groups' values."""
    if len(parts.groups) < 2:
        return
    what, key = ("accuracies", "macro_accuracy") if rule else ("means", "macro_mean")
    of_group = rule or (lambda sums: sums.value("mean"))
    total, count = math.fsum(map(of_group, parts.groups.values())), len(parts.groups)
    option = "--by-file " if left_out.by == "file" else ""
    groups = f"the {what} of the {count} {left_out.by}s"
    text = f"it is the mean of {groups} (macro), not that over all pairs"
    yield Candidate(text, total / count, f"{option}--expect {key}={{!r}}")
    yield Candidate(f"it is the sum of {groups}", total)


def _of_all_items(parts: ValueParts, case: Case) -> Iterator[Candidate]:
    """Yield the loss of the mean difference, and what comes of items that are paired with themselves too."""
    pairs, total = parts.right.pairs, parts.right.total
    if not pairs or not holds("signs", case):
        return
    one = np.ones(1)
    at = replace(case, x1=one * parts.agreement / pairs, x2=0 * one, y=one, margin=parts.margin / pairs)
    yield Candidate("it is the loss of the mean difference, not the mean of the losses", float(losses_of(at)[0]))
    yield _figure("difference_mean", "loss", parts.agreement / pairs)
    of_itself = float(losses_of(replace(at, x1=0 * one))[0])
    for of_each, count in ((1, pairs), (2, 2 * pairs)):  # each two items stand in the file twice, or once
        items = math.isqrt(count) + 1
        if pairs < 2 or items * (items - 1) != count:
            continue
        whole, added = of_each * total, items * of_itself
        self_pairs = f"the {items} self pairs of {items} items are added"
        yield Candidate(f"{self_pairs}: it is the mean over {items} * {items} pairs", (whole + added) / items**2)
        yield Candidate(f"the sum is divided by {items} * {items}, not by the pairs", total / items**2)
        if of_each == 2:
            yield Candidate(self_pairs, (total + added) / (pairs + items))


def _reduced_too(parts: ValueParts, reduction: str) -> Iterator[Candidate]:
    """Yield the value under a mistake and another reduction."""
    other = OTHER[reduction]
    for names, sums in parts.sums.items():
        name = " and ".join(names)
        of_other = f"--reduction {other} {sums.hint}" if sums.hint and sums.hint.startswith("--") else None
        yield Candidate(f"{name} and it is the {other}", sums.value(other), of_other)
        yield Candidate(f"{name} and {NOT_ZERO_ONLY}", sums.total / max(1, sums.active))


def _batches(tail: Doubles, total: float, pairs: int, sizes: Iterable[int], what: str = "") -> Iterator[Candidate]:
    """Yield the mean of batch means, where the last batch is short, and the mean without that batch.

    Both follow from the sum of the last batch alone: the other batches are of one size. `what` they are means of.
    """
    from_the_end = np.concatenate([[0.0], np.cumsum(tail[::-1])])
    for size in sizes:
        rest = pairs % size
        if size >= pairs or not rest or rest >= from_the_end.size:
            continue
        last = float(from_the_end[rest])
        means = (total - last) / size + last / rest
        batches = f"batches of {size}, the last of them short ({rest})"
        yield Candidate(f"it is the mean of the {what or 'means'} of {batches}", means / (pairs // size + 1))
        if not what:
            yield Candidate(f"it is the sum of the means of {batches}", means)
        yield Candidate(
            f"the last, short batch of batches of {size} is left out ({rest} pairs)", (total - last) / (pairs - rest)
        )


def _batch_accuracies(name: str, parts: ValueParts, sizes: Iterable[int]) -> Iterator[Candidate]:
    """Yield the mean of the accuracies of batches; without ties each batch would divide by another number."""
    if name not in ("accuracy", "accuracy_half"):
        return
    of_tie = 0.5 if name == "accuracy_half" else 0.0
    credit = np.where(parts.sides > 0, 1.0, np.where(parts.sides == 0, of_tie, 0.0))
    total = parts.right.correct + of_tie * parts.right.tied
    yield from _batches(credit, total, parts.right.pairs, sizes, "accuracies")
