"""A few rows looked up once all were read: their numbers, and the cells of their other columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.inputs import columns_of, read, shards_of
from mrl_cli.inputs.formats import reader_of
from mrl_cli.inputs.text import BLANKS, QUOTE, TextPart
from mrl_cli.records import NamedTuple
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.inputs.base import Shard, Source
    from mrl_cli.model import Batch, Plan

LONGEST_CELL = 200  # characters
_BLANKS = np.frombuffer(BLANKS, np.uint8)


class FoundRow(NamedTuple):
    """A row by its number, its x1 and x2, what its format calls a row, and the texts of its cells by column."""

    row: int | None
    scores: tuple[float, float]
    row_word: str
    cells: dict[str, str]


def records_of(pairs: Sequence[Any], plan: Plan, *, names_files: bool) -> Iterator[dict[str, Any]]:
    """Yield the records of pairs, with where they stand and the `cells` of their other columns."""
    shown = set() if plan.computes_scores else {plan.columns.x1, plan.columns.x2}
    shown |= {plan.columns.name_of("y")} if not plan.rules.label_map else set()
    rows = looked_up(pairs, plan)
    place = " or ".join(sorted({row.row_word for row in rows}))
    for pair, row in zip(pairs, rows, strict=True):
        record: dict[str, Any] = {"file": pair.file} if names_files else {}
        record[place] = row.row
        record |= {"loss": pair.loss, "d": pair.difference}
        record |= {} if plan.has_differences else {"x1": pair.x1, "x2": pair.x2}
        record |= {} if pair.y is None else {"y": pair.y}
        yield record | {"cells": {name: text for name, text in row.cells.items() if name.strip() not in shown}}


def looked_up(pairs: Sequence[Any], plan: Plan) -> list[FoundRow]:
    """Return the rows of pairs, in their order: each has a `shard`, a `place` in it, a `row` if known, x1 and x2."""
    found: dict[int, FoundRow] = {}
    shards: dict[int, list[int]] = {}
    for number, pair in enumerate(pairs):
        shards.setdefault(id(pair.shard), []).append(number)
    known: dict[str, tuple[int, int]] = {}
    others: dict[str, bool] = {}
    begins = {key: getattr(pairs[numbers[0]].shard.part, "offset", 0) for key, numbers in shards.items()}
    for key in sorted(shards, key=begins.__getitem__):
        shard, name = pairs[shards[key][0]].shard, pairs[shards[key][0]].shard.source.name
        if isinstance(shard.part, TextPart) and shard.part.data is None and shard.part.first_line is None:
            # Lines are counted once, from the shard before it on.
            count_ends = reader_of(shard.source.format).count_lines
            line = shard.part.line_number(shard.source, count_ends, known.get(name, (0, 1)))
            known[name] = shard.part.offset, line
            shard = shard._replace(part=replace(shard.part, first_line=line))
        if name not in others:
            others[name] = _has_others(shard.source, plan)
        of_shard = [(number, pairs[number]) for number in shards[key]]
        found |= _of_shard(shard, of_shard, plan, has_others=others[name])
    return [found[number] for number in range(len(pairs))]


def _of_shard(shard: Shard, pairs: list[tuple[int, Any]], plan: Plan, *, has_others: bool) -> dict[int, FoundRow]:
    if shard.source.format == "frame":
        from mrl_cli.inputs.frame import cells_of_row

        frame = shard.source.stream.frame
        return {
            number: FoundRow(pair.row, (pair.x1, pair.x2), "row", cells_of_row(frame, pair.row, LONGEST_CELL))
            for number, pair in pairs
        }
    places = [pair.place for _, pair in pairs]
    if not has_others:  # then their numbers are all there is to look up
        if all(pair.row is not None for _, pair in pairs):
            return {number: FoundRow(pair.row, (pair.x1, pair.x2), pair.row_word, {}) for number, pair in pairs}
        firsts = None if any(pair.has_gaps for _, pair in pairs) else _line_numbers(shard, places)
        if firsts is not None:
            return {
                number: FoundRow(firsts[pair.place], (pair.x1, pair.x2), pair.row_word, {}) for number, pair in pairs
            }
    rows: dict[int, FoundRow] = {}
    for has_gaps in (any(pair.has_gaps for _, pair in pairs), True):
        rows = rows_at(shard, places, plan, has_gaps=has_gaps)
        if all(pair.place in rows and rows[pair.place].scores == (pair.x1, pair.x2) for _, pair in pairs):
            return {number: rows[pair.place] for number, pair in pairs}
    # The file is another by now: no number is better than a wrong one.
    return {number: FoundRow(pair.row, (pair.x1, pair.x2), pair.row_word, {}) for number, pair in pairs}


def _has_others(source: Source, plan: Plan) -> bool:
    """Return whether a file may have columns beside the scores and the label."""
    used = {name for role, name in plan.columns.wanted if role in ("x1", "x2", "y")}
    return source.file is None or not set(columns_of(source, plan)) <= used


def rows_at(shard: Shard, places: Sequence[int], plan: Plan, *, has_gaps: bool) -> dict[int, FoundRow]:
    """Return rows of a shard by their places among those that are read of it, counted from 0.

    Of a text only their lines are read again, where each line is a row: not where the shard `has_gaps`, rows that
    are left out.
    """
    plan = plan.changed(keep_columns=True)
    lines = None if has_gaps else _lines(shard, places)
    if lines is not None:
        found = {place: _in_batches(read(line, plan, is_careful=True), [0]) for place, line in lines.items()}
        return {place: row[0] for place, row in found.items() if row}
    if shard.source.format == "json" and not isinstance(shard.part, TextPart):  # a document holds what was wanted of it
        shard = next(shards_of((shard.source,), plan))
    return _in_batches(read(shard, plan, is_careful=True), places)


def _in_batches(batches: Iterator[Batch], places: Sequence[int]) -> dict[int, FoundRow]:
    found: dict[int, FoundRow] = {}
    first, last = 0, max(places)
    for batch in batches:
        for place in places:
            if first <= place < first + batch.size:
                here = place - first
                row = None if batch.rows is None else int(batch.rows[here])
                scores = float(batch.x1[here]), float(batch.x2[here])
                found[place] = FoundRow(row, scores, batch.row_word, _cells(batch.kept, here))
        first += batch.size
        if first > last:
            break
    return found


def _cells(kept: Any, place: int) -> dict[str, str]:
    if kept is None:
        return {}
    values = ((name, kept.column(column)[place].as_py()) for column, name in enumerate(kept.column_names))
    return {name: _text(value) for name, value in values}


def _text(value: Any) -> str:
    """Return a cell as it is shown. Which numbers stand in the same column of a block must not matter: 0 is no 0.0."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        value = int(value)
    return "" if value is None else harmless(value, LONGEST_CELL)


