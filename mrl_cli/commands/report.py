"""`mrl report`: one page with the pictures, which needs nothing else."""

from __future__ import annotations

import sys
from abc import abstractmethod
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from mrl_cli.commands import outputs
from mrl_cli.commands.compute import Compute
from mrl_cli.commands.helping import INPUT, OUTPUT
from mrl_cli.commands.kinds import RunOnLists, RunOnPairs, command_of
from mrl_cli.commands.models import TwoModels
from mrl_cli.commands.options import Options, flag, option, refuse_if, varied
from mrl_cli.commands.planning import plan_of_options
from mrl_cli.commands.rank import Rank
from mrl_cli.commands.run import Run
from mrl_cli.errors import UsageError
from mrl_cli.model import MOST_WORST
from mrl_cli.words import PAGE_SUFFIXES, harmless, how_to_install, number_text, shell_line, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mrl_cli.engines.base import Folded
    from mrl_cli.inputs import Source
    from mrl_cli.model import Plan, ReductionName
    from mrl_cli.reports.base import Report
    from mrl_cli.reports.page import Models, Page

# What is no part of the command that makes a page again: what the page does not depend on, or its own name.
_NOT_REPEATED = {"inputs", "output", "open", "jobs", "engine", "scheduler", "progress", "quiet", "verbose", "config"}
_FILES = ("compare", "scores", "group_sizes", "qrels")


class Paged(Run):
    """A run that writes a page."""

    format: str = "html"
    reduction: ReductionName = varied(
        Options.reduction,
        "What the first figure is; of lists also the mean over queries of their means.",
        choices=("mean", "sum", "query-mean"),
    )
    worst: int = option(
        "Show this many pairs, or queries, of the greatest losses.",
        group=OUTPUT,
        type=click.IntRange(min=0, max=MOST_WORST),
        default=20,
        metavar="COUNT",
    )
    title: str | None = option("Title of the page.", group=OUTPUT, metavar="TEXT", shown="the finding")
    open: bool = flag("Open the page in a browser once it is written.", group=OUTPUT)
    output: str | None = varied(Options.output, metavar="FILE.html")

    def check(self) -> None:
        """Raise UsageError for an output that is no page, and where jinja2 is missing."""
        super().check()
        suffix, hint = outputs.suffix_of(self.output), "write it to a file, such as -o report.html"
        refuse_if(suffix not in PAGE_SUFFIXES, f"-o {harmless(self.output, 200)}: mrl report writes .html", hint)
        is_file = self.output is not None and self.output != "-" and "://" not in self.output
        refuse_if(self.open and not is_file, "--open goes with a file", hint)
        refuse_if(self.output is None and sys.stdout.isatty(), "a page is not for a terminal", hint)
        has_none = self.title is not None and not self.title.strip()
        refuse_if(has_none, "--title is empty", "leave it out for a title that says what is found")
        if find_spec("jinja2") is None:
            raise UsageError("mrl report needs the package jinja2", hint=how_to_install("report"))

    def rendered(self, report: Any) -> Iterable[str]:
        """Return the page."""
        from mrl_cli.render.page import page_html

        return [page_html(self.page(report))]

    def prepare_to_show(self) -> None:
        """Compile the template of pages."""
        from mrl_cli.render.page import template

        template()

    @abstractmethod
    def page(self, report: Any) -> Page:
        """Return what the page shows."""

    def exit_code(self) -> int:
        """Carry out the run; return its exit code. Open the page where that is asked for."""
        code = super().exit_code()
        if self.open:
            import os
            import webbrowser
            from urllib.request import pathname2url

            webbrowser.open(f"file://{pathname2url(os.path.abspath(self.output or ''))}")
        return code

    def command_line(self) -> str:
        """Return a command that makes the page again."""
        context = click.get_current_context()
        words = ["mrl", self.name, *map(without_secrets, self.inputs)]
        for parameter in context.command.params:
            name = parameter.name or ""
            source = context.get_parameter_source(name)
            given = context.params.get(name)
            has_effect = source not in (None, click.core.ParameterSource.DEFAULT) and given == getattr(self, name)
            if name in _NOT_REPEATED or not has_effect:
                continue
            if name == "label_map":
                given = self.plan.rules.label_map_text
            words += _spelled(parameter, without_secrets(str(given)) if name in _FILES else given)
        return shell_line([*words, "-o", "report.html"])


