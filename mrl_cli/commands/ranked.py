"""What commands on ranked lists share: their columns, and how the rows of their inputs become whole lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from mrl_cli import runtime
from mrl_cli.commands.options import column, option, size
from mrl_cli.commands.run import Run
from mrl_cli.errors import QueryWeightError, ScatteredListsError
from mrl_cli.model import ListLabels
from mrl_cli.words import bytes_text, counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts, Plan, Role
    from mrl_cli.reductions.lists import ListConsumer
    from mrl_cli.reductions.look import Look
    from mrl_cli.reductions.rows import TableWriter

COPIED_BYTES = 1 << 20


class Ranked(NamedTuple):
    """What a run on lists comes to: counts of rows, a look at the data, and the result of a consumer."""

    counts: Counts
    look: Look
    result: Any


class RankedRun(Run):
    """A run on ranked lists, a row of which is an item, or all of them."""

    query: str | None = column("Column of the query: the rows with one value are a list.  [default: query]")
    label: str | None = column("Column of the label.  [default: label]")
    score: str | None = column("Column of the score.  [default: score]")
    weight: str | None = column("Column of a weight for each item: of the pairs in which its label is the higher one.")
    query_weight: str | None = column("Column of a weight for each query, the same in all of its rows.")
    labels: Any = option("relevance: the higher, the better. rank: 1 is the best.", choices=get_args(ListLabels))
    memory: int | None = option(
        "What rows may take that are held: those of one query at a time, or all where those of a query stand apart. "
        "Such as 500MB or 4GB.  [default: half of the machine's memory]",
        type=size,
        metavar="SIZE",
    )

    _way: Any = None

    def columns(self) -> dict[Role, str | None]:
        """Return the name of the column of each role."""
        query, label, score = ("1", "2", "3") if self.no_header else ("query", "label", "score")
        others = super().columns()
        return {
            "y": self.label or label,
            "score": self.score or score,
            "query": self.query or query,
            "weight": self.weight,
            "query_weight": self.query_weight,
            **{role: name for role, name in others.items() if role.startswith("group")},
        }

    def planned(self) -> Plan:
        """Return the plan that the options say."""
        memory = self.memory if self.memory is not None else runtime.memory_bytes() // 2
        from mrl_cli.reductions.lists import of_lists

        return of_lists(super().planned()).changed(memory_bytes=memory)

    def resolved(self) -> list[tuple[Source, ...]]:
        """Return the sources; what can be read only once becomes a file, for lists may have to be read again."""
        from mrl_cli.inputs import spooled

        return [tuple(spooled(source) for source in self.sources_named(self.inputs))]

    def rows_used(self, report: Any) -> int:
        """Return how many rows were used, by this report."""
        return int(report.figure("rows"))

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
        self.check_result(ranked)
        return ranked

    def check_result(self, ranked: Ranked) -> None:
        """Raise DataError for a result that allows no number."""

    def _ranked(self, made: Callable[[], ListConsumer[Any, Any]]) -> Ranked:
        from mrl_cli.reductions.gathered import GatherReduction
        from mrl_cli.reductions.lists import ListsReduction

        try:
            try:
                self._way = ListsReduction
                return self._folded_lists(ListsReduction(self.plan, made()))
            except ScatteredListsError:
                for writer in self.reject_writers:
                    writer.restart()
                self._way = GatherReduction
                ranked = self._folded_lists(GatherReduction(self.plan, made()))
        except QueryWeightError:
            self._refuse_query_weight()
            raise
        from mrl_cli.reductions.lists import needed_bytes

        held = bytes_text(needed_bytes(ranked.counts.pairs, self.plan))
        self.cautions.append(
            f"rows of one query stand apart: all {counted(ranked.counts.pairs, 'row')} were held, in about {held}"
        )
        return ranked

    def _folded_lists(self, reduction: Any) -> Ranked:
        folded = self.measured(reduction)
        look, whole, *_ = folded.wholes
        return Ranked(folded.counts, look, reduction.settled(whole))

    def _refuse_query_weight(self) -> None:
        """Raise DataError that names the row whose query has another weight in a row before."""
        from mrl_cli.reductions.queryweights import QueryWeightReduction

        self.fold([QueryWeightReduction()], shows_progress=False)
