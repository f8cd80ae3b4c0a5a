"""What commands on ranked lists share: their columns, and how the rows of their inputs become whole lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli import runtime
from mrl_cli.commands.helping import RUNNING
from mrl_cli.commands.listoptions import ListOptions
from mrl_cli.commands.options import option
from mrl_cli.commands.run import Run
from mrl_cli.commands.values import size
from mrl_cli.errors import DataError
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts, Plan
    from mrl_cli.reductions.base import Reduction
    from mrl_cli.reductions.lists import ListConsumer
    from mrl_cli.reductions.look import Look
    from mrl_cli.reductions.rows import TableWriter

COPIED_BYTES = 1 << 20


class Ranked(NamedTuple):
    """What a run on lists comes to: counts of rows, a look at the data, and the result of a consumer."""

    counts: Counts
    look: Look
    result: Any
    sections: list[dict[str, Any]] | None = None


class RankedRun(ListOptions, Run):
    """A run on ranked lists, a row of which is an item, or all of them."""

    example = "lists.csv"

    memory: int | None = option(
        "Memory for rows that are held, such as 500MB or 4GB: those of one query at a time, or all where those of a "
        "query stand apart.",
        group=RUNNING,
        shown="half of the machine's",
        type=size,
        metavar="SIZE",
    )

    _way: Any = None

    def check(self) -> None:
        """Raise UsageError for options that exclude each other."""
        super().check()
        self.check_items()

    def settle(self) -> None:
        """Complete the plan with what options and a preset say of the columns, and with how lists stand in rows."""
        self.plan, self.sides[0] = self.settled(self.plan, self.sources)

    @property
    def may_skip(self) -> bool:
        """Whether bad rows could be left out: not where others are counted by their place."""
        return self.scores is None and self.group_sizes is None

    def planned(self) -> Plan:
        """Return the plan that the options say."""
        memory = self.memory if self.memory is not None else runtime.memory_bytes() // 2
        from mrl_cli.reductions.lists import of_lists

        return of_lists(super().planned()).changed(memory_bytes=memory, unjudged=self.unjudged)

    def resolved(self) -> list[tuple[Source, ...]]:
        """Return the sources; what can be read only once becomes a file, for lists may have to be read again."""
        from mrl_cli.inputs import spooled

        return [tuple(spooled(source) for source in self.sources_named(self.inputs))]

    def ranked_rows(self, made: Callable[[TableWriter], ListConsumer[Any, Any]]) -> Ranked:
        """Hand whole lists to a consumer that writes rows, which is made with their writer.

        They go to a temporary file first: that lists cannot be whole in one pass shows when some were written.
        """
        import shutil
        import tempfile

        from mrl_cli.reductions.rows import TableWriter, writer_for

        with tempfile.TemporaryFile(prefix="mrl-") as held:

            def anew() -> ListConsumer[Any, Any]:
                held.seek(0)
                held.truncate()
                self._writer = TableWriter(writer_for(self.written, held, bare=False), "the result")
                return made(self._writer)

            ranked = self.ranked(anew)
            self._writer.close()
            held.seek(0)
            shutil.copyfileobj(held, self.out, COPIED_BYTES)
        return ranked

    def again(self, consumer: ListConsumer[Any, Any], *, shows_progress: bool = True) -> None:
        """Hand whole lists to a consumer once more, in the way in which they could be made whole."""
        reduction = self._way(self.plan, consumer)
        (whole,) = self.fold([reduction], shows_progress=shows_progress).wholes
        reduction.settled(whole)

    def ranked(self, made: Callable[[], ListConsumer[Any, Any]]) -> Ranked:
        """Hand whole lists to a consumer: one after the other, or all rows gathered where those of a list stand apart.

        Raises DataError for what allows no number.
        """
        ranked = self._ranked(made)
        try:
            self.check_result(ranked)
        except DataError as error:
            self.keep_rejects()
            from mrl_cli.reports.refusals import beside_left_out

            raise beside_left_out(error, *self.symptoms(ranked.counts, ranked.look)) from None
        return ranked

    def check_result(self, ranked: Ranked) -> None:
        """Raise DataError for a result that allows no number."""

    def _ranked(self, made: Callable[[], ListConsumer[Any, Any]]) -> Ranked:
        from mrl_cli.reductions.gathered import GatherReduction, folded_either_way, gathered_note

        def start_over() -> None:
            for writer in self.reject_writers:
                writer.restart()

        def look_again(reduction: Reduction[Any, Any]) -> None:
            self.fold([reduction], shows_progress=False)

        ranked: Ranked
        ranked, self._way = folded_either_way(self.plan, made, self._folded_lists, look_again, start_over)
        if self._way is GatherReduction:
            self.cautions.append(gathered_note(ranked.counts.pairs, self.plan))
        return ranked

    def refuse(self, counts: Counts, look: Look, sources: Sequence[Source] | None = None) -> None:
        """Raise DataError as every run, and where none of the documents is judged."""
        has_unjudged = counts.missing + counts.missing_as_zero > 0
        if has_unjudged and counts.pairs == counts.missing_as_zero and not counts.problems:
            from mrl_cli.reductions.documents import UnjudgedReduction, refuse_unjudged

            plan = self.plan.changed(missing="zero")  # under which they are handed on
            (first_of,) = self.fold([UnjudgedReduction()], plan=plan, shows_progress=False).wholes
            qrels = next(source.beside.qrels for source in self.sources if source.beside is not None)
            refuse_unjudged(counts.missing + counts.missing_as_zero, first_of, qrels.name, next(iter(qrels.places)))
        super().refuse(counts, look, sources)

    def _folded_lists(self, reduction: Any) -> Ranked:
        from mrl_cli.reductions.benchmarks import BENCHMARKS
        from mrl_cli.reductions.repeats import notes_in, repeats_of
        from mrl_cli.reports.benchmarks import benchmark_sections

        benchmark = self.plan.benchmark
        further: list[Reduction[Any, Any]] = [] if benchmark is None else [BENCHMARKS[benchmark]()]
        further += repeats_of(self.plan)
        beside = next((source.beside for source in self.sources), None)
        if beside is not None and beside.qrels is not None:
            from mrl_cli.reductions.documents import DocumentsReduction

            may_be_runs = len(self.sources) > 1 and not self.by_file
            further.append(DocumentsReduction(self.plan, beside.qrels.places, may_be_runs=may_be_runs))
        folded = self.measured(reduction, *further)
        if beside is not None:
            from mrl_cli.commands.beside import check_rows

            check_rows(self.sources, folded.rows_of)
        look, whole, *others = folded.wholes
        self.cautions += notes_in(others)
        sections = None if benchmark is None else benchmark_sections(others[0])
        return Ranked(folded.counts, look, reduction.settled(whole), sections)
