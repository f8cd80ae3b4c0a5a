"""Keys of pairs: a text for each part, in columns of Arrow; which keys there are, and their order.

A column of integers stands for their texts: a million of them are found and sorted in a tenth of the time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import FEW_TEXTS, as_arrow, as_texts, chosen_texts, encoded, texts_as_arrow, texts_of
from mrl_cli.errors import UsageError
from mrl_cli.exact.runs import are_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

FEW_KEYS = FEW_TEXTS
SAMPLED_RUN = 64  # so many keys that follow one another,
SAMPLED_RUNS = 64  # so many times
LONGEST_NUMBER = 4000  # characters; Python makes no integer of more digits
MOST_GAPS = 8  # integers not there for one that is: so many a table of them may have
MOST_BYTES = 2**31 - 1  # of texts in an Arrow array
FEWER_GROUPS = "group by a column with fewer values"
_NUMBER = r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)"
_IS_NUMBER = re.compile(_NUMBER, re.IGNORECASE | re.ASCII)  # else a dotless i is an i
_PLAIN_NUMBER = r"\A-?[0-9]{1,15}(?:\.[0-9]{1,20})?\z"  # a double holds its integer; any two compare as doubles

_NONE = np.zeros(0, np.int64)

Key = tuple[str, ...]


def coded(columns: Sequence[pa.Array], pairs: int) -> tuple[NDArray[np.int64], list[Key]]:
    """Return for every pair the place of its key in the list of those there are; without columns all have one key.

    >>> import pyarrow as pa
    >>> coded([pa.array(["a", "b", "a"]), pa.array(["1", "1", "1"])], 3)
    (array([0, 1, 0]), [('a', '1'), ('b', '1')])
    """
    codes, parts = coded_parts(columns, pairs)
    known: dict[Key, int] = {}  # a dictionary may hold one text twice
    places = [known.setdefault(key, len(known)) for key in keys_of(parts)]
    return (codes if len(known) == len(places) else np.fromiter(places, np.int64)[codes]), list(known)


def coded_parts(
    columns: Sequence[pa.Array], pairs: int, *, is_loose: bool = False
) -> tuple[NDArray[np.int64], list[pa.Array]]:
    """Return for every pair the place of its key, and the parts of the keys there are, a column of texts for each.

    A key is there twice where the dictionary of a column holds a text twice. Where `is_loose`, others may be there
    twice, or be those of no pair, if to look for such would take longer than it saves.
    """
    if not columns:
        return np.zeros(pairs, np.int64), []
    codes, texts = _codes_of(columns[0], is_loose=is_loose and len(columns) == 1)
    parts = [texts]
    for column in columns[1:]:
        more, texts = _codes_of(column)
        size = len(texts)
        codes, places = _compact(codes * size + more, len(parts[0]) * size)
        parts = [*(taken(part, places // size) for part in parts), taken(texts, places % size)]
    return codes, parts


def keys_of(parts: Sequence[pa.Array]) -> list[Key]:
    """Return the keys of which these are the parts; without parts there is one."""
    return list(zip(*(texts_of(as_texts(part)) for part in parts), strict=True)) if parts else [()]


def unified(parts: Sequence[Sequence[pa.Array]], sizes: Sequence[int]) -> tuple[NDArray[np.int64], list[pa.Array]]:
    """Return the places of keys among the different ones, as they are met, and the parts of those.

    `parts` are those of several groups of keys, one after the other, and `sizes` how many keys each group has.

    >>> import pyarrow as pa
    >>> places, (texts,) = unified([[pa.array(["a", "b"])], [pa.array(["c", "a"])]], [2, 2])
    >>> places.tolist(), texts.to_pylist()
    ([0, 1, 2, 0], ['a', 'b', 'c'])
    """
    import pyarrow as pa

    if not any(parts):
        return np.zeros(sum(sizes), np.int64), []
    are_integers = all(_is_integer(part) for keys in parts for part in keys)
    if sum(sizes) <= FEW_KEYS and not are_integers:
        known: dict[Key, int] = {}
        places: list[int] = []
        last, here = None, list[int]()
        for keys in parts:
            if last is None or not all(map(pa.Array.equals, keys, last)):  # those of neighbours often are the same
                last, here = keys, [known.setdefault(key, len(known)) for key in keys_of(keys)]
            places += here
        return np.fromiter(places, np.int64), list(map(texts_as_arrow, zip(*known, strict=True)))
    columns = list(map(_chained, zip(*parts, strict=True)))
    if any(column.nbytes > MOST_BYTES for column in columns):
        raise UsageError("the names of groups are more than 2 GB", hint=FEWER_GROUPS)
    codes, texts = _encoded(columns[0])
    if len(columns) == 1:
        return codes, [texts]
    for column in columns[1:]:
        more, texts = _encoded(column)
        codes, _ = _compact(codes * len(texts) + more, (int(codes.max(initial=-1)) + 1) * len(texts))
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)  # as they are met
    ranks = np.empty(order.size, np.int64)
    ranks[order] = np.arange(order.size)
    return ranks[inverse], [taken(column.combine_chunks(), first[order]) for column in columns]


class Places:
    """Finds the places of keys among the different ones, as they are met: as `unified`, of keys that come in turn.

    Integers are found in a table, for as long as it has few gaps.

    >>> import pyarrow as pa
    >>> places = Places()
    >>> [places.of([[pa.array(keys)]], [2]).tolist() for keys in ([7, 5], [9, 7])], places.keys[0].to_pylist()
    ([[0, 1], [2, 0]], [7, 5, 9])
    """

    def __init__(self, keys: list[pa.Array] | None = None, size: int = 0) -> None:
        self.keys, self.size = keys or [], size
        self._lowest, self._table = 0, np.zeros(0, np.int32)  # which holds 1 more than a place, and 0 where no key is

    @property
    def has_table(self) -> bool:
        """Whether keys are found in a table."""
        return self._table.size > 0

    def of(self, parts: Sequence[list[pa.Array]], sizes: Sequence[int]) -> NDArray[Any]:
        """Return the places of keys: `parts` and `sizes` are as `unified` takes them."""
        known = 1 if self.size else 0
        every = [self.keys, *parts][1 - known :]
        if every and all(len(keys) == 1 and _is_integer(keys[0]) for keys in every):
            values = [np.from_dlpack(keys[0]) for keys in every]
            before, new = np.concatenate([_NONE, *values[:known]]), np.concatenate([_NONE, *values[known:]])
            if self._reaches(before, new):
                return self._found(before, new)
        self._table = np.zeros(0, np.int32)
        places, self.keys = unified(every, [self.size, *sizes][1 - known :])
        start, self.size = self.size, int(places.max(initial=-1)) + 1
        return places[start:]

    def _reaches(self, known: NDArray[np.int64], new: NDArray[np.int64]) -> bool:
        """Return whether the table goes from the least integer to the greatest; not where it has too many gaps."""
        lowest, span = _span(new)
        if self._lowest <= lowest and lowest + span <= self._lowest + self._table.size:
            return True
        every = np.concatenate([known, new])
        self._lowest, span = _span(every)
        if span > MOST_GAPS * every.size:
            return False
        self._table = np.zeros(span, np.int32)
        self._table[known - self._lowest] = np.arange(known.size) + 1
        return True

    def _found(self, known: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int32]:
        here, table = values - self._lowest, self._table
        places = table[here]
        if (new := np.flatnonzero(places == 0)).size:
            here = here[new]
            met = here[_as_met(here, table.size)[1]]
            table[met] = np.arange(self.size, self.size + met.size) + 1
            places[new] = table[here]
            self.keys, self.size = [as_arrow(np.concatenate([known, met + self._lowest]))], self.size + met.size
        return places - 1


def _is_integer(part: pa.Array | pa.ChunkedArray) -> bool:
    import pyarrow as pa

    kind: bool = pa.types.is_integer(part.type)
    return kind


def _chained(chunks: Sequence[pa.Array]) -> pa.ChunkedArray:
    """Return parts of keys one after the other: integers if all are."""
    import pyarrow as pa

    are_integers = all(_is_integer(chunk) for chunk in chunks)
    return pa.chunked_array(chunks if are_integers else list(map(as_texts, chunks)))


def _encoded(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], pa.Array]:

    if _is_integer(column):
        values: NDArray[np.int64] = np.concatenate([np.from_dlpack(chunk) for chunk in column.chunks])
        lowest, span = _span(values)
        if span <= MOST_GAPS * values.size:
            places, first = _as_met(values - lowest, span)
            return places, as_arrow(values[first])
    chunks = encoded(column).chunks
    codes = [np.from_dlpack(chunk.indices).astype(np.int64) for chunk in chunks if len(chunk)]
    return np.concatenate([np.zeros(0, np.int64), *codes]), chunks[-1].dictionary


def _as_met(codes: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return codes below `size` in the order in which they are met, and the place where each is.

    >>> _as_met(np.array([7, 2, 7, 5]), 8)
    (array([0, 1, 0, 2]), array([0, 1, 3]))
    """
    here = np.arange(codes.size)
    table = np.empty(size, np.int64)
    table[codes[::-1]] = here[::-1]  # of one that is there twice, the last that is written stays
    first = np.flatnonzero(table[codes] == here)
    table[codes[first]] = np.arange(first.size)
    return table[codes], first


