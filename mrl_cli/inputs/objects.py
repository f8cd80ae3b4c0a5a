"""Values of JSON: what they are as a number or as a key, what is wrong with them, and how deep they may nest."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import texts_as_arrow
from mrl_cli.inputs.base import Lists, Numbers, batch_of_rows, item_text, list_cells, numbers_of
from mrl_cli.inputs.cells import cell_number, is_exact
from mrl_cli.inputs.paths import Astray, cell_at, is_null_of_its_own
from mrl_cli.model import IDS, MAY_BE_SINGLE, Batch, Plan, Role, problems, rules
from mrl_cli.model.problems import AbsentPath
from mrl_cli.words import harmless, plainest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from mrl_cli.inputs.base import Faults, Keys, Source

# How deep JSON may nest: one limit, so that every parser reads a line alike. pyarrow's parser takes any depth,
# the standard library's as many levels as Python's stack has left; half of its usual limit is for the callers.
DEEPEST = 500
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_QUOTE, _OPENING, _CLOSING = b'"{}'


class Repeating(dict[str, Any]):
    """An object in which some keys, `repeated`, were given more than once."""

    repeated: frozenset[str] = frozenset()


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, as an `object_pairs_hook`: one that remembers which keys were repeated."""
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    names = [name for name, _ in pairs]
    repeating = Repeating(members)
    repeating.repeated = frozenset(name for name in members if names.count(name) > 1)
    return repeating


class Led:
    """Whether paths lead somewhere of which a missing cell is no problem: those to keys, and to what is filled."""

    def __init__(self, plan: Plan) -> None:
        self._names = quiet_paths(plan)
        self._met: dict[str, Astray | None] = {}

    def meet(self, cells: Iterable[tuple[str, Any]], record: dict[str, Any]) -> None:
        """Note where the paths lead in a record, whose cells are given with their names."""
        for name, cell in cells if self._names else ():
            if name not in self._names:
                continue
            if isinstance(cell, Astray) and cell.is_missing:
                self._met.setdefault(name, cell)
            elif cell is not None or is_null_of_its_own(record, name):
                self._met[name] = None

    @property
    def paths(self) -> dict[str, AbsentPath | None]:
        """The paths met, as `Batch.paths` has them."""
        return {name: cell and AbsentPath(cell.text, cell.near) for name, cell in self._met.items()}


def quiet_paths(plan: Plan) -> list[str]:
    """Return the paths of which a missing cell is no problem."""
    filled = {plan.columns.name_of(role) for role, _ in plan.reading.fills}
    names = [name for _, name in plan.columns.wanted if name in filled or name in dict(plan.columns.keys).values()]
    return [name for name in dict.fromkeys(names) if "." in name]


def batch_of_objects(values: Iterable[tuple[int, Any]], source: Source, plan: Plan, row_word: str) -> Batch:
    """Return numbered objects, or what is wrong with a row that is none, as a batch of those that are good."""
    led, names = Led(plan), [name for _, name in plan.columns.wanted]

    def rows() -> Iterator[tuple[int, tuple[Any, ...] | Faults, Any]]:
        for row, value in values:
            faults = value if isinstance(value, list) else _repeated(value, names)
            if faults:
                yield row, faults, None
                continue
            cells = tuple([cell_in(value, name) for name in names])
            led.meet(zip(names, cells, strict=True), value)
            yield row, cells, value

    batch = batch_of_rows(rows(), partial(numbers_in, plan=plan), keys_in, source, plan, row_word, kept_table)
    return replace(batch, paths=led.paths)


def _repeated(record: dict[str, Any], names: list[str]) -> Faults:
    """Return the faults of names that are given more than once in an object."""
    repeated = record.repeated if isinstance(record, Repeating) else ()
    return [
        (problems.DUPLICATE_KEY, harmless(name), "given twice") for name in dict.fromkeys(names) if name in repeated
    ]


def keys_in(cells: list[Any], role: Role) -> Keys:
    """Return a column's values as keys, and the cells that a path does not lead to."""
    bad = [(place, cell.kind, shown_value(cell)) for place, cell in enumerate(cells) if is_no_key(cell)]
    return texts_as_arrow(key_text(cell, is_id=role in IDS) for cell in cells), bad


