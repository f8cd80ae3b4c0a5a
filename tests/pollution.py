"""What mrl makes of the kinds of damage to CSV files that Pollock lists (Vitagliano et al., VLDB 2023): each right,
refused clearly, or wrong, of which there must be none.

    python -m tests.pollution

A file of 83 pairs is polluted in each way, as the benchmark pollutes its own: delimiters, quotes, line ends, headers,
rows and cells, of the file as a whole or of a few rows. Read right is the sum of the losses of all rows, with options
that say what the file is; refused is an error that names the place, or says what to do.
"""

from __future__ import annotations

import math
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.running import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = 83
HEADER = ["x1", "x2", "y", "text"]
Table = list[list[str]]


def pairs() -> Table:
    """Return the rows that are polluted."""
    numbers = random.Random(83)
    return [
        [f"{numbers.gauss(0, 3):.3f}", f"{numbers.gauss(0, 3):.3f}", numbers.choice(["1", "-1"]), f"row, {row}"]
        for row in range(ROWS)
    ]


def loss(rows: Table) -> float:
    """Return the sum of the losses of margin 0."""
    return math.fsum(max(0.0, -float(y) * (float(x1) - float(x2))) for x1, x2, y, *_ in rows)


def written(rows: Table, delimiter: str = ",", quote: str = '"', escape: str = '"', line_end: str = "\n") -> str:
    """Return rows as text, texts in quotes."""

    def cell(text: str) -> str:
        is_plain = re.fullmatch(r"[\w.+-]*", text)
        return text if is_plain else quote + text.replace(quote, escape + quote) + quote

    return "".join(delimiter.join(map(cell, row)) + line_end for row in [HEADER, *rows])


class Kind(NamedTuple):
    """A kind of damage: the file, the options that say so, and the rows that count (None: it cannot be read)."""

    name: str
    data: str | bytes
    options: tuple[str, ...] = ()
    rows: Table | None = None


def _kinds_of_file(rows: Table) -> Iterator[Kind]:
    yield Kind("no damage", written(rows), rows=rows)
    yield Kind("no payload: no byte", "")
    yield Kind("no header", written(rows).partition("\n")[2], ("--no-header", *_by_place("1", "2", "3")), rows)
    yield Kind("no header, not said", written(rows).partition("\n")[2])
    yield Kind("a header of two lines", ",".join(HEADER) + "\n" + written(rows))
    yield Kind(
        "a header of several words",
        written(rows).replace("x1,", "the first score,", 1),
        ("--x1", "the first score"),
        rows,
    )
    yield Kind("a header alone", written([]))
    yield Kind("one row alone", written(rows[:1]), rows=rows[:1])
    yield Kind("no name in the header", written(rows).replace("x1,x2,y,text", ",,,", 1))
    yield Kind("no line end at the end", written(rows)[:-1], rows=rows)
    yield Kind("two line ends at the end", written(rows) + "\n", rows=rows)
    yield Kind("a preamble", "scores of last night\n\n" + written(rows))
    yield Kind("a preamble of cells", "scores,of,last,night\n" + written(rows))
    yield Kind("a footer", written(rows) + "83 rows written\n")
    yield Kind("two tables", written(rows) + "\n" + written(rows[:3]))
    for name, encoding in (("a byte order mark", "utf-8-sig"), ("UTF-16", "utf-16"), ("UTF-32", "utf-32")):
        yield Kind(name, written(rows).encode(encoding), rows=rows)
    yield Kind("latin-1", written([[*rows[0][:3], "é"], *rows[1:]]).encode("latin-1"), ("-e", "latin-1"), rows)
    yield Kind("latin-1, not said", written([[*rows[0][:3], "é"], *rows[1:]]).encode("latin-1"))


def _kinds_of_dialect(rows: Table) -> Iterator[Kind]:
    for mark in ";\t|":
        yield Kind(f"delimiter {mark!r}", written(rows, delimiter=mark), rows=rows)
    for mark in (" ", ":", "^"):
        yield Kind(f"delimiter {mark!r}", written(rows, delimiter=mark), ("-d", mark), rows)
        yield Kind(f"delimiter {mark!r}, not said", written(rows, delimiter=mark))
    yield Kind("a delimiter of two characters", written(rows, delimiter=", "), rows=None)
    yield Kind("quotes '", written(rows, quote="'"))
    yield Kind("quotes ' and no delimiter within", written(_plain(rows), quote="'"), rows=rows)
    yield Kind("an escape before quotes", written([[*row[:3], 'a "word"'] for row in rows], escape="\\"), rows=rows)
    for name, line_end in (("carriage return", "\r"), ("carriage return and line feed", "\r\n")):
        yield Kind(f"line ends: {name}", written(rows, line_end=line_end), rows=rows)
    comma = [[*(cell.replace(".", ",") for cell in row[:3]), row[3]] for row in rows]
    yield Kind("decimal commas", written(comma, delimiter=";"), ("--decimal", ","), rows)
    yield Kind("decimal commas in quotes", written(comma), ("--decimal", ","), rows)
    yield Kind("decimal commas, not said", written(comma, delimiter=";"))
    thousands = [[f"{1234 + row}.5", *cells[1:]] for row, cells in enumerate(rows)]
    grouped = [[f"{float(cells[0]):,}", *cells[1:]] for cells in thousands]
    yield Kind("digits in groups", written(grouped))


