"""What `mrl check` reports: for each input its files, how they are written, their columns, and what the rows are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.reports.base import Line, Report, Table
from mrl_cli.reports.cells import Verdict
from mrl_cli.reports.findings import finding_of_inputs
from mrl_cli.words import bytes_text, counted, harmless, listed, number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


SCHEMA = "mrl.check/1"
MOST_FILES = 10  # that a table lists
_ROW = ("name", "format", "kind", "preset", "x1", "x2", "y", "labels", "rows_seen", "rows", "command", "notes")


class CheckReport(Report):
    """The inputs, in the order given, files that are alike together."""

    inputs: Sequence[dict[str, Any]]

    def record(self) -> dict[str, Any]:
        """Return what JSON holds."""
        return {"schema": SCHEMA, "version": self.version, "inputs": list(self.inputs)}

    def lines(self) -> Iterable[dict[str, Any]]:
        """Return a record for each input."""
        return self.inputs

    def cells(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each input, lists in words."""
        names = [*_ROW[:1], "files", "bytes", "columns", *_ROW[1:]]
        return names, [[_cell(name, entry) for name in names] for entry in self.inputs]

    def blocks(self) -> list[Table | Line]:
        """Return what the inputs are, and for each a summary, its columns, notes, and the command line."""
        finding = Line(f"{finding_of_inputs(self.inputs)}.", "finding")
        return [finding, *(block for entry in self.inputs for block in _blocks(entry))]


def _cell(name: str, entry: dict[str, Any]) -> Any:
    value = [entry["error"]["message"]] if name == "notes" and "error" in entry else entry.get(name)
    if name == "files":
        return len(value or ())
    if name == "bytes":
        return None if value is None or None in value else sum(value)
    if name == "columns":
        return " ".join(column["name"] for column in value or ())
    if isinstance(value, list):
        return ("; " if name == "notes" else " ").join(map(number_text, value))
    return value


def _blocks(entry: dict[str, Any]) -> Iterator[Table | Line]:
    title = harmless(entry["name"], 200)
    if "error" in entry:
        yield Table(("", ""), [("error", Verdict(entry["error"]["message"], is_good=False))], title, is_summary=True)
        return
    files, labels = entry["files"], entry["labels"]
    facts = {
        "files": "" if len(files) == 1 else f"{len(files):,}",
        "size": "" if None in entry["bytes"] else bytes_text(sum(entry["bytes"])),
        "format": entry["format"],
        "dialect": ", ".join(
            f"{key.replace('_', ' ')} {_shown(value)}" for key, value in entry["dialect"].items() if value is not None
        ),
        "rows": _rows_in_words(entry["rows_seen"], entry["rows"]),
        "kind": f"{entry['kind'] or 'none known'}: {harmless(entry['reason'], 300)}",
        "preset": entry["preset"] or "",
        "labels": "" if labels is None else f"{harmless(entry['y'])}: {listed(map(number_text, labels))}",
    }
    yield Table(("", ""), [(key, value) for key, value in facts.items() if value], title, is_summary=True)
    roles = {role: entry[role] for role in ("x1", "x2", "y") if entry[role] is not None}
    yield Table(
        ("column", "type", "read as"),
        [(harmless(c["name"]), c["type"], _read_as(c["name"], roles)) for c in entry["columns"]],
    )
    if len(files) > 1:
        listed_files = zip(files[:MOST_FILES], entry["bytes"], strict=False)
        yield Table(("file", "bytes"), [(harmless(name, 200), size) for name, size in listed_files], None, 1)
    if len(files) > MOST_FILES:
        yield Line(f"and {len(files) - MOST_FILES:,} more, which --format json lists")
    for note in entry["notes"]:
        yield Line(f"note: {harmless(note, 1000)}", "note")
    if entry["command"] is not None:
        yield Line(entry["command"], "command")


def _read_as(name: str, roles: Mapping[str, str]) -> str:
    """Return the roles of a column, and of the paths to its nested cells."""
    nested = (f"{role}: {harmless(path)}" for role, path in roles.items() if path.startswith(f"{name}."))
    return ", ".join([*(role for role, path in roles.items() if path.strip() == name.strip()), *nested])


def _shown(value: object) -> str:
    words = {"True": "yes", "False": "no", "\t": "tab", " ": "blank"}
    text = words.get(str(value), str(value))
    return text if text.isalnum() or len(text) > 1 else f"'{text}'"


def _rows_in_words(seen: int, rows: int | None) -> str:
    if rows is None:
        return f"{counted(seen, 'row')} seen, of an unknown number"
    return f"{seen:,} seen of {rows:,}" if seen < rows else counted(rows, "row") + ", all seen"