def numbers_in(cells: list[Any], role: Role, plan: Plan) -> Numbers | Lists:
    """Return a column's numbers, and the cells that are not numbers."""
    if role in plan.reading.lists:
        found = [items_of(cell, role, plan) for cell in cells]
        bad = [(place, kind, text) for place, (_, faults) in enumerate(found) for kind, text in faults]
        return Lists(list_cells([numbers for numbers, _ in found]), bad)
    values = list(map(only_item, cells))
    if set(map(type, values)) <= {float, int}:
        try:
            array = np.array(values, np.float64)
        except OverflowError:
            array = np.array([np.inf])
        if not array.size or bool(np.abs(array).max() < rules.EXACT_INTEGER_LIMIT):
            return Numbers(array, [])
    return numbers_of(cells, lambda cell: number_of(cell, role, plan), shown_value)


def cell_in(record: dict[str, Any], name: str) -> Any:
    """Return the cell of a column, which may be a path; None for one that is not there, an Astray for such a path."""
    return record.get(name) if name in record or "." not in name else cell_at(record, name)


def is_no_key(cell: Any) -> bool:
    """Return whether a path leads to no cell; one that is not there is a key, the empty one."""
    return isinstance(cell, Astray) and not cell.is_missing


def number_of(value: Any, role: Role, plan: Plan) -> float | str:
    """Return a JSON value as a double, or the kind of problem it is; a text is read as a cell of CSV is.

    >>> from mrl_cli.model import Plan
    >>> number_of(2, "x1", Plan()), number_of("2", "x1", Plan()), number_of([2], "x1", Plan())
    (2.0, 2.0, 2.0)
    >>> number_of(None, "x1", Plan()), number_of(True, "x1", Plan()), number_of([2, 3], "x1", Plan())
    ('missing value', 'not a number', 'a list, not one number')
    """
    value = only_item(value)
    if value is None:
        return problems.MISSING
    if isinstance(value, Astray):
        return value.kind
    if isinstance(value, bool) and plan.takes_booleans(role):
        return value
    if isinstance(value, str):
        return cell_number(value, role, plan)
    if isinstance(value, bool) or not isinstance(value, int | float):
        nested = problems.LIST if isinstance(value, list) else problems.OBJECT if isinstance(value, dict) else None
        return nested or problems.NOT_A_NUMBER
    if isinstance(value, int):
        return float(value) if is_exact(value) else problems.INEXACT
    if role == "loss":
        return value
    if math.isnan(value):
        return problems.NAN
    return problems.INFINITE if math.isinf(value) else value


def items_of(value: Any, role: Role, plan: Plan) -> tuple[list[float], list[tuple[str, str]]]:
    """Return the numbers of a list, and of each item that is none the kind of problem and its value as printed.

    One chosen or rejected answer need not stand in a list.

    >>> from mrl_cli.model import Plan
    >>> items_of([[2.5], 1], "score", Plan()), items_of(0.5, "chosen", Plan())
    (([2.5, 1.0], []), ([0.5], []))
    >>> items_of(0.5, "score", Plan())[1], items_of([1, None], "score", Plan())[1]
    ([('not a list', '0.5')], [('missing value', 'null (item 2 of 2)')])
    """
    if not isinstance(value, list | Astray | None) and role in MAY_BE_SINGLE:
        value = [value]
    if not isinstance(value, list):
        kind = value.kind if isinstance(value, Astray) else problems.MISSING if value is None else problems.NO_LIST
        return [], [(kind, shown_value(value))]
    numbers = [number_of(item, role, plan) for item in value]
    bad = [
        (kind, item_text(shown_value(value[place]), place, len(value)))
        for place, kind in enumerate(numbers)
        if isinstance(kind, str)
    ]
    return [number for number in numbers if not isinstance(number, str)], bad


