"""Tables for a terminal, drawn by rich: the report's blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.records import NamedTuple
from mrl_cli.render.aligned import aligned
from mrl_cli.render.colors import STYLES
from mrl_cli.reports.base import GroupRows, Line, Report, Table
from mrl_cli.reports.cells import Estimate, Verdict, full_text
from mrl_cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from mrl_cli.render.terminal import Screen

SUFFIXES = ()
WORST = 20  # groups that are shown where not all fit the screen
_AROUND = 6  # lines of a table beside its rows
_PADDING = 3  # of a column: blanks and a line
_LONGEST_WORD = 24  # that a column of texts has room for
_LEAST, _SHORT = 8, 16  # of texts; short ones are not folded
_OF_LONG_TEXTS = 28  # so that they are read in few lines: a column of them is rather left out


class _Column(NamedTuple):
    """A column: cells and their texts, the width at which none is torn, and the one at which none is folded."""

    name: str
    cells: Sequence[Any]
    texts: Sequence[str]
    is_number: bool
    least: int
    most: int


def render(report: Report, screen: Screen) -> str:
    """Return the blocks, no wider than the screen where digits allow that; empty lines around tables."""
    pieces: list[str] = []
    was_line = False
    for block in report.blocks():
        is_line = isinstance(block, Line)
        if pieces and not (was_line and is_line):
            pieces.append("\n")
        pieces.append(_line(block, screen) if isinstance(block, Line) else screen.drawn(*_table(block, screen)))
        was_line = is_line
    return "".join(pieces)


def _line(line: Line, screen: Screen) -> str:
    from rich.text import Text

    style = STYLES[line.kind]
    if line.kind == "command":
        return screen._replace(width=max(screen.width, len(line.text) + 1)).drawn(Text(line.text, style))
    return screen.drawn(Text(line.text, style))


def _table(table: Table, screen: Screen) -> Iterator[RenderableType]:
    """Yield the title of a table, the table, and what it leaves out."""
    from rich.text import Text

    rows, left_out = _rows_for(table, screen)
    table, rows, missing = _with_intervals(table, rows, screen)
    if table.title:
        yield Text(table.title, STYLES["head"])
    columns = _columns(table, rows, screen)
    if table.is_summary and sum(column.most + _PADDING for column in columns) >= screen.width:
        rows = [*_nested(rows)]
        columns = _columns(table, rows, screen)
    fitting = _fitting(table, columns, screen.width)
    yield _halves(table, rows, screen) or _drawn(table, rows, [columns[place] for place in fitting], screen)
    if left_out:
        yield Text(left_out, STYLES["quiet"])
    if names := [column.name for place, column in enumerate(columns) if place not in fitting] + missing:
        text = f"and {counted(len(names), 'column')}: {', '.join(names)} (-f {table.whole} has all)"
        yield Text(text, STYLES["quiet"])
    if table.settings:
        yield Text(", ".join(f"{key}={full_text(value)}" for key, value in table.settings), STYLES["quiet"])


def _rows_for(table: Table, screen: Screen) -> tuple[list[Sequence[Any]], str]:
    """Return the rows that are drawn, the total too, and a sentence on those that are not."""
    rows, left_out = table.rows, ""
    if isinstance(rows, GroupRows) and screen.height is not None and not screen.is_full:
        more = len(rows) - WORST
        if more > 0 and len(rows) > screen.height - _AROUND:
            left_out = f"and {counted(more, 'more group')}: these are the {WORST} of {rows.words} (--full shows all)"
            rows = rows.worst(WORST)
    return [*rows, *([] if table.total is None else [table.total])], left_out


def _with_intervals(
    table: Table, rows: list[Sequence[Any]], screen: Screen
) -> tuple[Table, list[Sequence[Any]], list[str]]:
    """Return the table and its rows with the bounds of intervals in the cells of what they are around, one by one.

    For each one other column may be left out, of less importance. Bounds that are nowhere are returned by name.
    """
    names, joined = list(table.names), dict[int, list[int]]()
    places = {names.index(name): [names.index(bound) for bound in bounds] for name, bounds in table.bounds.items()}
    within = {place for bounds in places.values() for place in bounds}

    def cells(row: Sequence[Any]) -> Iterator[Any]:
        for place, cell in enumerate(row):
            bounds = [row[other] for other in joined.get(place, ())]
            if place not in within:
                yield Estimate(cell, *bounds) if bounds and None not in bounds else cell

    def made() -> tuple[Table, list[Sequence[Any]]]:
        shown = [f"{name} (low to high)" if place in joined else name for place, name in enumerate(names)]
        shown = [name for place, name in enumerate(shown) if place not in within]
        return table._replace(names=shown, numbers=table.numbers - len(within)), [[*cells(row)] for row in rows]

    def fitting(made: tuple[Table, list[Sequence[Any]]]) -> set[int]:
        columns = _columns(*made, screen)
        fits = _fitting(made[0], columns, screen.width)
        width = 1 + sum(columns[place].least + _PADDING for place in fits)  # of the first, be it too wide
        return {kept[place] for place in fits} if width <= screen.width else set()

    kept, best = [place for place in range(len(names)) if place not in within], made()
    seen = fitting(best) if places else set()
    for place, bounds in places.items():
        joined[place] = bounds
        pushed_out = seen - (there := fitting(tried := made()))
        if not there or len(pushed_out) > 1 or pushed_out & places.keys():
            del joined[place]
        else:
            best, seen = tried, there
    return *best, [names[bound] for place in places if place not in joined for bound in places[place]]


def _nested(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Yield the rows of a summary with keys of one record below its name: no key is torn where the screen is narrow."""
    last = ""
    for row in rows:
        outer, point, inner = row[0].rpartition(".") if row else ("", "", "")
        if outer != last and outer:
            yield (outer, None)
        last = outer
        yield (f" {inner}", *row[1:]) if point else row