def _kinds_of_rows(rows: Table) -> Iterator[Kind]:
    lines = written(rows).splitlines(keepends=True)
    for place in (1, 40, ROWS):
        old = lines[place]
        damage: dict[str, tuple[str, bool]] = {
            "a delimiter more": (old.replace(",", ",,", 1), False),
            "a delimiter less": (old.replace(",", "", 1), False),
            "a delimiter at the end": (old[:-1] + ",\n", False),
            "another delimiter": (old.replace(",", ";"), False),
            "a quote never closed": (old[:-2] + "\n", False),
            "a quote before a number": ('"' + old, False),
            "a number in quotes": (re.sub(r"^([^,]+)", r'"\1"', old), True),
            "a blank line after": (old + "\n", True),
            "a line end in a text": (old.replace("row, ", "row,\n"), True),
            "another line end": (old[:-1] + "\r\n", True),
            "a carriage return alone": (old[:-1] + "\r", True),
            "blanks around": (re.sub(r"^([^,]+)", r"  \1 ", old), True),
            "a row cut off": (old[: len(old) // 2] + "\n", False),
            "a NUL": (old.replace(",", ",\0", 1), False),
        }
        for name, (new, is_right) in damage.items():
            data = "".join([*lines[:place], new, *lines[place + 1 :]])
            yield Kind(f"row {place}: {name}", data, rows=rows if is_right else None)
        for cell in ("", "NA", "n/a", "-", "1.5 kg", "#REF!", "1e999", "abc", "1,5", "٣"):
            yield Kind(f"row {place}: a score {cell!r}", written(_changed(rows, place - 1, cell)))
    yield Kind("a row twice", "".join([*lines[:9], lines[8], *lines[9:]]), rows=[*rows, rows[7]])
    yield Kind("bad rows, left out", written(_changed(rows, 5, "?")), ("--on-error", "skip"), [*rows[:5], *rows[6:]])


def _by_place(x1: str, x2: str, y: str) -> tuple[str, ...]:
    return "--x1", x1, "--x2", x2, "--y", y


def _plain(rows: Table) -> Table:
    return [[*row[:3], row[3].replace(", ", "-")] for row in rows]


def _changed(rows: Table, place: int, cell: str) -> Table:
    return [*rows[:place], [cell, *rows[place][1:]], *rows[place + 1 :]]


def kinds() -> list[Kind]:
    """Return all kinds of damage."""
    rows = pairs()
    return [kind for made in (_kinds_of_file, _kinds_of_dialect, _kinds_of_rows) for kind in made(rows)]


Outcome = tuple[str, str]


def outcome(kind: Kind, compute: Callable[..., tuple[int, str, str]]) -> Outcome:
    """Return right, refused or wrong, and what was said; `compute` runs `mrl compute` on text with options."""
    data = kind.data.encode() if isinstance(kind.data, str) else kind.data
    code, out, err = compute(data, *kind.options)
    said = next(iter(err.splitlines()), "")
    if code == 0:
        is_right = kind.rows is not None and float(out) == loss(kind.rows)
        return ("right" if is_right else "wrong"), out.strip()
    is_clear = (
        code in (2, 3)
        and out == ""
        and err.startswith("error: ")
        and ("line " in err or "hint: " in err or "no rows" in err)
    )
    return ("refused" if is_clear else "wrong"), said


def main() -> int:
    """Print the table; 1 where something is wrong."""
    counts = dict.fromkeys(("right", "refused", "wrong"), 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.csv"

        def compute(data: bytes, *options: str) -> tuple[int, str, str]:
            path.write_bytes(data)
            ran = run(["compute", "p.csv", "--reduction", "sum", "--raw", "--quiet", *options], cwd=folder)
            return ran.code, ran.out, ran.err

        for kind in kinds():
            what, said = outcome(kind, compute)
            counts[what] += 1
            print(f"{what:8} {kind.name:45} {said[:100]}")
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return int(counts["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
