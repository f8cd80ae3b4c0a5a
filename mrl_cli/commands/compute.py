"""`mrl compute`: the loss of the pairs in files, with counts and ranking statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.commands.helping import CHECKS, OUTPUT
from mrl_cli.commands.options import Options, flag, option, refuse_if, varied
from mrl_cli.commands.outputs import refuse_no_rows, row_suffixes
from mrl_cli.commands.run import Run
from mrl_cli.commands.saying import say
from mrl_cli.render import rendered
from mrl_cli.words import counted, listed, option_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mrl_cli.engines.base import Folded
    from mrl_cli.model import Plan
    from mrl_cli.reductions.base import Reduction
    from mrl_cli.reductions.parts import PartsReduction, WrittenPart
    from mrl_cli.reductions.rows import RowsReduction
    from mrl_cli.reports.compute import ComputeReport
    from mrl_cli.reports.plots import Plot
    from mrl_cli.reports.validate import Validation

_WITHOUT_TOTAL = ("csv", "tsv", "jsonl")  # what reports are written in as rows of groups, where there are groups


class Compute(Run):
    """Compute the loss of the pairs in INPUT files, with counts and ranking statistics.

    INPUT is a file, a quoted glob, a directory, or - for stdin: CSV, TSV, JSON lines, JSON (these also as .gz .bz2 .zst
    .xz), Parquet or Arrow. Without INPUT, stdin is read when something is piped in.
    """

    keep_columns: bool = flag("Print all input columns first, under --reduction none.", group=OUTPUT)
    calibration: bool = flag(
        "Report how well sigmoid(|x1 - x2|) agrees with the share of pairs that are right.", group=CHECKS
    )
    output: str | None = varied(
        Options.output,
        "Write to this file: whole, or not at all. Under --reduction none a name that ends with a slash, such as out/ "
        "or s3://bucket/out/, is a folder of parts.",
        metavar="FILE|FOLDER/",
    )
    which: str = option(
        "Picture that --save-plot writes.",
        group=OUTPUT,
        choices=("differences", "margins", "calibration", "groups"),
        goes_with="save_plot",
    )
    validate: bool = flag("Check every loss with the loop validator in the same pass.", group=CHECKS, is_common=True)

    name = "compute"
    examples = (
        "mrl compute pairs.csv --margin 0.5",
        "mrl compute rewards.jsonl --x1 chosen_score --x2 rejected_score --y-const 1 --group-by subset",
        "mrl compute pairs.csv --margin 0.5 --fail-if 'accuracy<0.7' --format json",
    )
    names = "MARGIN KERNEL weight reduction PRESET READING SCORES group_by by_file ENGINE OUTPUT confidence cluster"
    names += " calibration plot save_plot which raw keep_columns fail_if validate NOTES"
    roles = frozenset(("margin", "weight", "group"))
    _folded: Folded
    _validation: Validation | None = None
    _parts: Sequence[WrittenPart] = ()

    def planned(self) -> Plan:
        """Return the plan that the options say; a bare number or a row for each pair needs no description."""
        is_bare = self.raw and not self.fail_if
        plan = super().planned().changed(describes=not (is_bare or self.writes_rows))
        return plan.changed(is_bare=is_bare and not self.validate)

    def without_effect(self) -> Iterator[tuple[str, object, str]]:
        """Yield as every run, and what one line per pair leaves unsaid."""
        yield from super().without_effect()
        yield "keep_columns", not self.writes_rows, "--keep-columns goes with --reduction none"
        for name in ("weight", "group_by", "by_file", "confidence", "cluster", "calibration", "save_plot"):
            message = f"{option_of(name)} goes with --reduction mean or sum, not with one line per pair"
            yield name, self.writes_rows and getattr(self, name), message

    def check(self) -> None:
        """Raise UsageError for options that only make sense together."""
        if not self.writes_rows:
            hint = "add --reduction none for the loss of each pair, or write the figures to a .json or .csv file"
            refuse_if(self.written == "parquet", "Parquet output goes with --reduction none", hint)
            self._check_picture()
            has_rows = self.written in _WITHOUT_TOTAL and self.plan.has_groups
            asks_for_total = self.fail_if or self.calibration or self.save_plot
            self.plan = self.plan.changed(has_total=not has_rows or bool(asks_for_total))
            return
        message = "--strength weight goes with --reduction mean or sum, not with one line per pair"
        refuse_if(self.strength == "weight", message)
        refuse_if(self.raw and self.keep_columns, "--raw and --keep-columns exclude each other")
        refuse_no_rows(self.written, "--reduction none writes one line a pair")

    def _check_picture(self) -> None:
        """Raise UsageError for a picture that this run does not draw."""
        if self.save_plot is None or self.which == "differences":
            return
        from mrl_cli.reductions.cellsums import is_hinge_of_differences
        from mrl_cli.reports.calibration import has_confidences

        has_groups = bool(self.group_by) or self.by_file
        is_there, needed = {
            "groups": (
                has_groups and not self.plan.has_clusters,
                "--group-by or --by-file, and pairs that are independent: no --cluster",
            ),
            "calibration": (
                self.calibration or has_confidences(self.plan),
                "labels that say which score is better, and a loss that takes them",
            ),
            "margins": (
                is_hinge_of_differences(self.plan),
                "one margin for all pairs, and a hinge: margin_ranking or squared_hinge",
            ),
        }[self.which]
        refuse_if(not is_there, f"--which {self.which} needs {needed}", "choose another picture")

    def prepare_to_show(self) -> None:
        """Load what makes the figures and the texts of groups, too."""
        if self.group_by or self.by_file:
            import mrl_cli.render.columns
            import mrl_cli.reports.columns  # noqa: F401 (the import is all)
            from mrl_cli import native

            native.fields()
        super().prepare_to_show()

    def report(self) -> ComputeReport:
        """Return the report on all pairs; with a row for each pair, these are written."""
        from mrl_cli.reports.compute import compute_reductions

        rows = self._rows() if self.writes_rows else None
        try:
            reductions = compute_reductions(self.plan, draws=self.draws)
            further: list[Reduction[Any, Any]] = [] if rows is None else [rows]
            folded, report = self.folded_report(reductions, *further)
        finally:  # also where the file is thrown away: what is open in it must not outlive it
            if rows is not None:
                rows.close()
        if self.folder is not None:
            self._parts = folded.wholes[-1 - len(self.reject_writers)]
            self.folder.settle({part.name: part.size_bytes for part in self._parts})
        return report

    def folded_report(
        self, reductions: Sequence[Reduction[Any, Any]], *further: Reduction[Any, Any]
    ) -> tuple[Folded, ComputeReport]:
        """Fold `compute_reductions`, or what stands in for them, and others after them; return the report too."""
        from mrl_cli.reports.compute import report_of, totals_and_ledger

        verifier = None
        if self.validate:
            from mrl_cli.verify import Request, verifier_of

            request = Request(self.plan)
            verifier = verifier_of(request)
        folded = self.measured(*filter(None, (*reductions, verifier, *further)))
        report = report_of(folded, self.plan, inputs=self.input_names, cautions=self.cautions)
        self._folded = folded
        if verifier is None:
            return folded, report
        from mrl_cli.reports.validate import part_of_record
        from mrl_cli.verify import validation_of

        totals, ledger = totals_and_ledger(folded, self.plan)
        verdict = verifier.settled(folded.wholes[1 + len(reductions)])
        self._validation = validation_of(request, verdict, folded.counts, totals, report, self.sides[0], ledger=ledger)
        return folded, report.changed(validation=part_of_record(self._validation))

    def _rows(self) -> RowsReduction | PartsReduction:
        """Return what writes a row for each pair."""
        if self.folder is not None:
            from mrl_cli.reductions.parts import PartsReduction

            return PartsReduction(self.written, row_suffixes()[self.written], self.folder.part, bare=self.raw)
        from mrl_cli.reductions.rows import RowsReduction, writer_for

        writer = writer_for(self.written, self.out, bare=self.raw)
        return RowsReduction(writer, ends_at_problems=self.plan.reading.on_error == "fail")

    @property
    def writes_rows(self) -> bool:
        """Whether the output is rows, not a report."""
        return self.reduction == "none"

    def rendered(self, report: ComputeReport) -> Iterable[str]:
        """Return the report as pieces of text: where rows were written, none but the manifest of their parts."""
        if self.folder is not None:
            from mrl_cli.reports.base import Figures

            parts = [{"name": part.name, "rows": part.rows, "bytes": part.size_bytes} for part in self._parts]
            # What notes say is of the data, not of the parts.
            manifest = {"schema": "mrl.parts/1", "notes": None, "format": self.written, "parts": parts}
            return rendered(Figures(**report.record() | manifest), "json")
        return super().rendered(report)

    def pictures(self, report: ComputeReport) -> dict[str, Plot]:
        """Return how differences lie, the loss by margin, how sure scores are, and groups side by side."""
        from mrl_cli.reports import pictures

        return pictures.of_pairs(report, self._folded.wholes[2], self.plan)

    def notes(self, report: ComputeReport) -> list[str]:
        """Return notes on what was read, and on the data."""
        notes = super().notes(report)
        if report.ties_dropped and self.writes_rows:
            notes.append(f"{counted(report.ties_dropped, 'tie')} dropped")
        if report.labels_skipped and self.writes_rows:
            notes.append(f"{counted(report.labels_skipped, 'pair')} skipped for the label")
        notes += [note for note in report.notes or () if note not in self.cautions]  # those every command prints
        if unknown := report.subsets_without_section:
            notes.append(f"{len(unknown):,} of the subsets are in no section of RewardBench: {listed(unknown, most=5)}")
        return notes

    def summary(self, report: ComputeReport) -> str:
        """Return how much was read, how quickly, and the result in full."""
        seconds = self.seconds
        return (
            f"{counted(report.pairs, 'pair')} of {counted(len(report.inputs), 'input')} in {seconds:.3f} s "
            f"({report.pairs / max(seconds, 1e-9):,.0f} pairs/s), {self.workers}; "
            f"mean {report.mean!r}, sum {report.sum!r}"
        )

    def passes(self, _report: ComputeReport) -> bool:
        """Return whether every check of --validate passed; print those that failed."""
        if self._validation is None:
            return True
        for check in self._validation.checks:
            if not check.passed:
                say(f"validation: {check.failure}")
        return bool(self._validation.passed)


command = Compute.command()