def _span(values: NDArray[np.int64]) -> tuple[int, int]:
    """Return the least of some integers, and how many there are from it to the greatest.

    >>> _span(np.array([7, -2, 5])), _span(np.array([2, 3])), _span(np.array([], np.int64))
    ((-2, 10), (2, 2), (0, 0))
    """
    lowest, highest = (int(values.min()), int(values.max())) if values.size else (0, -1)
    return lowest, highest - lowest + 1


def taken(texts: pa.Array, places: NDArray[np.int64]) -> pa.Array:
    """Return the parts of keys at some places."""
    if _is_integer(texts):
        return as_arrow(np.from_dlpack(texts)[places])
    if len(texts) > FEW_KEYS:
        return chosen_texts([texts], places)
    known = texts_of(texts)
    return texts_as_arrow(known[place] for place in places.tolist())


def _codes_of(column: pa.Array, *, is_loose: bool = False) -> tuple[NDArray[np.int64], pa.Array]:
    """As `coded_parts`, of one column."""
    if _is_integer(column):
        values = np.from_dlpack(column).astype(np.int64, copy=False)
        lowest, span = _span(values)
        if span <= MOST_GAPS * values.size:
            codes = values - lowest if lowest else values
            if is_loose and are_runs(codes.size, span):
                return codes, as_arrow(np.arange(span) + lowest)
            codes, places = _compact(codes, span)
            return codes, as_arrow(places + lowest)
        if is_loose and values.size > FEW_KEYS and _hardly_repeat(values):
            return np.arange(values.size), column
    coded = encoded(column)
    size, codes = len(coded.dictionary), np.from_dlpack(coded.indices).astype(np.int64)
    if is_loose and are_runs(codes.size, size):
        return codes, coded.dictionary
    codes, places = _compact(codes, size)
    return codes, coded.dictionary if len(places) == size else taken(coded.dictionary, places)


