"""From what a pass over lists computed to a Validation: the lists that were taken against the reference, and in sum."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from mrl_cli.reports.validate import apart
from mrl_cli.verify import reference
from mrl_cli.verify.figures import Figures, accuracies, first_few, groups_check, listed, ratio
from mrl_cli.verify.lists.expected import Expected, Setting, compared_figures, expected_lists, figures_expected
from mrl_cli.verify.rows import counted_rows, lost_rows
from mrl_cli.verify.validation import concluded
from mrl_cli.verify.validators import check_of
from mrl_cli.words import counted, harmless, plainest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts, Plan
    from mrl_cli.reports.base import Report
    from mrl_cli.reports.validate import CheckResult, Explanation, Validation
    from mrl_cli.verify.lists.mistakes import Again
    from mrl_cli.verify.lists.sample import Taken, Verified
    from mrl_cli.verify.validation import Failed
    from mrl_cli.verify.verdict import Request

# The check of each list that a figure belongs to.
CHECKED = {"sum": "loop losses of lists", "min": "loop range", "max": "loop range", "top half": "loop top accuracy"}
CHECKED |= dict.fromkeys(("weight", "correct weight"), "loop weights")
COUNTS_CHECK = "loop counts of lists"
IN_SUM = ("sum", "mean", "query_mean", "value")  # figures of the whole with a check of their own


def list_validation(
    request: Request, verified: Verified, counts: Counts, report: Report, sources: Sequence[Source], again: Again
) -> Validation:
    """Return the checks of a pass over lists, and what explains the user's own figures that are other ones.

    `report` is that of `mrl rank` on what the core computed; `again` hands all lists to a consumer once more.
    """
    plan, taken = request.plan, verified.taken
    assert taken is not None
    found = expected_lists(taken.lists, Setting.of(plan))
    counted_apart, notes = counted_rows(sources, plan)
    checks = [] if counted_apart is None else [listed("rows", lost_rows(counted_apart, counts), counts.rows)]
    of_lists = list(_list_checks(taken, found, Setting.of(plan)))
    checks += of_lists
    if taken.size == verified.lists:
        whole = _expected_figures(found, taken.columns["query weight"].tolist(), plan)
        checks += whole.checks("loop", IN_SUM, report, plan.loss.dtype)
        checks.append(listed("loop figures", whole.errors(report, but=IN_SUM), report.pairs))
        if report.groups is not None:
            checks.append(groups_check(_expected_groups(found, taken, plan), report.groups, report.pairs))
    else:
        queries = counted(verified.lists, "query", "queries")
        notes.append(f"{taken.size:,} of {queries} were checked, of seed {request.seed}")

    def claims(failed: Failed) -> Iterator[Explanation | str]:
        wrong = [one for one in request.expected if one.check_name in failed]
        if wrong:
            from mrl_cli.verify.lists.mistakes import claims_of  # most runs have nothing to explain

            yield from claims_of(request, wrong, report, again)

    mismatches = sum(check.mismatches for check in of_lists)
    return concluded(request, report, counts, checks, notes, claims, mismatch_count=mismatches)


def _list_checks(taken: Taken, found: Sequence[Expected], setting: Setting) -> Iterator[CheckResult]:
    """Yield the checks of the figures of each list that was taken."""
    expected, rooms = figures_expected(found, setting)
    pairs = int(expected["pairs"].sum())
    results: dict[str, CheckResult] = {}
    for name, differ in compared_figures(taken.figures, expected, rooms).items():
        wrong = [
            f"{_named(taken, place)}: {name} "
            + apart(*(repr(plainest(float(of[name][place]))) for of in (expected, taken.figures)))
            for place in ([] if differ.bad is None else differ.bad.nonzero()[0].tolist())
        ]
        title = CHECKED.get(name, COUNTS_CHECK)
        check = check_of(title, pairs, differ, note="; ".join(first_few(wrong, "query", "queries")) or None)
        results[title] = replace(results[title] + check, pairs=pairs) if title in results else check
    yield from results.values()


def _named(taken: Taken, place: int) -> str:
    return "query " + ", ".join(repr(harmless(text, 40)) for text in taken.columns["key"][place])


def _expected_groups(found: Sequence[Expected], taken: Taken, plan: Plan) -> dict[tuple[str, ...], Figures]:
    """Return what a report must say of each group, by its key."""
    places: dict[tuple[str, ...], list[int]] = {}
    for place, key in enumerate(taken.columns["key"]):
        places.setdefault(tuple(key[:-1]), []).append(place)
    weights = taken.columns["query weight"].tolist()
    return {
        key: _expected_figures([found[place] for place in at], [weights[place] for place in at], plan)
        for key, at in places.items()
    }


def _expected_figures(found: Sequence[Expected], query_weights: Sequence[float], plan: Plan) -> Figures:
    """Return what a report must say of lists."""
    setting = Setting.of(plan)
    total = sum((one.figures for one in found), reference.LoopFigures())
    means = [(one, one.mean(setting), weight) for one, weight in zip(found, query_weights, strict=True)]
    means = [(one, mean, weight) for one, mean, weight in means if not math.isnan(mean)]
    weights = [weight for *_, weight in means]
    of_weights = reference.LoopSum.of(weights)
    of_means = reference.LoopSum.of_products(weights, [mean for _, mean, _ in means])
    # Each with how large what was added up for it is: means are rounded, in whatever order they are added.
    sizes = [one.figures.terms / setting.divisor(one.figures) * weight for one, _, weight in means]
    size, weighed = float(reference.LoopSum.of(sizes)), float(of_weights)
    query_mean = of_means.over(of_weights), size / (weighed or 1)
    if setting.is_listwise:
        sums = {"sum": (float(of_means), size), "mean": query_mean}
        sums |= {"weight": (weighed, 0.0)} if plan.has_own_weights else {}
    else:
        mean = total.mean(is_weighted=setting.is_weighted), total.terms / (setting.divisor(total) or 1)
        sums = {"sum": (float(total.total), total.terms), "mean": mean}
    sums["query_mean"] = query_mean
    sums["value"] = sums[plan.reporting.reduction.replace("-", "_")]
    lowest, highest = (total.lowest, total.highest) if total.lowest < math.inf else (math.nan, math.nan)
    sums |= {"min": (lowest, abs(lowest)), "max": (highest, abs(highest))}
    if setting.is_weighted:
        whole, weighted = float(total.weight), total.correct_weight.over(total.weight)
        sums |= {"weight": (whole, whole), "accuracy_weighted": (weighted, 2 * weighted)}
    share = 0.0 if setting.is_exact else setting.share
    counts = _counted(found, query_weights, total, len(means), setting)
    values = {name: value for name, (value, _) in sums.items()}
    return Figures(counts | values, {name: share * size for name, (_, size) in sums.items()})


def _counted(
    found: Sequence[Expected],
    query_weights: Sequence[float],
    total: reference.LoopFigures,
    defined: int,
    setting: Setting,
) -> dict[str, float]:
    """Return the figures of lists that are counts, or shares and means of some."""
    weighted = [(one, weight) for one, weight in zip(found, query_weights, strict=True) if one.figures.counts["pairs"]]
    with_pairs, weights = [one for one, _ in weighted], [weight for _, weight in weighted]
    of_lists = [accuracies(one.figures.counts) for one in with_pairs]
    tops = [one.top_half for one in with_pairs]
    figures = {
        "rows": sum(one.items for one in found),
        "queries": len(found),
        "queries_without_pairs": len(found) - len(with_pairs),
        **{name: total.counts[name] for name in ("pairs", "correct", "ties", "wrong")},
        **accuracies(total.counts),
        "query_accuracy": _mean([one["accuracy"] for one in of_lists], weights),
        "query_accuracy_half": _mean([one["accuracy_half"] for one in of_lists], weights),
        "top_accuracy": _mean([float(top == 1) for top in tops], weights),
        "top_accuracy_half": _mean(tops, weights),
    }
    if setting.is_listwise:
        return figures | {"queries_undefined": len(found) - defined}
    return figures | {"active": total.counts["active"]}


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return ratio(float(reference.LoopSum.of_products(weights, values)), float(reference.LoopSum.of(weights)))
