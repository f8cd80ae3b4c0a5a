"""What `mrl validate` does without INPUT: the built-in suite, on mrl, on a user's function, or in a file."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from mrl_cli.commands.expectations import Expecting
from mrl_cli.commands.helping import CHECKS, OUTPUT
from mrl_cli.commands.options import GROUPS, is_given, option, refuse_if
from mrl_cli.commands.outputs import row_suffixes, suffix_of
from mrl_cli.render import format_of, render
from mrl_cli.words import either, harmless, number_text, option_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.reports.validate import Validation

_HOW_TO_REPORT = {"inputs", *GROUPS["OUTPUT"].split(), *GROUPS["NOTES"].split()}
_OF_A_LOSS = {"margin", *GROUPS["KERNEL"].split(), "labels"}
# What the suite's options take beside how to report; "" is the suite on mrl itself.
_TAKEN: dict[str, set[str]] = {"": set(), "function": {"rtol", "atol", *_OF_A_LOSS}, "cases": _OF_A_LOSS}


class RunOnSuite(Expecting):
    """A run that has INPUT, or else the suite's pairs."""

    function: str | None = option(
        "Check your own loss function (x1, x2, y, margin, reduction) on the built-in suite. MODULE may be a path.",
        group=CHECKS,
        is_common=True,
        metavar="MODULE:NAME",
    )
    cases: str | None = option(
        "Write the suite's pairs and their losses to this file, for an implementation in another language.",
        group=OUTPUT,
        metavar="FILE",
    )

    def check(self) -> None:
        """Raise UsageError for options that need INPUT where there is none, and for the suite's own where there is."""
        super().check()
        given = {name for name in click.get_current_context().params if is_given(name, or_by_environment=True)}
        ours = sorted(given & _TAKEN.keys())
        refuse_if(len(ours) > 1, "--cases and --function exclude each other", "run mrl twice")
        what = ours[0] if ours else ""
        if self.inputs:
            refuse_if(what, f"{option_of(what)} goes without INPUT: its pairs are the suite's")
            return
        message = (
            f"--labels {self.labels} goes with INPUT: the labels of the suite are 1 and -1, 0 and 1, or any number"
        )
        refuse_if(self.labels in ("strength", "probability"), message)
        foreign = sorted(set(filter(is_given, given)) - _HOW_TO_REPORT - _TAKEN[what] - {what})
        hint = f"the pairs of {option_of(what)} are the suite's" if what else "name a file, or - for stdin"
        refuse_if(foreign, f"{option_of(foreign[0]) if foreign else ''} goes with INPUT", hint)
        if self.cases is not None:
            known = {**row_suffixes(), "json": ".json"}
            is_wrong = format_of(suffix_of(self.cases)) not in known
            message = f"--cases {harmless(self.cases, 200)}: the suffix of a file says its format"
            refuse_if(is_wrong, message, f"write {either([*known.values()])}")
            is_output = self.output is not None and os.path.realpath(self.output) == os.path.realpath(self.cases)
            refuse_if(is_output, "--output and --cases name one file")

    def suite_report(self) -> Validation:
        """Run the suite on mrl, or on the function of the options; write its pairs where they name a file."""
        if self.function is None:
            from mrl_cli.verify.conformance import conformance

            return conformance() if self.cases is None else self._with_cases(conformance(), self.cases)
        from mrl_cli.verify.functions import Suite, loaded

        with redirect_stdout(sys.stderr):  # the result alone goes to stdout, whatever the user's module prints
            dtype = self.dtype if is_given("dtype", or_by_environment=True) else None
            settings: dict[str, Any] = {"margin": self.margin, "dtype": dtype, "tolerance": self.tolerance}
            return Suite(self.function, loaded(self.function), self.plan, **settings).validation()

    def _with_cases(self, report: Validation, path: str) -> Validation:
        """Write the suite's pairs to a file; the report says so."""
        from mrl_cli.render.files import whole_file
        from mrl_cli.verify.casefile import CaseFile

        cases, written = CaseFile(self.plan, self.margin), format_of(suffix_of(path)) or ""
        with whole_file(path) as file:
            if written == "parquet":
                import pyarrow as pa
                import pyarrow.parquet as pq

                pq.write_table(pa.Table.from_pylist(cases.lines()), file)
            else:
                file.write(render(cases, written).encode())
        command = " ".join(["mrl validate FILE --loss-column COLUMN", *self._settings_given()])
        wrote = f"wrote {len(cases.pairs):,} pairs to {harmless(path, 200)}; add a column of your own losses: {command}"
        return report.changed(notes=(*report.notes, wrote))

    def _settings_given(self) -> Iterator[str]:
        """Yield the options that decide the losses, as they were given, or as the name of the loss says."""
        by_name = {"margin": self.margin is not None, "param": bool(self.param)}
        given = (name for name in _OF_A_LOSS if is_given(name, or_by_environment=True) or by_name.get(name))
        for name in sorted(given):
            values = (
                [f"{key}={number_text(value)}" for key, value in self.param]
                if name == "param"
                else [getattr(self, name)]
            )
            yield from (f"{option_of(name)} {value}" for value in values)
