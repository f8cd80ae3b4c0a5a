"""What commands on ranked lists share: their columns, and how the rows of their inputs become whole lists."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from mrl_cli import runtime
from mrl_cli.commands.options import Registered, column, number, option, refuse_if, size
from mrl_cli.commands.run import Run
from mrl_cli.model import ListLabels, Missing
from mrl_cli.words import option_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts, Plan, Role
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


PRESET_NAMES = ("rewardbench2", "rmbench", "nectar", "ultrafeedback", "imagereward")  # a test holds it to the registry


def unjudged_label(text: str) -> float | str:
    """Return the label of items that are not judged: negative for any below 0, or a number."""
    return text if text == "negative" else number(text, expected="negative, or a finite number")


class RankedRun(Run):
    """A run on ranked lists, a row of which is an item, or all of them."""

    query: str | None = column("Column of the query: the rows with one value are a list.  [default: query]")
    label: str | None = column("Column of the label.  [default: label]")
    score: str | None = column("Column of the score.  [default: score]")
    weight: str | None = column("Column of a weight for each item: of the pairs in which its label is the higher one.")
    query_weight: str | None = column("Column of a weight for each query, the same in all of its rows.")
    labels: Any = option(
        "relevance: the higher, the better. rank: 1 is the best.  [default: relevance, or as the preset has it]",
        choices=get_args(ListLabels),
        default=None,
    )
    chosen: str | None = column("Column of the scores of chosen answers, in place of --label and --score.")
    rejected: str | None = column("The same for rejected ones: every chosen one should be above every rejected one.")
    num_correct: str | None = column("Column that says how many of the scores, the first ones, are right.")
    unjudged: Any = option(
        "Leave out and count items whose label says that there is none: negative, for any below 0, or a number.",
        type=unjudged_label,
        metavar="negative|VALUE",
    )
    scores: str | None = option("A file with a score for each row, in their order. Held in memory.", metavar="FILE")
    score_column: str | None = column("Which column of --scores.  [default: the only one, else score]")
    group_sizes: str | None = option(
        "A file with the number of rows of each query, as LightGBM's .query. Held in memory.", metavar="FILE"
    )
    qrels: str | None = option(
        "Judgments of TREC, the labels of documents: query, 0, document and relevance. Held in memory.", metavar="FILE"
    )
    doc: str | None = column("Column of the document, for --qrels.  [default: doc]")
    missing: Any = option("What a document without a judgment is.", choices=get_args(Missing))
    preset: str | None = option(
        f"Columns as a known producer writes them: {', '.join(PRESET_NAMES)}. Other options win over it.",
        type=Registered("mrl_cli.inputs.presets", "LIST_PRESETS"),
        metavar="NAME",
    )
    memory: int | None = option(
        "What rows may take that are held: those of one query at a time, or all where those of a query stand apart. "
        "Such as 500MB or 4GB.  [default: half of the machine's memory]",
        type=size,
        metavar="SIZE",
    )

    _way: Any = None

    def without_effect(self) -> Iterator[tuple[str, object, str]]:
        """Yield as every run, and what has no effect without another option."""
        yield from super().without_effect()
        yield "missing", self.qrels is None, "--missing goes with --qrels"
        yield "doc", self.qrels is None, "--doc goes with --qrels"

    def check(self) -> None:
        """Raise UsageError for options that exclude each other."""
        super().check()
        pairs = [("label", "qrels"), ("score", "scores"), ("query", "group_sizes")]
        pairs += [(name, other) for name in ("chosen", "num_correct") for other in ("label", "labels", "unjudged")]
        pairs += [("chosen", other) for other in ("score", "num_correct")]
        pairs += [(name, o) for name in ("chosen", "num_correct") for o in ("qrels", "scores", "group_sizes")]
        for first, second in pairs:
            both = getattr(self, first) is not None and getattr(self, second) is not None
            refuse_if(both, f"{option_of(first)} and {option_of(second)} exclude each other")
        one = "chosen" if self.chosen is not None else "rejected"
        refuse_if(
            (self.chosen is None) != (self.rejected is None),
            f"--chosen and --rejected go together: only --{one} is given",
        )

    def settle(self) -> None:
        """Complete the plan with what options and a preset say of the columns, and with how lists stand in rows."""
        from mrl_cli.inputs.layouts import with_layout, with_list_preset
        from mrl_cli.inputs.presets import LIST_PRESETS

        columns = self.plan.columns
        others = tuple((role, name) for role, name in columns.numbers if role != "score")
        if self.chosen is not None and self.rejected is not None:
            sides: tuple[tuple[Role, str], ...] = (("chosen", self.chosen), ("rejected", self.rejected))
            self.plan = self.plan.changed(columns=replace(columns, y=None, numbers=(*sides, *others)))
        elif self.num_correct is not None:
            numbers: tuple[tuple[Role, str], ...] = (*columns.numbers, ("num_correct", self.num_correct))
            self.plan = self.plan.changed(columns=replace(columns, y=None, numbers=numbers))
        if self.preset is not None:
            preset = LIST_PRESETS[self.preset]
            given: dict[Role, str] = {
                role: name
                for role, name in self.columns().items()
                if getattr(self, "label" if role == "y" else role, None) is not None and name is not None
            }
            is_grouped = bool(self.group_by) or self.by_file
            self.plan = with_list_preset(self.plan, preset, self.sources, given, is_grouped=is_grouped)
            if self.labels is None:
                self.plan = self.plan.changed(labels=preset.labels)
        if self.scores or self.group_sizes or self.qrels:
            from mrl_cli.commands.beside import with_files_beside  # few runs have some

            names = ("scores", "score_column", "group_sizes", "qrels", "missing")
            files = {name: getattr(self, name) for name in names}
            self.plan, self.sides[0] = with_files_beside(self.plan, self.sources, doc=self.doc or "doc", **files)
        self.plan = with_layout(self.plan, self.sources, is_query_named=self.query is not None)

    @property
    def may_skip(self) -> bool:
        """Whether bad rows could be left out: not where others are counted by their place."""
        return self.scores is None and self.group_sizes is None

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

        return of_lists(super().planned()).changed(memory_bytes=memory, unjudged=self.unjudged)

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

    def _folded_lists(self, reduction: Any) -> Ranked:
        from mrl_cli.reductions.benchmarks import BENCHMARKS
        from mrl_cli.reports.benchmarks import benchmark_sections

        benchmark = self.plan.benchmark
        further: list[Reduction[Any, Any]] = [] if benchmark is None else [BENCHMARKS[benchmark]()]
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
        sections = None if benchmark is None else benchmark_sections(others[0])
        return Ranked(folded.counts, look, reduction.settled(whole), sections)
