"""`mrl check`: what would be read, and how: files, format, columns, preset, labels; nothing is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli import __version__
from mrl_cli.commands.run import Run
from mrl_cli.commands.saying import say
from mrl_cli.errors import DataError
from mrl_cli.records import NamedTuple
from mrl_cli.render.failure import failure_text
from mrl_cli.words import counted, shell_line, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mrl_cli.commands.proposals import Proposal, Reading
    from mrl_cli.inputs import Source
    from mrl_cli.inputs.kinds import Rows
    from mrl_cli.reports.check import CheckReport

READ = "x1 x2 y y_const labels label_map strength on_tie delimiter encoding decimal null_value no_header preset"


class Found(NamedTuple):
    """What one file shows."""

    reading: Reading
    rows: Rows
    proposal: Proposal

    @property
    def likeness(self) -> object:
        """What is the same of files that are reported together."""
        source, head, _ = self.reading
        dialect = {key: value for key, value in head.dialect.items() if key not in ("row_groups", "quoting")}
        names = [column.name for column in head.columns]
        return repr((source.format, source.compression, dialect, names, self.rows))


class Check(Run):
    """Report what would be read of INPUT and how, without computing anything.

    For each input: its files, format and dialect, columns with their types, whether its rows are pairs, ranked lists,
    texts without scores or the log of a training run, the preset that fits, the labels seen, and the command line to go
    on with. Only the head of each file is read, whatever its size. INPUT is what `mrl compute` reads.
    """

    name = "check"
    examples = (
        "mrl check pairs.csv",
        "mrl check pairs.csv lists.csv rewards.jsonl --format table",
        "mrl check rewards.jsonl --format json",
    )
    names = f"{READ} OUTPUT quiet verbose"

    def resolved(self) -> list[tuple[Source, ...]]:
        """Return the sources of each INPUT; what is not of the format of its name is kept as an error."""
        from mrl_cli.inputs import resolve
        from mrl_cli.inputs.storage import paths_of

        self._errors: dict[str, DataError] = {}
        found = [(without_secrets(name), paths_of(name)) for name in self.given_inputs(self.inputs)]
        self._names = [(name, [without_secrets(path) for path in paths]) for name, paths in found]
        sides = []
        for _, paths in found:
            side: list[Source] = []
            for path in paths:
                try:
                    side += resolve([path])
                except DataError as error:
                    self._errors[without_secrets(path)] = error
            sides.append(tuple(side))
        return sides

    def settle(self) -> None:
        """Leave the plan as it is: each input has its own."""

    def report(self) -> CheckReport:
        """Return the report on all inputs. Raises the error of the first one where none can be read."""
        from mrl_cli.reports.check import CheckReport

        sides = zip(self._names, self.sides, strict=True)
        entries = [entry for (name, files), side in sides for entry in self._entries(name, files, side)]
        if all("error" in entry for entry in entries):
            raise next(iter(self._errors.values()))
        return CheckReport(version=__version__, inputs=entries)

    def _entries(self, name: str, paths: Sequence[str], side: Sequence[Source]) -> Iterator[dict[str, Any]]:
        """Yield an entry for the files of an INPUT that are alike, and one for each that cannot be read."""
        alike: dict[object, list[Found]] = {}
        for source in side:
            try:
                found = self._found(source)
            except DataError as error:
                self._errors[source.name] = error
            else:
                alike.setdefault(found.likeness, []).append(found)
        for group in _with_one_command(alike.values()):
            files = [found.reading.source.name for found in group]
            is_all = len(group) == len(paths)
            yield _entry(group, name if is_all else files[0], [name] if is_all else files)
        for path in paths:
            if path in self._errors:
                failed = self._errors[path]
                yield {"name": _as_text(path), "error": {"message": failed.message, "hint": failed.hint}}

    def _found(self, source: Source) -> Found:
        from mrl_cli.commands.compute import Compute
        from mrl_cli.commands.listproposals import list_options, rows_of_lists
        from mrl_cli.commands.proposals import Caller, Proposal, Reading, proposal_for
        from mrl_cli.inputs import head_of
        from mrl_cli.inputs.kinds import LISTS, PAIRS, kind_of
        from mrl_cli.inputs.layouts import cells_of

        head = head_of(source, self.plan)
        if head.rows == 0:
            raise DataError(f"no rows in {source.shown_name}", hint="is it empty, or all header?")
        rows = rows_of_lists(source, kind_of(cells_of(head)))
        given, caller = self.given(READ), Caller(Compute.name, Compute.roles, Compute.option_names())
        reading = Reading(source, head, caller)
        if rows.kind == LISTS and {"x1", "x2", "y", "y_const", "preset"}.isdisjoint(given):
            return Found(reading, rows, Proposal(*list_options(source, head, given)))
        proposal = proposal_for(reading, rows, given)
        if rows.kind is None and proposal.options is not None:
            rows = rows._replace(kind=PAIRS, reason="the columns named are two scores")
        return Found(reading, rows, proposal)

    def lines(self, _report: CheckReport) -> list[str]:
        """Return nothing: the report has all notes."""
        return []

    def summary(self, report: CheckReport) -> str:
        """Return how much was seen, and how quickly."""
        entries = [entry for entry in report.inputs if "error" not in entry]
        files, rows = (sum(of) for of in zip(*((len(one["files"]), one["rows_seen"]) for one in entries), strict=True))
        return f"{counted(rows, 'row')} of {counted(files, 'file')} seen in {self.seconds:.3f} s"

    def passes(self, _report: CheckReport) -> bool:
        """Print the errors of inputs that cannot be read: that others can does not hide them."""
        for error in self._errors.values():
            known = error.message, error.hint, error.exit_code, error.problems
            say(failure_text(*known, as_json=self.format == "json"))
        return True

    def exit_code(self) -> int:
        """Carry out the run; return its exit code, that of `mrl compute` where any input cannot be read."""
        return super().exit_code() or (DataError.exit_code if self._errors else 0)


def _with_one_command(groups: Iterable[list[Found]]) -> Iterator[list[Found]]:
    """Yield the groups whose files one command reads, and others split: a file may show fewer labels than the next."""
    from mrl_cli.commands.proposals import reads

    for group in groups:
        by_options: dict[str, list[Found]] = {}
        for found in group:
            by_options.setdefault(repr(found.proposal.options), []).append(found)
        for first, *_ in by_options.values():
            options = first.proposal.options
            if len(by_options) > 1 and (options is None or not all(reads(found.reading, options) for found in group)):
                continue
            yield [first, *(found for found in group if found is not first)]
            break
        else:
            yield from by_options.values()


def _entry(alike: Sequence[Found], name: str, inputs: Sequence[str]) -> dict[str, Any]:
    """Return what is reported of files that are alike; `inputs` are their names for the command line."""
    from mrl_cli.commands.proposals import labels_in, sorted_labels
    from mrl_cli.inputs.heads import merged_types

    (first, head, _), rows, proposal = alike[0]
    sources, heads = ([getattr(found.reading, name) for found in alike] for name in ("source", "head"))
    options = proposal.options or {}
    tried = proposal.columns
    x1, x2, y = (tried.name_of(role) if tried else getattr(rows, role) for role in ("x1", "x2", "y"))
    rows_of = [head.rows for head in heads]
    labels = {label for head in heads for label in labels_in(head, y)}
    return {
        "name": _as_text(name),
        "files": [_as_text(source.name) for source in sources],
        "bytes": [source.size_bytes for source in sources],
        "format": first.format,
        "dialect": head.dialect | {"compression": first.compression},
        "columns": [
            {"name": _as_text(columns[0].name), "type": merged_types(column.type for column in columns)}
            for columns in zip(*(head.columns for head in heads), strict=True)
        ],
        "rows_seen": sum(head.rows_seen for head in heads),
        "rows": None if None in rows_of else sum(rows or 0 for rows in rows_of),
        "kind": rows.kind,
        "reason": _as_text(rows.reason),
        "preset": options.get("preset", rows.preset),
        "x1": x1,
        "x2": x2,
        "y": y,
        "labels": None if y is None else [_as_text(x) if isinstance(x, str) else x for x in sorted_labels(labels)],
        "command": None if proposal.options is None else _command(inputs, options, rows.kind),
        "notes": list(dict.fromkeys(map(_as_text, _notes(alike)))),
    }


def _command(inputs: Sequence[str], options: dict[str, Any], kind: str | None) -> str:
    from mrl_cli.inputs.kinds import LISTS
    from mrl_cli.settings import flags_of

    files = (f"./{name}" if name.startswith("-") and name != "-" else name for name in inputs)
    if _needs_scores(options):
        options = options | {"scores": "FILE"}
    return shell_line(["mrl", "rank" if kind == LISTS else "compute", *files, *flags_of(options)])


def _notes(alike: Sequence[Found]) -> Iterator[str]:
    for found in alike:
        yield from found.proposal.notes
        if _needs_scores(found.proposal.options or {}):
            yield "FILE has a score in each row: those that pairs name by their places, counted from 0"


def _needs_scores(options: dict[str, Any]) -> bool:
    """Return whether the options of pairs name a preset whose scores are in a file of their own."""
    from mrl_cli.inputs.presets import PRESETS

    return options.get("preset") in PRESETS and PRESETS[options["preset"]].is_indexed


def _as_text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


command = Check.command()
