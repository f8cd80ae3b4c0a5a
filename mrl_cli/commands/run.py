"""The run of a command over pairs: what happens from its options to its exit code, written once."""

from __future__ import annotations

import gc
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import click

from mrl_cli import runtime
from mrl_cli.commands import outputs
from mrl_cli.commands.options import GROUPS, Options, declared, is_given, refuse_if
from mrl_cli.commands.parsing import WORDS, Command
from mrl_cli.commands.planning import plan_of_options
from mrl_cli.commands.saying import is_colored, say
from mrl_cli.errors import UsageError
from mrl_cli.words import counted, harmless, number_text, option_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mrl_cli.commands.conditions import Condition
    from mrl_cli.engines.base import Engine, Folded
    from mrl_cli.inputs import Source
    from mrl_cli.inputs.base import NoColumnError
    from mrl_cli.model import Counts, Plan, Role
    from mrl_cli.reductions.base import Reduction
    from mrl_cli.reductions.look import Look
    from mrl_cli.reductions.rows import RejectsReduction
    from mrl_cli.render.folder import PartsFolder
    from mrl_cli.render.terminal import Screen
    from mrl_cli.reports.base import Report
    from mrl_cli.reports.plots import Plot
    from mrl_cli.reports.symptoms import Symptoms


_DELIMITED = ("csv", "tsv")
_TYPED = {"parquet", "arrow"}
_TEXTS = (*_DELIMITED, "jsonl", "json", "letor", "trec")