def _line_numbers(shard: Shard, places: Sequence[int]) -> dict[int, int] | None:
    """Return the numbers of the lines at places; None where lines may not be rows."""
    size, ends, rows = shard.source.counted.get(getattr(shard.part, "offset", None), (0, 0, -1))
    if ends == rows and size == shard.part.size_bytes:
        first: int = shard.part.first_line
        return {place: first + place for place in places}
    lines = _lines(shard, places)
    return None if lines is None else {place: line.part.first_line for place, line in lines.items()}


def _lines(shard: Shard, places: Sequence[int]) -> dict[int, Shard] | None:
    """Return the lines at places as shards of their own; None where lines may not be rows."""
    part, source = shard.part, shard.source
    if not isinstance(part, TextPart) or source.format not in ("csv", "tsv", "jsonl") or source.beside is not None:
        return None
    data = part.read(source)
    if source.format != "jsonl" and QUOTE in data:
        return None
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return None
    characters = np.frombuffer(data, np.uint8)
    edges = np.concatenate(([0], np.flatnonzero(characters == ord("\n")) + 1, [len(data)]))
    firsts = characters[edges[: -1 if data[-1:] != b"\n" else -2]]
    if np.isin(firsts, _BLANKS).any():  # perhaps a blank line, which is no row
        return None
    first_line = part.line_number(source, reader_of(source.format).count_lines)
    lines: dict[int, Shard] = {}
    for place in places:
        start, stop = int(edges[place]), int(edges[place + 1])
        line = replace(
            part,
            offset=part.offset + start,
            size_bytes=stop - start,
            data=data[start:stop],
            first_line=first_line + place,
        )
        lines[place] = shard._replace(part=line, size_bytes=stop - start)
    return lines
