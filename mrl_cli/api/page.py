"""The report page on pairs or ranked lists in a DataFrame: as `mrl report` writes it, by the same reductions."""

from __future__ import annotations

import os
from html import escape
from importlib.util import find_spec
from inspect import signature
from typing import TYPE_CHECKING, Any

from mrl_cli.api.errors import value_errors
from mrl_cli.api.frames import arguments_for, cautions_of, evaluate, folded_frame, planned, scores_of_b, whole_number
from mrl_cli.api.lists import evaluate_lists, lists_of
from mrl_cli.errors import MachineError, with_hint
from mrl_cli.inputs.frame import PLACE, as_frame
from mrl_cli.inputs.lookup import records_of
from mrl_cli.model import MOST_WORST
from mrl_cli.reductions.pagequeries import PageQueriesConsumer
from mrl_cli.render.files import whole_file
from mrl_cli.reports.compute import report_of
from mrl_cli.reports.joint import models_of
from mrl_cli.reports.listpage import list_page_of
from mrl_cli.reports.page import page_of
from mrl_cli.reports.pagepass import page_plan, page_reductions, with_intervals
from mrl_cli.reports.rank import rank_report
from mrl_cli.words import PAGE_SUFFIXES, bytes_text, how_to_install

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from typing import Unpack

    from mrl_cli.api.frames import Columns
    from mrl_cli.api.settings import Frame, PageSettings
    from mrl_cli.reports.page import Page


class ReportPage:
    """A report page, whose text is `html`; a notebook shows it in a frame of its own."""

    def __init__(self, html: str) -> None:
        self.html = html

    def __repr__(self) -> str:
        return f"<ReportPage of {bytes_text(len(self.html.encode()))}: save(path) writes it>"

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self.html)}" width="100%" height="640"></iframe>'

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, whole or not at all; its name ends in .html, in .htm or in no suffix.

        Raises ValueError for another suffix, and OSError where the file cannot be written.
        """
        suffix = os.path.splitext(path)[1]
        if suffix.lower() not in PAGE_SUFFIXES:
            raise ValueError(f"save({os.fspath(path)!r}): a page is HTML: end the name in .html")
        with value_errors():  # for a URL that names no object
            try:
                with whole_file(os.fspath(path)) as file:
                    file.write(self.html.encode())
            except MachineError as error:
                raise OSError(with_hint(error.message, error.hint)) from error


def report(
    frame: Frame,
    *,
    title: str | None = None,
    worst: int = 20,
    x1_b: Hashable | None = None,
    x2_b: Hashable | None = None,
    difference_b: Hashable | None = None,
    **settings: Unpack[PageSettings],
) -> ReportPage:
    """Return the page of `mrl report` for the pairs in a frame, as `evaluate` takes it.

    Where an argument of `evaluate_lists` alone is given, such as query, it is the page of ranked lists, with `settings`
    its arguments but per_query, and `worst` so many queries of the greatest mean losses.

    `settings` are the arguments of `evaluate` but calibration, which the page shows wherever labels say which score is
    better; `title` is what is found where it is not given; `worst` is how many pairs of the greatest losses are shown,
    at most 1,000, with the row's other columns. `x1_b` and `x2_b`, or `difference_b`, name the scores of a second
    model, b. Intervals are of confidence 0.95 where none is given, and left out under weights.

    The result has the page as text, `html`, and `save(path)` writes it. Needs the extra `report`, else an ImportError.
    Raises ValueError for what `mrl report` refuses, as `evaluate` does. The frame is not changed.

    >>> page = report({"x1": [0.5, 1.0], "x2": [0.25, 2.0], "y": [1, 1]}, margin=0.5)
    >>> "50.0% of 2 pairs are ranked right; mean loss 0.875" in page.html
    True
    """
    if find_spec("jinja2") is None:
        raise ImportError(f"report needs the package jinja2: {how_to_install('report')}")
    worst = whole_number("worst", worst, MOST_WORST)
    for name, shown in (("calibration", "it wherever there is one"), ("per_query", "the worst queries")):
        if name in settings:
            raise TypeError(f"report() has no argument {name}: the page shows {shown}")
    of_b = {"x1_b": x1_b, "x2_b": x2_b, "difference_b": difference_b}
    written = {"title": title, "worst": None if worst == 20 else worst} | of_b
    command = _call({name: value for name, value in written.items() if value is not None} | dict(settings))
    make = _page_of_lists if settings.keys() & _OF_LISTS else _page_of_pairs
    page = make(frame, dict(settings), of_b, worst, {"title": title, "command": command})

    from mrl_cli.render.page import page_html

    return ReportPage(page_html(page))


_OF_LISTS = signature(evaluate_lists).parameters.keys() - signature(evaluate).parameters.keys()


def _page_of_lists(frame: Any, settings: dict[str, Any], of_b: dict[str, Any], worst: int, how: dict[str, Any]) -> Page:
    if of_scores := [name for name, column in of_b.items() if column is not None]:
        raise ValueError(f"{of_scores[0]} names scores of pairs, and a list has one score: leave it out")
    lists = lists_of(arguments_for(frame, settings, evaluate_lists))
    lists.plan = with_intervals(lists.plan)
    keeps_clusters = lists.plan.reporting.confidence is not None
    folded, found, notes = lists.ranked(lambda: PageQueriesConsumer(lists.plan, worst, keeps_clusters=keeps_clusters))
    whole = rank_report(folded.counts, found, lists.plan, inputs=lists.names, look=folded.wholes[0], cautions=notes)
    return list_page_of(whole, found, lists.plan, **how)


def _page_of_pairs(frame: Any, settings: dict[str, Any], of_b: dict[str, Any], worst: int, how: dict[str, Any]) -> Page:
    has_models = any(name is not None for name in of_b.values())
    arguments = arguments_for(frame, settings)
    scores: Columns = {"x1_b": of_b["x1_b"], "x2_b": of_b["x2_b"]}
    further = scores_of_b(arguments["difference"], scores, of_b["difference_b"]) if has_models else None
    columns, plan = planned(arguments, further, frame=(frame := as_frame(frame)))
    with value_errors(evaluate):
        plan = page_plan(plan, worst, has_models=has_models)
    reductions, others = page_reductions(plan, worst, has_models=has_models)
    folded, source = folded_frame(frame, columns, plan, *reductions, *others)
    with value_errors(evaluate):
        cautions = cautions_of(source.stream.frame, plan)
        whole = report_of(folded, plan, inputs=[PLACE], cautions=cautions)
    pairs = list(records_of(folded.wholes[3], plan, names_files=False)) if worst else []
    models = None
    if has_models:
        sides = plan.columns.scores_in_words, plan.columns.of_b().scores_in_words
        models = models_of(folded.wholes[-1], folded.counts, plan, sides)
    return page_of(whole, folded.wholes[2], plan, worst=pairs, models=models, **how)


def _call(settings: Mapping[str, Any]) -> str:
    """Return a call that makes the page again."""
    given = "".join(f", {name}={value!r}" for name, value in settings.items())
    return f'mrl_cli.report(frame{given}).save("report.html")'
