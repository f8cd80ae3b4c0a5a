"""Sums and counts by key, exact: one row of arrays for each key, however many pairs it has.

A batch becomes a `LedgerBlock`, in the worker; a `Ledger` adds blocks up. Both add exactly, so the order of blocks does
not matter, and a key's totals are what its pairs alone would give.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from mrl_cli.arrow import as_arrow
from mrl_cli.errors import UsageError
from mrl_cli.exact.codes import SumsByCode, grown, sums_by_code, sums_of_products_by_code
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.measured import STATES, are_correct
from mrl_cli.reductions.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.exact import ExactSum
    from mrl_cli.reductions.measured import Measured

MOST_KEYS = 1_000_000  # a kilobyte and a half each, with what is reported of them
LONGEST_NUMBER = 4000  # characters; Python makes no integer of more digits
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)", re.IGNORECASE)

Key = tuple[str, ...]


class LedgerBlock(NamedTuple):
    """What a batch adds to each of its keys: `counts` of pairs by state, shape (keys, states), and `sums` by name.

    `lowest` and `highest`, of shape (keys,), are the range of losses, where that is wanted.
    """

    keys: list[Key]
    counts: NDArray[np.int64]
    sums: dict[str, SumsByCode]
    lowest: NDArray[np.float64] | None = None
    highest: NDArray[np.float64] | None = None


class LedgerReduction(Reduction["list[LedgerBlock]", "Ledger"]):
    """Adds up totals by the keys of a plan, those of its `key_roles`; `squares` and `describes` are those of totals."""

    state = list
    joins = True
    needs = frozenset(("losses", "states"))

    def __init__(self, *, squares: bool = False, describes: bool = False) -> None:
        self._squares, self._describes = squares, describes

    def add(self, state: list[LedgerBlock], measured: Measured) -> list[LedgerBlock]:
        """Add what a batch adds to each of its keys."""
        pairs = measured.pairs
        columns = [pairs.keys[role] for role in measured.plan.key_roles]
        if columns and pairs.size:
            losses, weights = measured.losses.astype(np.float64, copy=False), pairs.numbers.get("weight")
            described = None
            if self._describes:
                differences = measured.differences.astype(np.float64, copy=False)
                described = {"difference": differences, "x1": pairs.x1, "x2": pairs.x2}
            block = ledger_block(columns, losses, measured.states, weights, squares=self._squares, described=described)
            state.append(block)
        return state

    def whole(self) -> Ledger:
        """Return a ledger without keys."""
        return Ledger()


def ledger_block(
    columns: Sequence[pa.Array],
    losses: NDArray[np.float64],
    states: NDArray[np.uint8],
    weights: NDArray[np.float64] | None = None,
    *,
    squares: bool = False,
    described: Mapping[str, NDArray[np.float64]] | None = None,
) -> LedgerBlock:
    """Return what pairs add to their keys; each of `columns` holds one part of the key of every pair, in row order.

    The sums: `loss` (weighted: of w*l), with weights `weight` and `correct_weight`, with squares `square` (of l*l);
    those of `described`, and `difference_square`.
    """
    codes, keys = coded(columns, losses.size)
    size = len(keys)
    lowest, highest = np.full(size, math.inf), np.full(size, -math.inf)
    with np.errstate(invalid="ignore"):
        np.minimum.at(lowest, codes, losses)
        np.maximum.at(highest, codes, losses)
    if weights is None:
        sums = {"loss": sums_by_code(losses, codes, size)}
    else:
        sums = {
            "loss": sums_of_products_by_code(weights, losses, codes, size),
            "weight": sums_by_code(weights, codes, size),
            "correct_weight": sums_by_code(np.where(are_correct(states), weights, 0.0), codes, size),
        }
    if squares:
        sums["square"] = sums_of_products_by_code(losses, losses, codes, size)
    if described is not None:
        sums |= {name: sums_by_code(values, codes, size) for name, values in described.items()}
        differences = described["difference"]
        sums["difference_square"] = sums_of_products_by_code(differences, differences, codes, size)
    return LedgerBlock(keys, counts_by_code(states, codes, size, STATES), sums, lowest, highest)


def counts_by_code(
    states: NDArray[np.integer], codes: NDArray[np.int64], size: int, state_count: int
) -> NDArray[np.int64]:
    """Return how many pairs of each of `size` codes are in each state, shape (size, state_count)."""
    return np.bincount(codes * state_count + states, minlength=size * state_count).reshape(size, state_count)


def coded(columns: Sequence[pa.Array], pairs: int) -> tuple[NDArray[np.int64], list[Key]]:
    """Return for every pair the place of its key in the list of those there are; without columns all have one key.

    >>> import pyarrow as pa
    >>> coded([pa.array(["a", "b", "a"]), pa.array(["1", "1", "1"])], 3)
    (array([0, 1, 0]), [('a', '1'), ('b', '1')])
    """
    if not columns:
        return np.zeros(pairs, np.int64), [()]
    codes, texts = _codes_of(columns[0])
    keys: list[Key] = [(text,) for text in texts]
    for column in columns[1:]:
        more, texts = _codes_of(column)
        codes, places = _compact(codes * len(texts) + more, len(keys) * len(texts))
        keys = [(*keys[place // len(texts)], texts[place % len(texts)]) for place in places]
    return codes, keys


def _codes_of(column: pa.Array) -> tuple[NDArray[np.int64], list[str]]:
    import pyarrow as pa

    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes, places = _compact(np.from_dlpack(coded.indices).astype(np.int64), len(coded.dictionary))
    is_far_larger = len(coded.dictionary) > 8 * codes.size
    texts = texts_of(coded.dictionary.take(as_arrow(np.array(places))) if is_far_larger else coded.dictionary)
    if len(places) < len(texts):
        texts = [texts[place] for place in places]
    if len(set(texts)) < len(texts):  # a dictionary may hold one text twice
        first: dict[str, int] = {}
        codes = np.array([first.setdefault(text, len(first)) for text in texts], np.int64)[codes]
        texts = list(first)
    return codes, texts


def texts_of(column: pa.Array) -> list[str]:
    """Return the texts of a column of strings without nulls: ten times as quickly as Arrow makes them Python objects.

    >>> import pyarrow as pa
    >>> texts_of(pa.array(["", "a", "ü", "b"])[1:])
    ['a', 'ü', 'b']
    """
    _, offsets, data = column.buffers()
    if data is None or not len(column):
        return [""] * len(column)
    bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1].tolist()
    whole = data.to_pybytes()
    if not whole.isascii():
        return [whole[start:stop].decode() for start, stop in pairwise(bounds)]
    text = whole.decode("ascii")
    return [text[start:stop] for start, stop in pairwise(bounds)]


def _compact(codes: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], list[int]]:
    """Return codes without gaps, and the code that each of them was; a code is below `size`."""
    if size > 8 * codes.size:
        places, compact = np.unique(codes, return_inverse=True)
        return compact.astype(np.int64), places.tolist()
    is_there = np.bincount(codes, minlength=size) > 0
    if is_there.all():
        return codes, list(range(size))
    return (np.cumsum(is_there) - 1)[codes], np.flatnonzero(is_there).tolist()


class Ledger:
    """Adds blocks up, key by key; `+=` adds those of a task."""

    def __init__(self, states: int = STATES) -> None:
        self._places: dict[Key, int] = {}
        self._counts = np.zeros((0, states), np.int64)
        self._lowest, self._highest = np.empty(0), np.empty(0)
        self._sums: dict[str, SumsByCode] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iadd__(self, blocks: Iterable[LedgerBlock]) -> Self:
        for block in blocks:
            self.add(block)
        return self

    def add(self, block: LedgerBlock) -> NDArray[np.int64]:
        """Add a block; return the places of its keys. Raises UsageError for more keys than a ledger holds."""
        known = self._places
        codes = list(map(known.get, block.keys))  # most keys are known, and this is the quick way to find them
        if None in codes:
            codes = [known.setdefault(key, len(known)) for key in block.keys]
        places = np.array(codes, np.int64)
        if len(known) > MOST_KEYS:
            msg = f"more than {MOST_KEYS:,} groups"
            raise UsageError(msg, hint="group by a column with fewer values")
        if len(known) > len(self._counts):
            self._counts = grown(self._counts, 2 * len(known), 0)
            self._lowest = grown(self._lowest, 2 * len(known), math.inf)
            self._highest = grown(self._highest, 2 * len(known), -math.inf)
        self._counts[places] += block.counts
        if block.lowest is not None and block.highest is not None:
            self._lowest[places] = np.minimum(self._lowest[places], block.lowest)
            self._highest[places] = np.maximum(self._highest[places], block.highest)
        for name, sums in block.sums.items():
            self._sums.setdefault(name, SumsByCode()).add(sums, places, len(self._counts))
        return places

    @property
    def keys(self) -> list[Key]:
        """The keys, as they were met."""
        return list(self._places)

    def regrouped(self, coarser: Callable[[Key], Key]) -> Ledger:
        """Return the ledger by other keys, fewer perhaps: those that a key becomes; what meets adds up, exactly."""
        known: dict[Key, int] = {}
        codes = np.array([known.setdefault(coarser(key), len(known)) for key in self._places], np.int64)
        counts = np.zeros((len(known), self._counts.shape[1]), np.int64)
        lowest, highest = np.full(len(known), math.inf), np.full(len(known), -math.inf)
        for every, ours, add in (
            (counts, self._counts, np.add),
            (lowest, self._lowest, np.minimum),
            (highest, self._highest, np.maximum),
        ):
            add.at(every, codes, ours[: len(self)])
        sums = {name: sums.regrouped(codes, len(known)) for name, sums in self._sums.items()}
        whole = Ledger(self._counts.shape[1])
        whole.add(LedgerBlock(list(known), counts, sums, lowest, highest))
        return whole

    def range_at(self, place: int) -> tuple[float, float]:
        """Return the least and the greatest loss of the key at a place."""
        return float(self._lowest[place]), float(self._highest[place])

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the counts of every key, shape (keys, states), and its sum of losses, (keys,): as they were met."""
        return self._counts[: len(self)], self._sums.get("loss", SumsByCode()).rounded(len(self))

    def correct(self) -> NDArray[np.int64]:
        """Return how many pairs of every key are correct, shape (keys,), in the order of `arrays`."""
        correct: NDArray[np.int64] = self._counts[: len(self), are_correct(np.arange(STATES, dtype=np.uint8))].sum(
            axis=1
        )
        return correct

    @property
    def total(self) -> Totals:
        """The totals of all keys together."""
        return next((totals for _, totals in self.regrouped(lambda _: ()).totals()), Totals())

    def totals(self) -> Iterator[tuple[Key, Totals]]:
        """Yield every key with its totals, in the order in which `sorted_keys` puts them."""
        for key, place, counts, sums in self.entries():
            of: dict[str, Any] = {f"{name}_sum": total for name, total in sums.items()}
            least, greatest = self.range_at(place)
            yield key, Totals.of_states(counts.tolist(), min=least, max=greatest, **of)

    def entries(self) -> Iterator[tuple[Key, int, NDArray[np.int64], dict[str, ExactSum]]]:
        """Yield every key with its place, its counts, shape (states,), and its sums, in the order of `totals`."""
        for key in sorted_keys(self._places):
            place = self._places[key]
            yield key, place, self._counts[place], {name: sums.at(place) for name, sums in self._sums.items()}


def sorted_keys(keys: Iterable[Key]) -> list[Key]:
    """Return keys in an order that does not depend on the order of rows: numbers by value, infinite ones too, before
    other text, of which the empty one is the first; NaN is no number.

    >>> sorted_keys([("b",), ("10",), ("9",), ("1e-05",), ("0.1",), ("",)])
    [('1e-05',), ('0.1',), ('9',), ('10',), ('',), ('b',)]
    """
    return sorted(keys, key=lambda key: [_rank(text) for text in key])


def _rank(text: str) -> tuple[int, float, str]:
    # Integers are compared in all their digits, with floats too; equal numbers go by how they are written.
    if len(text) >= LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return 1, 0, text
    return 0, int(text) if text.lstrip("+-").isdecimal() else float(text), text
