"""`mrl pairs`: the pairs that ranked lists imply, written out as x1, x2, y."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.commands.helping import OUTPUT
from mrl_cli.commands.options import count
from mrl_cli.commands.outputs import refuse_no_rows
from mrl_cli.commands.ranked import Ranked, RankedRun
from mrl_cli.words import counted

if TYPE_CHECKING:
    from mrl_cli.reports.base import Figures


class WritePairs(RankedRun):
    """Write the pairs that the ranked lists in INPUT files imply, as `mrl compute` reads them.

    A pair are two items of one query with different labels: x1 is the score of the one with the higher label, x2 that
    of the other, and y is 1. INPUT is what `mrl rank` reads. It is read twice: first to count the pairs.
    """

    sample: int | None = count(
        "Write N pairs, drawn at random without replacement from all of them.", group=OUTPUT, is_common=True
    )
    seed: int = count(
        "Seed that draws the pairs of --sample.", "S", group=OUTPUT, least=0, default=0, goes_with="sample"
    )

    name = "pairs"
    examples = (
        "mrl pairs lists.csv -o out.csv",
        "mrl pairs lists.csv --sample 5 --seed 1",
        "mrl pairs lists.csv -o out.parquet",
    )
    names = "ITEMS weight query_weight sample seed CELLS memory ENGINE format output color NOTES"

    @property
    def writes_rows(self) -> bool:
        """Whether the output is rows: always."""
        return True

    def check(self) -> None:
        """Raise UsageError for a format that pairs are not written in."""
        self.check_items()
        refuse_no_rows(self.written, "pairs are written one a line")

    def check_result(self, ranked: Ranked) -> None:
        """Raise DataError where no list has a pair."""
        from mrl_cli.reports.rank import refuse_no_pairs

        refuse_no_pairs(_totals(ranked), ranked.look, self.plan)

    def report(self) -> Figures:
        """Count the pairs, then write them; return what was counted."""
        from mrl_cli.reductions.listpairs import PairCountConsumer, PairsConsumer
        from mrl_cli.reductions.rows import TableWriter, writer_for
        from mrl_cli.reports.base import Figures

        ranked = self.ranked(PairCountConsumer)
        totals, sample = _totals(ranked), None
        if self.sample is not None:
            from mrl_cli.statistics.sampling import sample_of

            sample = sample_of(totals["pairs"], self.sample, self.seed)
        writer = TableWriter(writer_for(self.written, self.out, bare=False), "the result")
        self.again(PairsConsumer(writer, sample))
        writer.close()
        written = totals["pairs"] if sample is None else sample.size
        counts = {**totals, "rejected": ranked.counts.rejected, "written": written}
        return Figures.of_run("mrl.pairs/1", self.input_names, **counts)

    def notes(self, report: Figures) -> list[str]:
        """Return notes on what was read, and on a sample of all pairs."""
        notes = super().notes(report)
        if self.sample is not None and report.written < self.sample:
            notes.append(f"there are no more than {counted(report.written, 'pair')}: all of them are written")
        return notes

    def summary(self, report: Figures) -> str:
        """Return how much was read and written, and how quickly."""
        return (
            f"{counted(report.written, 'pair')} of {counted(report.pairs, 'pair')}, of "
            f"{counted(report.figure('rows'), 'row')} in {counted(report.queries, 'query', 'queries')}, written in "
            f"{self.seconds:.3f} s, {self.workers}"
        )


def _totals(ranked: Ranked) -> dict[str, int]:
    names = ("rows", "queries", "pairs")
    return {name: sum(getattr(counts, name) for counts in ranked.result) for name in names}


command = WritePairs.command()