def _columns(table: Table, rows: Sequence[Sequence[Any]], screen: Screen) -> list[_Column]:
    """Return the columns of rows, an empty one of which is a rule."""
    columns = []
    for place, name in enumerate(table.names):
        cells = [row[place] for row in rows if row]
        is_number = place >= len(table.names) - table.numbers
        shown = "" if table.is_summary else name
        if is_number:  # rich would take away the blanks that keep points below another, were it to align them
            texts = [text.rjust(len(shown)) for text in aligned(cells, is_full=screen.is_full)]
        else:
            texts = [full_text(cell) for cell in cells]
        columns.append(_Column(shown, cells, texts, is_number, *_widths([shown, *texts], is_number=is_number)))
    return columns


def _widths(texts: Sequence[str], *, is_number: bool) -> tuple[int, int]:
    from rich.cells import cell_len

    most = max(map(cell_len, texts))
    if is_number or most <= _SHORT:
        return most, most
    longest_word = max((cell_len(word) for text in texts for word in text.split()), default=0)
    return min(most, max(_LEAST, min(longest_word, _LONGEST_WORD), _OF_LONG_TEXTS * (most > 2 * _OF_LONG_TEXTS))), most


def _fitting(table: Table, columns: Sequence[_Column], width: int) -> list[int]:
    """Return the places of the columns that fit."""
    keys = len(columns) - table.numbers if table.numbers else 1
    ranked = sorted(range(keys, len(columns)), key=lambda place: columns[place].name != table.kept)
    taken, fitting = 1 + sum(column.least + _PADDING for column in columns[:keys]), [*range(keys)]
    for place in ranked:
        taken += columns[place].least + _PADDING
        if taken > width and len(fitting) > keys:
            break
        fitting.append(place)
    return sorted(fitting)


def _room_for(columns: Sequence[_Column], width: int) -> list[int]:
    """Return the width of each column: what numbers leave is for texts, the most for those that need it most."""
    widths = [column.least for column in columns]
    room = width - 1 - sum(widths) - _PADDING * len(columns)
    texts = [place for place, column in enumerate(columns) if not column.is_number]
    while room < 0 and max((widths[place] for place in texts), default=0) > _LEAST:
        widths[max(texts, key=widths.__getitem__)] -= 1
        room += 1
    while room > 0 and (narrow := [place for place, column in enumerate(columns) if widths[place] < column.most]):
        widths[min(narrow, key=lambda place: widths[place] / columns[place].most)] += 1
        room -= 1
    return widths


def _halves(table: Table, rows: Sequence[Sequence[Any]], screen: Screen) -> RenderableType | None:
    """Return a summary as two tables side by side, cut at the rule that makes the higher one lowest; None for others.

    So that most summaries fit a screen. Both must fit without folding a text.
    """
    from rich.table import Table as RichTable

    rules = [place for place, row in enumerate(rows) if not row]
    if not table.is_summary or len(rules) < 2:
        return None
    cut = min(rules, key=lambda place: max(place, len(rows) - place - 1))
    halves = [(half, _columns(table, half, screen)) for half in (rows[:cut], rows[cut + 1 :])]
    if sum(column.most + _PADDING for _, columns in halves for column in columns) + 3 > screen.width:
        return None
    beside = RichTable.grid(padding=(0, 1, 0, 0))
    beside.add_row(*(_drawn(table, half, columns, screen) for half, columns in halves))
    return beside


def _drawn(table: Table, rows: Sequence[Sequence[Any]], columns: Sequence[_Column], screen: Screen) -> RenderableType:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    edges = box.ROUNDED if screen.has_signs else box.ASCII2
    drawn = RichTable(
        box=edges, show_header=not table.is_summary, header_style=STYLES["head"], border_style=STYLES["quiet"]
    )
    for column, width in zip(columns, _room_for(columns, screen.width), strict=True):
        is_key = table.is_summary and not len(drawn.columns)
        head = Text(column.name, justify="right" if column.is_number else "left")
        drawn.add_column(head, style=STYLES["key"] if is_key else "", width=width, overflow="fold")
    places = iter(range(len(rows)))
    for row in rows:
        if not row:
            drawn.add_section()
            continue
        place = next(places)
        is_total = table.total is not None and row is rows[-1]
        if len(columns) < len(row) and not any(column.texts[place].strip() for column in columns[1:]):
            continue  # all that it has is in columns that are left out
        if is_total:
            drawn.add_section()
        is_main = is_total or (table.is_summary and row[0] == table.main)
        shown = [Text(column.texts[place], _style(column.cells[place])) for column in columns]
        if table.is_summary:
            shown[0].plain = _broken(shown[0].plain, drawn.columns[0].width or 0)
        drawn.add_row(*shown, style=STYLES["main"] if is_main else None)
    return drawn


def _broken(name: str, width: int) -> str:
    r"""Return the name of a figure, with line ends after underscores where it is longer than the width.

    >>> _broken(" expected_calibration_error", 20)
    ' expected_\n  calibration_error'
    """
    end = name.rfind("_", 0, width) + 1
    return f"{name[:end]}\n{_broken(f'  {name[end:]}', width)}" if len(name) > width and end else name


def _style(cell: Any) -> str:
    return STYLES["good" if cell.is_good else "bad"] if isinstance(cell, Verdict) else ""