class PageReport(Paged, RunOnPairs, TwoModels, Compute):
    """Write one HTML page on the pairs in INPUT files: pictures, groups and the worst pairs, with the tables behind.

    The page is one file that loads nothing: it opens anywhere, in light and dark, without network and without script.
    INPUT is what `mrl compute` reads, or, where an option of ranked lists is given such as --query, what `mrl rank`
    reads. A second model, b, is set against the one in INPUT where --x1-b and --x2-b name its scores, or --compare a
    file with the same pairs.
    """

    loss: str = Rank.loss
    param: tuple[tuple[str, Any], ...] = Rank.param
    compare: str | None = option(
        "Read the scores of a second model, b, from this file; --key or --by-row matches its pairs.",
        group=INPUT,
        metavar="B",
        is_common=True,
    )

    name = "report"
    examples = (
        "mrl report pairs.csv --margin 0.5 -o report.html",
        "mrl report rewards.jsonl --x1 chosen_score --x2 rejected_score --y-const 1 --group-by subset -o report.html",
        "mrl report lists.csv --query query --group-by topic -o report.html",
    )
    names = "output worst title open MARGIN KERNEL weight reduction group_by by_file"
    names += " compare x1_b x2_b difference_b key by_row unmatched PRESET READING SCORES ENGINE"
    names += " confidence cluster fail_if validate NOTES"

    in_two, two_example = "--compare B", "mrl report a.csv --compare b.csv --key COLUMN"

    @property
    def has_two_inputs(self) -> bool:
        """Whether b's scores are in an input of their own."""
        return self.compare is not None

    @property
    def has_models(self) -> bool:
        """Whether there is a second model."""
        of_b = (self.compare, self.x1_b, self.x2_b, self.difference_b)
        return any(name is not None for name in of_b)

    def prepare_to_show(self) -> None:
        """Load what pages on pairs are made of, and compile the template."""
        from mrl_cli.inputs import lookup  # noqa: F401 (the import is all)
        from mrl_cli.reports import pictures

        pictures.prepare()
        super().prepare_to_show()

    def planned(self) -> Plan:
        """Return the plan that the options say, with intervals and calibration where there can be some."""
        plan = super().planned()
        from mrl_cli.reports.pagepass import page_plan

        plan = plan_of_options(self, self.columns_of_b()) if self.has_models else plan
        plan = page_plan(plan, self.worst, has_models=self.has_models)
        return plan.changed(is_drawn=False) if self.fail_if else plan  # which may ask for any figure

    def check(self) -> None:
        """Raise UsageError for options that only make sense together."""
        super().check()
        if self.has_two_inputs:
            self.check_matching()
            message = "--rejects and --compare exclude each other: both files would be written to it"
            refuse_if(self.rejects is not None, message)
        elif not self.has_models:
            self.refuse_matching()

    def resolved(self) -> list[tuple[Source, ...]]:
        """Return the sources of a, and those of b where they are others."""
        return [*super().resolved(), *([] if self.compare is None else [self.sources_named([self.compare])])]

    def report(self) -> Any:
        """Return the report on all pairs; the page is made of it."""
        from mrl_cli.reports.pagepass import page_reductions

        if len(self.inputs) == 2 and not (self.by_file or self.has_models):
            self.cautions.append("both inputs are read as one; if the second is another model's, --compare it")
        is_in_one = self.has_models and not self.has_two_inputs
        reductions, further = page_reductions(self.plan, self.worst, has_models=is_in_one)
        folded, report = self.folded_report(reductions, *further)
        wholes = folded.wholes[len(folded.wholes) - len(self.reject_writers) - len(further) :]
        self._histogram, self._pairs = folded.wholes[2], wholes[0] if self.worst else []
        self._models = self._models_of(folded, next(iter(wholes[1 if self.worst else 0 :]), None))
        return report

    def _models_of(self, folded: Folded, whole: Any) -> Models | None:
        """Return what the page shows of two models, in one input or in two; None where there is one."""
        if not self.has_models:
            return None
        from mrl_cli.reductions.joint import ModelsReduction
        from mrl_cli.reports.joint import models_of

        counts, unmatched = folded.counts, (0, 0)
        if self.has_two_inputs:
            from mrl_cli.commands.sides import contrasted

            whole, counts, unmatched, _ = contrasted(self, ModelsReduction(self.plan))
        return models_of(whole, counts, self.plan, self.side_names, unmatched)

    def page(self, report: Report) -> Page:
        """Return what the page shows of pairs."""
        from mrl_cli.inputs.lookup import records_of
        from mrl_cli.reports.page import page_of

        worst = list(records_of(self._pairs, self.plan, names_files=len(self.sides[0]) > 1))
        how: dict[str, Any] = {"title": self.title, "command": self.command_line(), "models": self._models}
        return page_of(report, self._histogram, self.plan, worst=worst, **how)


class ListPage(Paged, RunOnLists):
    """Write one HTML page on ranked lists."""

    name = PageReport.name
    names = "output worst title open ITEMS margin loss param reduction lambda_weight top max_pairs weight query_weight"
    names += " CELLS group_by by_file memory ENGINE confidence fail_if NOTES"

    def planned(self) -> Plan:
        """Return the plan that the options say, with intervals where there can be some."""
        from mrl_cli.reports.pagepass import with_intervals

        return with_intervals(super().planned())

    def report(self) -> Any:
        """Return the report on all lists; the page is made of it."""
        from mrl_cli.reductions.pagequeries import PageQueriesConsumer

        keeps_clusters = self.plan.reporting.confidence is not None
        ranked = self.ranked(lambda: PageQueriesConsumer(self.plan, self.worst, keeps_clusters=keeps_clusters))
        self._found = ranked.result
        return self.report_of(ranked)

    def page(self, report: Report) -> Page:
        """Return what the page shows of lists."""
        from mrl_cli.reports.listpage import list_page_of

        return list_page_of(report, self._found, self.plan, title=self.title, command=self.command_line())


def _spelled(parameter: click.Parameter, given: Any) -> Iterator[str]:
    """Yield an option as it is written on a command line."""
    long = max(parameter.opts, key=len)
    if isinstance(parameter, click.Option) and parameter.is_flag:
        yield from [long] if given else []
        return
    for value in given if parameter.multiple else [given]:
        yield from (long, _word(value))


def _word(value: Any) -> str:
    return "=".join(map(_word, value)) if isinstance(value, tuple) else number_text(value)


command = command_of(PageReport, ListPage)
