"""What a report must say: figures by key, to which those of the whole and of each group are held."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mrl_cli.records import NamedTuple
from mrl_cli.reports.validate import CheckResult, apart
from mrl_cli.verify.validators import Tolerance, number_check
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mrl_cli.reports.base import Report

NAMES_SHOWN = 3


class Figures(NamedTuple):
    """Figures by the keys of a report, and how far from each the reported one may be, where it may be off at all."""

    values: Mapping[str, float]
    rooms: Mapping[str, float] = {}

    def checks(self, title: str, names: Iterable[str], report: Report, dtype: str) -> Iterator[CheckResult]:
        """Yield a check of each of these figures that is reported."""
        for name in names:
            if (got := report.figure(name)) is not None:
                room = self.rooms.get(name)
                tolerance = Tolerance(atol=room) if room else None
                yield number_check(f"{title} {name}", self.values[name], got, report.pairs, dtype, tolerance)

    def errors(self, report: Report, but: Sequence[str] = ()) -> list[str]:
        """Return in words which figures are reported otherwise; those of `but` are not looked at."""
        # None is not reported: the loss has no margin, or pairs no weight.
        reported = {name: report.figure(name) for name in self.values if name not in but}
        return [
            f"{name} {apart(repr(self.values[name]), repr(got))}"
            for name, got in reported.items()
            if got is not None and not is_same(self.values[name], got, self.rooms.get(name, 0.0))
        ]


def is_same(expected: Any, got: Any, room: float = 0.0) -> bool:
    """Return whether a figure is the expected one, or as near as it must be. NaN is NaN."""
    return bool(expected == got) or repr(expected) == repr(got) or bool(room and abs(expected - got) <= room)


def ratio(part: float, whole: float) -> float:
    """Return part / whole, NaN over nothing."""
    return part / whole if whole else math.nan


def accuracies(counts: Mapping[str, int]) -> dict[str, float]:
    """Return the accuracies of pairs that are counted, by the keys of a report."""
    pairs, correct, ties, wrong = (counts[name] for name in ("pairs", "correct", "ties", "wrong"))
    return {
        "accuracy": ratio(correct, pairs),
        "accuracy_half": ratio(2 * correct + ties, 2 * pairs),
        "accuracy_without_ties": ratio(correct, correct + wrong),
    }


def listed(name: str, wrong: Sequence[str], pairs: int, mismatches: int | None = None) -> CheckResult:
    """Return a check that passes where nothing is wrong; `mismatches` where that is not one for each text."""
    count = len(wrong) if mismatches is None else mismatches
    return CheckResult(name, not wrong, pairs, mismatches=count, note="; ".join(wrong) or None)


def first_few(wrong: Sequence[str], word: str, words: str) -> list[str]:
    """Return the first texts, and how many more of these things are wrong."""
    more = len(wrong) - NAMES_SHOWN
    return [*wrong[:NAMES_SHOWN], *([f"{counted(more, f'more {word}', f'more {words}')} wrong"] if more > 0 else [])]


def groups_check(expected: Mapping[tuple[str, ...], Figures], groups: Sequence[Report], pairs: int) -> CheckResult:
    """Return the check of every group that is reported, by the figures that each must have."""
    wrong = []
    for group in groups:
        figures = expected.get(tuple(group.group))
        errors = ["has no pairs"] if figures is None else figures.errors(group)
        name = ", ".join(harmless(part, 40) for part in group.group)
        wrong += [f"{name}: {', '.join(errors)}"] if errors else []
    missing = len(expected.keys() - {tuple(group.group) for group in groups})
    notes = first_few(wrong, "group", "groups") + ([f"{counted(missing, 'group')} not reported"] if missing else [])
    return listed("loop groups", notes, pairs, len(wrong) + missing)