def only_item(value: Any) -> Any:
    """Return a value, of a list of one the one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def shown_value(value: Any) -> str:
    """Return a JSON value as an error message shows it, or why a path leads to none."""
    return harmless(value.text, limit=200) if isinstance(value, Astray) else harmless(json.dumps(value))


def key_text(value: Any, *, is_id: bool = False) -> str:
    """Return a JSON value as a key: text as it is, no value as the empty text, others as JSON writes them.

    Where it `is_id`, a whole number is the integer that it is.

    >>> key_text(7.0), key_text(7.0, is_id=True), key_text("7.0", is_id=True)
    ('7.0', '7', '7.0')
    """
    if value is None or isinstance(value, Astray):
        return ""
    if is_id and isinstance(value, float):
        value = plainest(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def kept_table(kept: list[dict[str, Any]]) -> pa.Table:
    """Return kept objects as a table, a column for each key."""
    names = dict.fromkeys(name for record in kept for name in record)
    return kept_columns({name: [record.get(name) for record in kept] for name in names})


def kept_columns(columns: dict[str, list[Any]]) -> pa.Table:
    """Return kept columns as a table; a value that is not plain stays JSON text, and invalid Unicode is escaped."""
    import pyarrow as pa

    return pa.table({name: _kept(values) for name, values in columns.items()})


def _kept(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    flat = [json.dumps(value) if isinstance(value, dict | list) else value for value in values]
    # JSON can say half a surrogate pair.
    flat = [v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v for v in flat]
    kinds = {type(value) for value in flat} - {type(None)}
    try:
        if bool not in kinds or len(kinds) == 1:  # Arrow takes true beside numbers for 1
            return pa.array(flat)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        pass
    return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in flat])


def line_nested_too_deeply(text: bytes) -> int | None:
    r"""Return the number of the first line, from 1, on which brackets nest deeper than `DEEPEST`, None without one.

    >>> line_nested_too_deeply(b'{"t":\n' + b"[" * 500), line_nested_too_deeply(b'{"t": "' + b"[" * 500 + b'"}')
    (2, None)
    """
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return None
    codes = np.frombuffer(_ESCAPE.sub(b"  ", text) if b"\\" in text else text, np.uint8)
    folded = codes | 0x20  # makes braces of square brackets, and of nothing else
    marks = np.flatnonzero((codes == _QUOTE) | (folded == _OPENING) | (folded == _CLOSING))
    kinds = folded[marks]
    steps = (kinds == _OPENING).astype(np.int8) - (kinds == _CLOSING)
    # An odd number of quotes stands before what is in a string; that the count overflows does not change its parity.
    steps[np.cumsum(codes[marks] == _QUOTE, dtype=np.uint8) % 2 == 1] = 0
    places = marks[np.cumsum(steps, dtype=np.int64) > DEEPEST]
    return text.count(b"\n", 0, int(places[0])) + 1 if places.size else None


def some_line_nests_too_deeply(text: bytes, lines: int) -> bool:
    """Return whether a text of that many lines, an object each, has one that nests deeper than `DEEPEST`.

    Most texts are cleared by the number of their brackets, and most lines by that of theirs.
    """
    codes = np.frombuffer(text, np.uint8)
    is_opening = codes == ord("{")
    if b"[" in text:
        is_opening |= codes == ord("[")
    if np.count_nonzero(is_opening) - (lines - 1) <= DEEPEST:
        return False
    stops = np.append(np.flatnonzero(codes == ord("\n")), codes.size)
    counts = np.diff(np.searchsorted(np.flatnonzero(is_opening), stops), prepend=0)
    suspects = np.flatnonzero(counts > DEEPEST).tolist()
    return any(line_nested_too_deeply(text[stops[i - 1] if i else 0 : stops[i]]) is not None for i in suspects)


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|$)|[][{},]', re.DOTALL)


def whole_part(text: str) -> Any:
    """Return the value of a text of JSON that broke off, without what is not whole in it; an empty object for no value.

    >>> whole_part('{"a": [1, 2.5, 3'), whole_part('[{"a": 1, "b": "x'), whole_part("oops")
    ({'a': [1, 2.5]}, [{'a': 1}], {})
    """
    stop, ends = 0, [""]
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in "[{":
            ends.append("]" if token == "[" else "}")
        elif token in "]}":
            ends.pop()
        elif token != ",":
            continue
        stop = match.start() if token == "," else match.end()
        if len(ends) == 1:
            break
    try:
        return json.loads(text[:stop] + "".join(reversed(ends)))
    except (ValueError, RecursionError):
        return {}


def value_of_line(line: str) -> Any:
    """Return the value on a line, printed by Python perhaps, None where it is none.

    >>> value_of_line('{"a": 1}'), value_of_line("{'a': 1}"), value_of_line("oops")
    ({'a': 1}, {'a': 1}, None)
    """
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        pass
    import ast  # a line of JSON does without

    try:
        value = ast.literal_eval(line.strip())
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return json.loads(json.dumps(value))  # further in, keys become texts, and what JSON has not is refused
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    return None
