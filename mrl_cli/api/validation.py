"""What `mrl validate` reports of the pairs in a frame: whether a number of the user's own is right, and if not, why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mrl_cli.api.errors import value_errors
from mrl_cli.api.frames import arguments_for, evaluate, folded_frame, planned
from mrl_cli.api.results import Result
from mrl_cli.errors import UsageError
from mrl_cli.inputs.frame import as_frame
from mrl_cli.reports.base import OF_GROUPS
from mrl_cli.reports.compute import compute_reductions, report_of, totals_and_ledger
from mrl_cli.reports.figures import SETTINGS, reported_numbers
from mrl_cli.verify import Expectation, Request, validation_of, verifier_of
from mrl_cli.words import closest

if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Unpack

    from mrl_cli.api.settings import EvaluateSettings, Frame, Grouping


def validate(
    frame: Frame,
    expect: float | str | Mapping[str, float | str] | None = None,
    *,
    loss_column: Hashable | None = None,
    group_by: Grouping | None = None,
    **settings: Unpack[EvaluateSettings],
) -> Result:
    """Return the report of `mrl validate` for the pairs in a frame: every loss checked, and why a number is not right.

    `expect` is the value that you have, or a dict of figures by their keys, such as {"accuracy": 0.718}; a number is
    held to the digits it is written with, a text too. `loss_column` names a column of your own losses, one for each
    pair. `frame`, `settings` and `group_by` are those of `evaluate`.

    The result is a dict with the keys of the JSON of `mrl validate`: `passed`, `checks`, `mismatches` and, where a
    number of yours differs, `explanations`: the known mistakes that lead to it. Raises ValueError for what
    `mrl validate` refuses.

    >>> found = validate({"x1": [0.5, 1.0], "x2": [0.25, 2.0], "y": [1, 1]}, 0.75, margin=0.5)
    >>> found["passed"], [check["name"] for check in found["checks"] if not check["passed"]]
    (False, ['expected value'])
    """
    arguments = arguments_for(frame, {"group_by": group_by, **settings})
    columns, plan = planned(arguments, {"loss": loss_column}, frame=(frame := as_frame(frame)))
    given = arguments["margin"] is not None or arguments["margin_column"] is not None
    figures = expect if isinstance(expect, Mapping) else {} if expect is None else {"value": expect}
    with value_errors(evaluate):
        known = [name for name in reported_numbers(plan) if name not in SETTINGS and not name.startswith(OF_GROUPS)]
        expected = tuple(_expectation(name, number, known) for name, number in figures.items())
        request = Request(plan, expected=expected, margin_from="--margin" if given else None)
        verifier, reductions = verifier_of(request), compute_reductions(plan)
    folded, source = folded_frame(frame, columns, plan, *reductions, verifier)
    with value_errors(evaluate):
        verdict = verifier.settled(folded.wholes[1 + len(reductions)])
        totals, ledger = totals_and_ledger(folded, plan)
        report = report_of(folded, plan, inputs=())
        validation = validation_of(request, verdict, folded.counts, totals, report, (source,), ledger=ledger)
    record = validation.record()
    return Result({**record, "notes": list(record["notes"])} if "notes" in record else record)


def _expectation(name: str, number: float | str, known: list[str]) -> Expectation:
    """Return what is expected of a figure. Raises UsageError for one that is not reported, and for no number."""
    if name not in known:
        near = closest(name, known)
        message = f"expect: there is no figure {name!r}; there are {', '.join(known)}"
        raise UsageError(message, hint=f"did you mean {near}?" if near else None)
    text = str(number if isinstance(number, str) else float(number))
    try:
        if not math.isfinite(float(text)):
            raise ValueError
    except ValueError:
        raise UsageError(f"expect: {name} must be a finite number, not {number!r}") from None
    return Expectation.of(name, text)