def _hardly_repeat(values: NDArray[np.int64]) -> bool:
    """Return whether of some stretches of integers hardly two are the same; equal ones may stand side by side."""
    stretches = values[: values.size // SAMPLED_RUN * SAMPLED_RUN].reshape(-1, SAMPLED_RUN)
    some = stretches[:: -(-len(stretches) // SAMPLED_RUNS)]
    return np.unique(some).size > some.size - some.size // 64


def _compact(codes: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return codes without gaps, and the code that each of them was; a code is below `size`."""
    if size > MOST_GAPS * codes.size:
        places, compact = np.unique(codes, return_inverse=True)
        return compact.astype(np.int64), places
    is_there = np.zeros(size, bool)
    is_there[codes] = True
    places = np.flatnonzero(is_there)
    if places.size == size:
        return codes, places
    ranks = np.empty(size, np.int64)
    ranks[places] = np.arange(places.size)
    return ranks[codes], places


def order_of(parts: Sequence[pa.Array], size: int) -> NDArray[np.int64]:
    """Return the places of different keys in an order that does not depend on that of rows: by the first part, then on.

    Numbers by value, infinite ones too, before other text, of which the empty one is the first; NaN is no number.

    >>> import pyarrow as pa
    >>> texts = pa.array(["b", "10", "9", "1e-05", "0.1", ""])
    >>> texts.take(pa.array(order_of([texts], 6))).to_pylist()
    ['1e-05', '0.1', '9', '10', '', 'b']
    """
    if size <= FEW_KEYS and not (len(parts) == 1 and _is_integer(parts[0])):
        keys = keys_of(parts) if size else []
        return np.fromiter(sorted(range(size), key=lambda place: [_rank(text) for text in keys[place]]), np.int64)
    if len(parts) < 2:
        return _order_of_part(parts[0])
    ranks = []
    for part in parts:
        coded = encoded(part)
        order = _order_of_part(coded.dictionary)
        rank = np.empty(order.size, np.int64)
        rank[order] = np.arange(order.size)
        ranks.append(rank[np.from_dlpack(coded.indices)])
    return np.lexsort(ranks[::-1])


def _order_of_part(texts: pa.Array) -> NDArray[np.int64]:
    """Return the places of different parts of keys in their order."""
    if _is_integer(texts):
        values = np.from_dlpack(texts).astype(np.int64, copy=False)
        lowest, span = _span(values)
        if span > MOST_GAPS * values.size:
            return np.argsort(values)
        table = np.zeros(span, np.int64)
        table[values - lowest] = np.arange(values.size) + 1
        return table[table > 0] - 1
    import pyarrow.compute as pc

    is_number = _matches(texts, rf"(?i)\A(?:{_NUMBER})\z")
    is_number &= np.from_dlpack(pc.utf8_length(texts)) < LONGEST_NUMBER
    numbers, others = np.flatnonzero(is_number), np.flatnonzero(~is_number)
    by_value = _order_of_numbers(taken(texts, numbers))
    by_text = np.from_dlpack(pc.array_sort_indices(taken(texts, others))).astype(np.int64)
    return np.concatenate([numbers[by_value], others[by_text]])


def _matches(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    return np.from_dlpack(pc.match_substring_regex(texts, pattern).cast(pa.uint8())).astype(bool)


def _order_of_numbers(texts: pa.Array) -> NDArray[np.int64]:
    import pyarrow as pa

    if _matches(texts, _PLAIN_NUMBER).all():
        values = np.from_dlpack(texts.cast(pa.float64()))
        order = np.argsort(values, kind="stable")
        if (np.diff(values[order]) > 0).all():
            return order
    known = texts_of(texts)
    return np.fromiter(sorted(range(len(known)), key=lambda place: _rank(known[place])), np.int64)


def _rank(text: str) -> tuple[int, float, str]:
    # Integers are compared in all their digits, with floats too; equal numbers go by how they are written.
    if len(text) >= LONGEST_NUMBER or not _IS_NUMBER.fullmatch(text):
        return 1, 0, text
    return 0, int(text) if text.lstrip("+-").isdecimal() else float(text), text
