"""`mrl rank`: the loss of ranked lists: over every pair that they imply, and per query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from mrl_cli.commands.helping import GROUPED, LOSS
from mrl_cli.commands.options import Options, count, flag, option, refuse_if, varied
from mrl_cli.commands.outputs import refuse_no_rows
from mrl_cli.commands.ranked import Ranked, RankedRun
from mrl_cli.commands.values import LossName, assigned_word
from mrl_cli.model import LambdaWeight, Plan, ReductionName
from mrl_cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.reductions.queries import Queries
    from mrl_cli.reports.plots import Plot
    from mrl_cli.reports.rank import RankReport


class Rank(RankedRun):
    """Compute the loss of the ranked lists in INPUT files, over every pair that they imply.

    A list is the rows of one query, each an item with a label and a score. Its pairs are all two items with different
    labels: the one with the higher label should have the higher score. INPUT is what `mrl compute` reads, and LETOR or
    runs of TREC. Cells may be lists: a row of those is a list. Rows of one query should stand together: then memory is
    that of the longest list.
    """

    loss: str = varied(
        Options.loss,
        "Loss to compute, of pairs or of whole lists; `mrl losses` lists them.",
        type=LossName("LOSSES", "LISTWISE"),
    )
    param: tuple[tuple[str, Any], ...] = varied(Options.param, type=assigned_word)
    reduction: ReductionName = varied(
        Options.reduction,
        "What the value is: the mean over all pairs, the mean over queries of their means, or the sum.",
        choices=("mean", "query-mean", "sum"),
    )
    lambda_weight: LambdaWeight = option(
        "Weigh pairs as LambdaRank does. label_diff: by the difference of the labels. ndcg: by what swapping the two "
        "items would change in the NDCG.",
        group=LOSS,
        choices=get_args(LambdaWeight),
    )
    top: int | None = count("Weigh by the NDCG of the first K places, under --lambda-weight ndcg.", "K", group=LOSS)
    max_pairs: int | None = count(
        "Refuse a list with more than N pairs, which approx_ndcg goes through one by one.", group=LOSS
    )
    per_query: bool = flag(
        "Print one row per query, with its counts, sum and mean, in place of the whole.", group=GROUPED, is_common=True
    )

    name = "rank"
    examples = (
        "mrl rank lists.csv --margin 0.5",
        "mrl rank lists.csv --loss softmax --reduction query-mean --group-by topic",
        "mrl rank lists.csv --lambda-weight ndcg --top 3 --per-query",
    )
    names = "ITEMS margin loss param reduction lambda_weight top max_pairs weight query_weight per_query CELLS"
    names += " group_by by_file memory ENGINE OUTPUT plot save_plot confidence raw fail_if NOTES"

    _queries: Queries

    def planned(self) -> Plan:
        """Return the plan that the options say; a bare number or a row for each query needs no description."""
        is_bare = self.per_query or (self.raw and not self.fail_if)
        return super().planned().changed(describes=not is_bare)

    def without_effect(self) -> Iterator[tuple[str, object, str]]:
        """Yield as every run, and what has no effect without --lambda-weight."""
        yield from super().without_effect()
        message = "--reduction goes with the value, not with one line per query"
        yield "reduction", self.per_query and not self.fail_if, message
        message = "--confidence goes with the whole, not with one line per query"
        yield "confidence", self.per_query, message
        yield "save_plot", self.per_query, "--save-plot goes with the whole, not with one line per query"
        if self.max_pairs is not None:
            from mrl_cli.settings import quadratic_losses

            message = f"--max-pairs goes with --loss {' or '.join(quadratic_losses())}"
            yield "max_pairs", self.loss not in quadratic_losses(), message
        yield "top", self.lambda_weight != "ndcg", "--top goes with --lambda-weight ndcg"

    def check(self) -> None:
        """Raise UsageError for options that only make sense together."""
        if not self.per_query:
            may_write_rows = "per_query" in self.option_names()
            hint = "add --per-query for a row of each query, or write the figures to a .json or .csv file"
            refuse_if(may_write_rows and self.written == "parquet", "Parquet output goes with --per-query", hint)
            super().check()
            return
        self.check_items()
        refuse_if(self.raw, "--raw prints one number, and --per-query a row for each query")
        refuse_no_rows(self.written, "--per-query writes one line a query")

    @property
    def writes_rows(self) -> bool:
        """Whether the output is rows, not a report."""
        return self.per_query

    def report(self) -> RankReport:
        """Return the report on all lists."""
        from mrl_cli.reductions.queries import QueriesConsumer, QueryRowsConsumer

        if self.per_query:
            ranked = self.ranked_rows(lambda writer: QueryRowsConsumer(self.plan, writer.write))
        else:
            ranked = self.ranked(
                lambda: QueriesConsumer(self.plan, keeps_clusters=self.confidence is not None or self.draws)
            )
        return self.report_of(ranked)

    def report_of(self, ranked: Ranked) -> RankReport:
        """Return the report on what lists come to."""
        from mrl_cli.reports.rank import rank_report

        self._queries = ranked.result
        settings: dict[str, Any] = {
            "inputs": self.input_names,
            "cautions": self.cautions,
            "sections": ranked.sections,
            "look": ranked.look,
        }
        return rank_report(ranked.counts, ranked.result, self.plan, **settings)

    def check_result(self, ranked: Ranked) -> None:
        """Raise DataError where no list has a pair."""
        from mrl_cli.reports.rank import refuse_undefined

        refuse_undefined(ranked.result, ranked.look, self.plan)

    def pictures(self, _report: Any) -> dict[str, Plot]:
        """Return the accuracy of queries."""
        from mrl_cli.reductions.pagequeries import Accuracies
        from mrl_cli.reports.pictures import of_queries

        return {"queries": of_queries(Accuracies.of_queries(self._queries))}

    def notes(self, report: RankReport) -> list[str]:
        """Return notes on what was read, and on the data."""
        return super().notes(report) + [note for note in report.notes or () if note not in self.cautions]

    def summary(self, report: RankReport) -> str:
        """Return how much was read, how quickly, and the result in full."""
        return (
            f"{counted(report.figure('rows'), 'row')}, {counted(report.queries, 'query', 'queries')} and "
            f"{counted(report.pairs, 'pair')} of {counted(len(report.inputs), 'input')} in "
            f"{self.seconds:.3f} s, {self.workers}; mean {report.mean!r}, sum {report.sum!r}"
        )


command = Rank.command()
