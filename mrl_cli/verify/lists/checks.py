"""From what a pass over lists computed to a Validation: the lists that were taken against the reference, and in sum."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from mrl_cli.reports.validate import LIST_SETTINGS, VALIDATED_SETTINGS, CheckResult, Validation
from mrl_cli.verify import reference
from mrl_cli.verify.lists.expected import Setting, compared_figures, expected_lists, figures_expected
from mrl_cli.verify.rows import counted_rows
from mrl_cli.verify.validation import NAMES_SHOWN
from mrl_cli.verify.validators import Tolerance, check_of, number_check
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts
    from mrl_cli.reports.base import Report
    from mrl_cli.reports.validate import Explanation
    from mrl_cli.verify.lists.expected import Expected
    from mrl_cli.verify.lists.sample import Taken, Verified
    from mrl_cli.verify.verdict import Expectation, Request

    Explain = Callable[[Sequence[Expectation]], Iterator[Explanation | str]]

# The check of each list that a figure belongs to.
CHECKED = {"sum": "loop losses of lists", "min": "loop range", "max": "loop range", "top half": "loop top accuracy"}
CHECKED |= dict.fromkeys(("weight", "correct weight"), "loop weights")
COUNTS_CHECK = "loop counts of lists"
IN_SUM = ("sum", "mean", "query_mean", "value")  # figures of the whole with a check of their own


def list_validation(
    request: Request,
    verified: Verified,
    counts: Counts,
    report: Report,
    sources: Sequence[Source],
    explain: Explain,
) -> Validation:
    """Return the checks of a pass over lists, and what explains the user's own figures that are other ones.

    `report` is that of `mrl rank` on what the core computed.
    """
    plan, setting, reduction = request.plan, Setting.of(request.plan), request.plan.reporting.reduction
    taken = verified.taken
    assert taken is not None
    found = expected_lists(taken.lists, setting)
    counted_apart, notes = counted_rows(sources, plan)
    checks = [] if counted_apart is None else [_rows_check(counted_apart, counts)]
    of_lists = list(_list_checks(taken, found, setting))
    checks += of_lists
    if taken.size == verified.lists:
        checks += list(_whole_checks(found, taken, report, setting, reduction))
        checks += _group_checks(found, taken, report, setting, reduction) if report.groups is not None else []
    else:
        notes.append(
            f"{taken.size:,} of {counted(verified.lists, 'query', 'queries')} were checked, of seed {request.seed}"
        )
    for one in request.expected:
        figure = report.figure(one.name)
        tolerance = one.tolerance(figure, request)
        checks.append(number_check(one.check_name, float(figure), one.number, report.pairs, "float64", tolerance))
    failed = {check.name for check in checks if not check.passed}
    claims = list(explain([one for one in request.expected if one.check_name in failed]))
    return Validation(
        inputs=report.inputs,
        **plan.settings(*VALIDATED_SETTINGS, *LIST_SETTINGS),
        passed=not failed,
        value=report.value,
        pairs=report.pairs,
        rejected=counts.rejected,
        checks=tuple(checks),
        mismatch_count=sum(check.mismatches for check in of_lists),
        explanations=tuple(claim for claim in claims if not isinstance(claim, str)),
        notes=(*notes, *(claim for claim in claims if isinstance(claim, str))),
    )


def _rows_check(expected: int, counts: Counts) -> CheckResult:
    is_right = expected == counts.rows
    note = None if is_right else f"the input holds {expected:,} rows, {counts.rows:,} were counted"
    return CheckResult("rows", is_right, counts.rows, mismatches=int(not is_right), note=note)


def _list_checks(taken: Taken, found: Sequence[Expected], setting: Setting) -> Iterator[CheckResult]:
    """Yield the checks of the figures of each list that was taken."""
    expected, rooms = figures_expected(found, setting)
    pairs = int(expected["pairs"].sum())
    results: dict[str, CheckResult] = {}
    for name, differ in compared_figures(taken.figures, expected, rooms).items():
        wrong = [] if differ.bad is None else differ.bad.nonzero()[0].tolist()
        texts = [
            f"{_named(taken, place)}: {name} is {_shown(taken.figures[name][place])}, "
            f"not {_shown(expected[name][place])}"
            for place in wrong[:NAMES_SHOWN]
        ]
        more = len(wrong) - NAMES_SHOWN
        texts += [f"{counted(more, 'more query', 'more queries')} wrong"] if more > 0 else []
        title = CHECKED.get(name, COUNTS_CHECK)
        check = check_of(title, pairs, differ, note="; ".join(texts) or None)
        if title in results:
            check = replace(results[title] + check, pairs=pairs)
        results[title] = check
    yield from results.values()


def _named(taken: Taken, place: int) -> str:
    return "query " + ", ".join(repr(harmless(text, 40)) for text in taken.keys[place])


def _shown(number: float) -> str:
    value = float(number)
    return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


class _Sum(NamedTuple):
    """A figure of the whole, and how far from it that of the core may be."""

    value: float
    room: float = 0.0


def _whole_checks(
    found: Sequence[Expected], taken: Taken, report: Report, setting: Setting, reduction: str
) -> Iterator[CheckResult]:
    """Yield the checks of the figures of all lists."""
    sums, others = _whole_figures(found, taken.query_weights.tolist(), reduction, setting)
    for name in IN_SUM:
        expected = sums[name]
        got, room = float(report.figure(name)), Tolerance(atol=expected.room)
        check = number_check(
            f"loop {name}", expected.value, got, report.pairs, "float64", room if expected.room else None
        )
        yield check
    wrong = _wrong(others, report)
    yield CheckResult("loop figures", not wrong, report.pairs, mismatches=len(wrong), note="; ".join(wrong) or None)


def _group_checks(
    found: Sequence[Expected], taken: Taken, report: Report, setting: Setting, reduction: str
) -> list[CheckResult]:
    """Return the check of every group that is reported."""
    places: dict[tuple[str, ...], list[int]] = {}
    for place, key in enumerate(taken.keys):
        places.setdefault(tuple(key[:-1]), []).append(place)
    wrong = []
    for group in report.groups:
        at = places.get(tuple(group.group), [])
        sums, others = _whole_figures(
            [found[p] for p in at], [float(taken.query_weights[p]) for p in at], reduction, setting
        )
        near = {name: one for name, one in sums.items() if abs(float(group.figure(name)) - one.value) > one.room}
        errors = _wrong(others, group) + [
            f"{name} is {group.figure(name)!r}, not {one.value!r}" for name, one in near.items()
        ]
        wrong += [f"{', '.join(harmless(part, 40) for part in group.group)}: {', '.join(errors)}"] if errors else []
    missing = len(places.keys() - {tuple(group.group) for group in report.groups})
    note = (
        "; ".join([*wrong[:NAMES_SHOWN], *([f"{counted(missing, 'group')} not reported"] if missing else [])]) or None
    )
    count = len(wrong) + missing
    return [CheckResult("loop groups", not count, report.pairs, mismatches=count, note=note)]


def _wrong(expected: dict[str, _Sum], report: Report) -> list[str]:
    wrong = []
    for name, one in expected.items():
        got = report.figure(name)
        is_same = got == one.value or (math.isnan(got) and math.isnan(one.value)) or abs(got - one.value) <= one.room
        wrong += [] if is_same else [f"{name} is {got!r}, not {one.value!r}"]
    return wrong


def _whole_figures(
    found: Sequence[Expected], query_weights: Sequence[float], reduction: str, setting: Setting
) -> tuple[dict[str, _Sum], dict[str, _Sum]]:
    """Return what a report on lists must say, by its keys: sums and means, and the other figures."""
    total = sum((one.figures for one in found), reference.ListFigures())
    means = [(one, one.mean(setting), weight) for one, weight in zip(found, query_weights, strict=True)]
    means = [(one, mean, weight) for one, mean, weight in means if not math.isnan(mean)]
    weights = [weight for *_, weight in means]
    of_means = reference.LoopSum.of_products(weights, [mean for _, mean, _ in means])
    query_mean = of_means.over(reference.LoopSum.of(weights))
    share = 0.0 if setting.is_exact else setting.share
    sizes = [one.figures.terms / _divisor(one, setting) * weight for one, _, weight in means]
    # Means are rounded, in whatever order they are added, by as much as a share of them.
    room = share * math.fsum(sizes) / (math.fsum(weights) or 1)
    sums = {"query_mean": _Sum(query_mean, room)}
    if setting.is_listwise:
        whole = float(of_means)
        sums |= {"sum": _Sum(whole, share * math.fsum(sizes)), "mean": sums["query_mean"]}
    else:
        size, divisor = total.terms, float(total.weight) if setting.is_weighted else total.counts["pairs"]
        sums["sum"] = _Sum(float(total.total), share * size)
        sums["mean"] = _Sum(total.mean(is_weighted=setting.is_weighted), share * size / (divisor or 1))
    value = {"sum": "sum", "query-mean": "query_mean"}.get(reduction, "mean")
    sums["value"] = sums["query_mean" if setting.is_listwise and value == "mean" else value]
    return sums, _other_figures(found, query_weights, total, len(means), setting)


def _divisor(one: Expected, setting: Setting) -> float:
    if setting.is_listwise:
        return 1.0
    return float(one.figures.weight) if setting.is_weighted else float(one.figures.counts["pairs"])


def _other_figures(
    found: Sequence[Expected],
    query_weights: Sequence[float],
    total: reference.ListFigures,
    defined: int,
    setting: Setting,
) -> dict[str, _Sum]:
    counts, share = total.counts, 0.0 if setting.is_exact else setting.share
    pairs, correct, ties, wrong = (counts[name] for name in ("pairs", "correct", "ties", "wrong"))
    weighted = [(one, w) for one, w in zip(found, query_weights, strict=True) if one.figures.counts["pairs"]]
    with_pairs, weights = [one for one, _ in weighted], [weight for _, weight in weighted]
    of_lists = [one.figures.counts for one in with_pairs]
    accuracies = [c["correct"] / c["pairs"] for c in of_lists]
    halves = [(c["correct"] + c["ties"] / 2) / c["pairs"] for c in of_lists]
    tops = [one.top_half for one in with_pairs]
    figures = {
        "rows": sum(one.items for one in found),
        "queries": len(found),
        "queries_without_pairs": len(found) - len(with_pairs),
        **{name: counts[name] for name in ("pairs", "correct", "ties", "wrong")},
        "accuracy": _ratio(correct, pairs),
        "accuracy_half": _ratio(2 * correct + ties, 2 * pairs),
        "accuracy_without_ties": _ratio(correct, correct + wrong),
        "query_accuracy": _mean(accuracies, weights),
        "query_accuracy_half": _mean(halves, weights),
        "top_accuracy": _mean([float(top == 1) for top in tops], weights),
        "top_accuracy_half": _mean(tops, weights),
    }
    sums = {name: _Sum(value) for name, value in figures.items()}
    lowest = min((one.figures.lowest for one in found), default=math.inf)
    if lowest < math.inf:
        sums["max"] = _Sum(total.highest, share * abs(total.highest))
        sums["min"] = _Sum(total.lowest, share * abs(total.highest if setting.is_power else total.lowest))
    if setting.is_listwise:
        sums["queries_undefined"] = _Sum(len(found) - defined)
        sums["min"], sums["max"] = (
            _Sum(value, share * abs(value))
            for value in (lowest, max((one.figures.highest for one in found), default=-math.inf))
        )
    elif not setting.is_power:
        sums["active"] = _Sum(counts["active"])
    if setting.is_weighted:
        sums["weight"] = _Sum(float(total.weight), share * float(total.weight))
        accuracy = total.correct_weight.over(total.weight)
        sums["accuracy_weighted"] = _Sum(accuracy, 2 * share * accuracy)
    return sums


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return _ratio(float(reference.LoopSum.of_products(weights, values)), float(reference.LoopSum.of(weights)))