class Run(Options, ABC):
    """One run: it opens what is read and written, folds reductions, refuses, renders, prints and gives the exit code.

    A command is a class with its options, reductions and report, and the help as its docstring: `names` are those of
    its options, and of GROUPS of options, in the order of the help, `metavar` and `examples` what else the help needs.
    `roles` are those of a preset's further columns that it has a use for; `needs_mean` says that the mean of no pairs
    is missed; `example` is what an INPUT may be called.

    While a run is open, `sides` are the sources of each model (one side but for two models in two inputs), `out` is
    where the result goes, in the format `written`, or the manifest of a `folder` of parts, and `picture` where that
    goes; `reject_writers` are the reductions that write problems down.
    `cautions` are notes that do not need the data.
    """

    name: ClassVar[str]
    names: ClassVar[str]
    metavar: ClassVar[str] = "[INPUT]..."
    examples: ClassVar[tuple[str, ...]]
    roles: ClassVar[frozenset[Role]] = frozenset()
    needs_mean: ClassVar[bool] = True
    example: ClassVar[str] = "pairs.csv"

    sides: list[tuple[Source, ...]]
    out: BinaryIO
    picture: BinaryIO | None = None
    folder: PartsFolder | None = None

    def __init__(self, **given: Any) -> None:
        self._started = time.monotonic()
        super().__init__(**given)
        self.plan = self.planned()
        self.written = outputs.output_format(self)
        outputs.check_outputs(self, self.written)
        self.check()
        self.reject_writers: list[RejectsReduction] = []
        self.rows_of: dict[str, int] = {}
        self.cautions: list[str] = []
        self.logs: list[str] = []
        self._engine: Engine | None = None
        self._written_rejects = ExitStack()

    @classmethod
    def command(cls) -> click.Command:
        """Return the command."""
        params: list[click.Parameter] = [click.Argument(["inputs"], nargs=-1, metavar=cls.metavar)]
        params += declared(cls, cls.option_names())

        def carry_out(**given: Any) -> int:
            return cls(**given).exit_code()

        return Command(cls.name, params=params, callback=carry_out, help=cls.__doc__, examples=cls.examples)

    @classmethod
    def option_names(cls) -> list[str]:
        """Return the names of the command's options, in the order of the help."""
        return " ".join(GROUPS.get(name, name) for name in cls.names.split()).split()

    def planned(self) -> Plan:
        """Return the plan that the options say."""
        return plan_of_options(self)

    def check(self) -> None:
        """Raise UsageError for options that only make sense together."""
        if self.written == "parquet":
            raise UsageError(f"{self.name} writes no Parquet", hint=f"write {outputs.report_suffixes()}")

    @property
    def may_skip(self) -> bool:
        """Whether bad rows could be left out."""
        return True

    def resolved(self) -> list[tuple[Source, ...]]:
        """Return the sources of each side."""
        return [self.sources_named(self.inputs)]

    def conditions(self) -> list[Condition]:
        """Return the conditions of --fail-if. Raises UsageError for one on a key that this run will not report."""
        from mrl_cli.commands.conditions import conditions_of

        return conditions_of(self.fail_if, self.plan)

    @abstractmethod
    def report(self) -> Report:
        """Fold what there is to read, and return the report."""

    def lines(self, report: Any) -> Iterable[str]:
        """Return what to print on stderr because the output alone may not show it."""
        return [f"note: {note}" for note in self.notes(report)]

    def notes(self, report: Any) -> list[str]:
        """Return notes: rows left out, inputs read twice or without rows."""
        notes = []
        if report.rejected:
            notes.append(self.left_out(report))
        times = Counter(report.inputs)
        notes += [f"{harmless(name, 200)} was read {count} times" for name, count in times.items() if count > 1]
        return notes + [f"{harmless(name, 200)} has no rows" for name, rows in self.rows_of.items() if rows == 0]

    def left_out(self, report: Any) -> str:
        """Return how many rows were left out for a problem, of all that were read."""
        return f"{report.rejected:,} of {sum(self.rows_of.values()):,} rows left out"

    @abstractmethod
    def summary(self, report: Any) -> str:
        """Return the line that --verbose prints."""

    def passes(self, _report: Any) -> bool:
        """Return whether the run succeeds by this report; print why it does not."""
        return True

    def exit_code(self) -> int:
        """Carry out the run; return its exit code."""
        with ExitStack() as self._stack, _with_hints(self):
            conditions = self._open(self._stack)
            report = self.report()
            if self.picture is not None:
                self.picture.write(self._drawn(report))
            self._write(report)
            self.out.flush()
        if not self.quiet:
            for line in (*(f"note: {caution}" for caution in self.cautions), *self.lines(report)):
                say(line)
            if self.verbose:
                say(self.summary(report))
        broken = [condition for condition in conditions if condition.holds(report)]
        for condition in broken:
            say(f"fail-if: {condition.text_for(report)}")
        return int(not self.passes(report) or bool(broken))

    def _write(self, report: Report) -> None:
        """Write a report out: through the pager where it is a table that is longer than the screen."""
        left = self.rendered(report)
        if outputs.is_table(self, self.written):  # few runs draw one, and start without what it takes
            left = outputs.through_pager(left, self, self.screen)
        self.out.writelines(text.encode() for text in left)

    def _open(self, stack: ExitStack) -> list[Condition]:
        self.sides = self.resolved()
        for source in self.sources:
            stack.callback(source.close)
        outputs.refuse_inputs_as_outputs(self, self.sources)
        self.settle()
        self._refuse_useless()
        self.cautions = self._cautions()
        conditions = self.conditions() if self.fail_if else []
        if self.rejects is not None:
            from mrl_cli.reductions.rows import RejectsReduction

            self._written_rejects = stack.enter_context(ExitStack())
            self.reject_writers = [RejectsReduction(_opened(self._written_rejects, self.rejects), self.rejects)]
        if self.save_plot is not None:
            self.picture = _opened(stack, self.save_plot)
        if self.output is not None and outputs.is_folder(self.output):
            from mrl_cli.inputs.base import MANIFEST
            from mrl_cli.render.folder import PartsFolder

            self.folder = stack.enter_context(PartsFolder(self.output).held())
            self.out = _opened(stack, self.output + MANIFEST)
        elif self.output is not None and self.output != "-":
            self.out = _opened(stack, self.output)
        else:  # Python's own stdout is not used: unbuffered, it writes what fits and hides the rest
            self.out = stack.enter_context(open(sys.stdout.fileno(), "wb", closefd=False))  # noqa: SIM115 (see the stack)
        return conditions

    def settle(self) -> None:
        """Complete the plan with what --preset and --scores say of the inputs."""
        if not (self.preset is self.scores is self.score_column is None):
            from mrl_cli.commands.presets import with_preset  # few runs have one

            self.plan, self.sides[0] = with_preset(self.plan, self, self.sides[0], self.roles)

    def _cautions(self) -> list[str]:
        """Return notes on what is asked for, whatever the data."""
        from mrl_cli.reports.notes import plan_notes

        notes, wanted = plan_notes(self.plan), [name for _, name in self.plan.columns.wanted_numbers]
        if any("/" in name for name in wanted):  # as trainers call what they log
            from mrl_cli.inputs import columns_of
            from mrl_cli.inputs.kinds import note_on_log

            found = (note_on_log(columns_of(s, self.plan), wanted, s.shown_name) for s in self.sources)
            self.logs = [note for note in found if note]
        return notes + self.logs

    def _refuse_useless(self) -> None:
        """Raise UsageError for a given option that has no effect on what is read, or on who computes."""
        hint = "leave it out, or say whose it is, e.g. --engine dask"
        refuse_if(self.scheduler and self.engine == "local", "--scheduler goes with --engine", hint)
        formats = {source.format for source in self.sources}
        for name, readers in (("delimiter", _DELIMITED), ("no_header", _DELIMITED), ("encoding", _TEXTS)):
            is_useless = getattr(self, name) and formats.isdisjoint(readers) and is_given(name)
            refuse_if(formats and is_useless, f"{option_of(name)} goes with {' and '.join(readers)} files")
        for name in ("decimal", "null_value"):
            if is_given(name) and formats and formats <= _TYPED and not any(map(self._has_texts, self.sources)):
                raise UsageError(
                    f"{option_of(name)} goes with numbers written as text, and the columns wanted hold none"
                )

    def _has_texts(self, source: Source) -> bool:
        """Return whether a wanted column of a source that has types may hold text: what is piped in is unseen."""
        from mrl_cli.inputs import head_of

        if source.file is None:
            return True
        columns = [column for column in head_of(source, self.plan).columns if "string" in column.type]
        wanted = [f"{name}." for _, name in self.plan.columns.wanted]
        return any(name.startswith(f"{column.name.strip()}.") for column in columns for name in wanted)

    def sources_named(self, inputs: Sequence[str]) -> tuple[Source, ...]:
        """Return the sources that INPUT names, or stdin when it can be read."""
        from mrl_cli.inputs import resolve

        return resolve(self.given_inputs(inputs))

    def given_inputs(self, inputs: Sequence[str]) -> Sequence[str]:
        """Return the INPUT given, or stdin when it can be read."""
        from mrl_cli.inputs import stdin_can_be_read

        hint = f"name a file, e.g. mrl {self.name} {self.example}, or - for stdin"
        refuse_if(not inputs and not stdin_can_be_read(), "no INPUT, and nothing is piped in", hint)
        refuse_if(list(inputs).count("-") > 1, "stdin can be read only once", "write it to a file, and name that")
        return inputs or ("-",)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of all sides."""
        return tuple(source for side in self.sides for source in side)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of all sources; in one that is not text, what is not is an escape sequence."""
        return tuple(source.name.encode("utf-8", "backslashreplace").decode() for source in self.sources)

    @property
    def seconds(self) -> float:
        """How long the run has taken: what --verbose prints, and no report holds."""
        return time.monotonic() - self._started

    @property
    def workers(self) -> str:
        """Who computes, in words."""
        return f"{self.jobs or runtime.core_count()} jobs, engine {self.engine}"

    def measured(self, *reductions: Reduction[Any, Any]) -> Folded:
        """Fold a look at the data and reductions over the pairs of the first side, in this order; write problems down.

        Raises DataError for counts that allow no number.
        """
        from mrl_cli.reductions.look import LookReduction

        folded = self.fold([LookReduction(), *reductions, *self.reject_writers], sources=self.sides[0])
        self.rows_of = folded.rows_of
        self.refuse(folded.counts, folded.wholes[0], self.sides[0])
        return folded

    def fold(
        self,
        reductions: Sequence[Reduction[Any, Any]],
        *,
        sources: Sequence[Source] | None = None,
        plan: Plan | None = None,
        shows_progress: bool = True,
    ) -> Folded:
        """Fold reductions over the pairs of sources (all of the run, by its plan) in one pass."""
        from mrl_cli.engines.base import Job, fold

        sources = self.sources if sources is None else sources
        plan = (plan or self.plan).changed(holds_pairs=any(reduction.holds_pairs for reduction in reductions))
        measured = self._opened_engine()(sources, Job(plan, tuple(reductions)))
        is_asked = self.progress if shows_progress and not self.quiet else False
        with ExitStack() as stack:
            if not gc.isenabled():  # for what is made of the result lives as long as the process
                stack.callback(gc.disable)
            runtime.prepare_for_batches()
            parts: Any = stack.enter_context(closing(runtime.meanwhile(measured, self.prepare_to_show)))
            if is_asked or (is_asked is None and sys.stderr is not None and sys.stderr.isatty()):
                from mrl_cli.render.progress import watched  # most runs are not watched

                sizes = [None if source.compression else source.size_bytes for source in sources]
                total = None if None in sizes else sum(size or 0 for size in sizes)
                name = sources[0].shown_name.rpartition("/")[2] if len(sources) == 1 else counted(len(sources), "input")
                label = f"reading {harmless(name, 200)}"
                how: Any = {"label": label, "is_forced": bool(is_asked), "color": is_colored(sys.stderr)}
                parts = stack.enter_context(closing(watched(parts, total, **how)))
            return fold(parts, sources, reductions)

    def prepare_to_show(self) -> None:
        """Load what draws the report, while pairs are measured: it takes as long as a million of them."""
        outputs.prepare(self, self.written, draws=self.shows_pictures)

    def _opened_engine(self) -> Engine:
        """Return the engine, which is opened once for all passes of the run."""
        from mrl_cli.engines import opened

        if self._engine is None:
            jobs = self.jobs or runtime.core_count()
            self._engine = self._stack.enter_context(opened(self.engine, jobs, self.scheduler))
        return self._engine

    def refuse(self, counts: Counts, look: Look, sources: Sequence[Source] | None = None) -> None:
        """Raise DataError for counts that allow no number: problems under `fail`, or no pairs."""
        if counts.pairs and not counts.problems:
            return
        if not counts.pairs:
            self.keep_rejects()
        from mrl_cli.reports import refusals  # most runs are refused nothing

        wants_mean = self.needs_mean and self.plan.reporting.reduction == "mean"
        symptoms, names = self.symptoms(counts, look, sources)
        refusals.refuse(symptoms, names, wants_mean=wants_mean)
        if (reason := refusals.reason_of_many(symptoms)) is not None:
            self.cautions.append(reason)

    def keep_rejects(self) -> None:
        """Let the file of --rejects appear, though the run is refused: it says why no row is left."""
        self._written_rejects.close()

    def symptoms(
        self, counts: Counts, look: Look, sources: Sequence[Source] | None = None
    ) -> tuple[Symptoms, list[str]]:
        """Return what hints are chosen from, and the names of the sources (all of the run)."""
        from mrl_cli.reports.symptoms import Symptoms

        sources = self.sources if sources is None else sources
        scores = next((source.scores.values.size for source in sources if source.scores is not None), None)
        symptoms = Symptoms(counts, self.plan, look, self.option_names(), scores, self.may_skip, self.logs)
        return symptoms, list(dict.fromkeys(source.name for source in sources))

    def rendered(self, report: Any) -> Iterable[str]:
        """Return a report as pieces of text, at the width and in the colours of where it goes; none after rows."""
        if self.writes_rows or self.raw:
            return () if self.writes_rows else [number_text(report.value) + "\n"]
        from mrl_cli.render import rendered

        pieces = rendered(report, self.written, self.screen if self.written == "table" else None)
        if not self.shows_pictures:
            return pieces
        from mrl_cli.render.plots import drawn

        return [*pieces, drawn(self.pictures(report).values(), self.screen)]

    @cached_property
    def screen(self) -> Screen:
        """Where a table is drawn."""
        return outputs.screen_of(self)

    def _drawn(self, report: Any) -> bytes:
        """Return the picture that is written to a file."""
        from mrl_cli.render.picture import picture_bytes

        pictures = self.pictures(report)
        return picture_bytes(pictures[self.which or next(iter(pictures))], self.save_plot or "")

    def hint_for(self, error: NoColumnError) -> str | None:
        """Return what to do about a missing column: of one that the user did not name, by the first rows, as check."""
        if not error.is_unnamed:
            return error.hint
        from mrl_cli.inputs.layouts import first_cells, hint_for_kind

        if not error.plan.has_lists:
            from mrl_cli.commands.proposals import Caller, with_whole_line

            words = click.get_current_context().meta[WORDS]
            caller = Caller(self.name, self.roles, self.option_names(), words)
            if hint := with_whole_line(error, self.sources, self, caller):
                return hint
        return hint_for_kind(first_cells(error.source, error.plan), error.plan) or error.hint

    @property
    def draws(self) -> bool:
        """Whether there are pictures: after the report, or in a file."""
        return self.save_plot is not None or self.shows_pictures

    @property
    def shows_pictures(self) -> bool:
        """Whether pictures follow the report: where a person reads it, or when they are always asked for."""
        is_seen = self.plot == "always" or (self.plot == "auto" and self.output is None and sys.stdout.isatty())
        return is_seen and outputs.is_table(self, self.written)

    def pictures(self, _report: Any) -> dict[str, Plot]:
        """Return the pictures of a report by name."""
        return {}


@contextmanager
def _with_hints(run: Run) -> Iterator[None]:
    """Let the error of a missing column propose what to do about it."""
    try:
        yield
    except UsageError as error:
        from mrl_cli.inputs.base import NoColumnError

        if isinstance(error, NoColumnError) and error.source is not None:
            error.hint = run.hint_for(error)
        raise


def _opened(stack: ExitStack, path: str) -> BinaryIO:
    """Open a file that appears whole or not at all, for as long as the stack lives."""
    from mrl_cli.render.files import whole_file

    return stack.enter_context(whole_file(path))
