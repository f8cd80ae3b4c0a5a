"""Sums and counts by key, exact: one row of arrays for each key, however many pairs it has.

A batch becomes a `LedgerBlock`, in the worker; a `Ledger` adds blocks up. Both add exactly, so the order of blocks does
not matter, and a key's totals are what its pairs alone would give.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from mrl_cli.errors import UsageError
from mrl_cli.exact.blocks import PRODUCT_VALUES, cut
from mrl_cli.exact.codes import (
    Bins,
    Piece,
    SumsByCode,
    grown,
    near_order,
    ranges_by_code,
)
from mrl_cli.exact.runs import MOST_ARRANGED, Runs, are_runs, sums_by_run
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.keys import FEW_KEYS, FEWER_GROUPS, Places, coded_parts, keys_of, order_of, taken, unified
from mrl_cli.reductions.measured import STATES, are_correct
from mrl_cli.reductions.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.exact import ExactSum
    from mrl_cli.reductions.keys import Key
    from mrl_cli.reductions.measured import Measured

MOST_KEYS = 1_000_000  # a kilobyte and a half each, with what is reported of them
MANY_KEYS = MOST_KEYS // 4  # from here on there is room for the most: it takes memory once it is used
FEWEST_WAITING = FEW_KEYS // 2
ROWS_OF_KEY = 3  # take about the memory of the sums of one


class LedgerBlock(NamedTuple):
    """What a batch adds to each of its keys: `counts` of pairs by state, shape (keys, states), and `sums` by name.

    `keys` are the parts of the keys, as `keys_of` takes them. `lowest` and `highest`, of shape (keys,), are the range
    of losses: infinite, the least above, where that is not wanted.
    """

    keys: list[pa.Array]
    counts: NDArray[np.integer]
    sums: dict[str, SumsByCode]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]

    @classmethod
    def of(cls, keys: list[pa.Array], counts: NDArray[np.integer], sums: dict[str, SumsByCode]) -> LedgerBlock:
        """Return a block without a range of losses."""
        size = len(counts)
        return cls(keys, counts, sums, np.full(size, math.inf), np.full(size, -math.inf))

    @property
    def size(self) -> int:
        """How many keys there are."""
        return len(self.counts)

    @property
    def held_keys(self) -> int:
        """The sums of how many keys are held."""
        return self.size

    def add(self, block: LedgerBlock, places: NDArray[np.int64] | None = None) -> None:
        """Add another block, in place, whose key i is the one at places[i], or the one at i."""
        if places is not None:
            is_met = np.zeros(self.size, bool)
            is_met[places] = True
            if np.count_nonzero(is_met) < places.size:  # of a key that is there twice
                block, places = block.regrouped(places, self.keys, self.size), None
        here = slice(None) if places is None else places
        self.counts[here] += block.counts
        self.lowest[here] = np.minimum(self.lowest[here], block.lowest)
        self.highest[here] = np.maximum(self.highest[here], block.highest)
        for name, sums in block.sums.items():
            self.sums.setdefault(name, SumsByCode()).add(sums, places, self.size)

    def add_rows(self, rows: Sequence[LedgerRows], codes: Sequence[NDArray[np.integer]], bins: dict[str, Bins]) -> None:
        """Add pairs, in place: pair j of rows[i] has the key at codes[i][j]. Their sums are added to bins by name."""
        places = np.concatenate(codes)
        order, most = near_order(places, self.size)  # additions to neighbours are several times as quick
        places, terms = places.take(order), rows[0].terms
        names, numbers = list(rows[0].numbers), np.concatenate([one.table for one in rows])
        states = np.concatenate([one.states for one in rows])
        for name in terms:
            bins.setdefault(name, Bins()).expect(most)
        for here in cut(order.size, PRODUCT_VALUES):
            taken, codes_here = order[here], places[here]
            arranged = dict(zip(names, np.ascontiguousarray(numbers.take(taken, axis=0).T), strict=True))
            np.add.at(self.counts.reshape(-1), codes_here * self.counts.shape[1] + states[taken], 1)
            with np.errstate(invalid="ignore"):
                np.minimum.at(self.lowest, codes_here, arranged["loss"])
                np.maximum.at(self.highest, codes_here, arranged["loss"])
            for name, (first, *others) in terms.items():
                bins[name].add(Piece(arranged[first], codes_here, *map(arranged.get, others)), self.size)

    def totals(self, places: NDArray[np.int64] | slice) -> Totals:
        """Return totals as arrays: each field has a place for each key at some places; sums are `SumsByCode`."""
        of: dict[str, Any] = {f"{name}_sum": sums[places] for name, sums in self.sums.items()}
        counts: Any = np.ascontiguousarray(self.counts[places].T)
        return Totals.of_states(counts, min=self.lowest[places], max=self.highest[places], **of)

    def taken(self, places: NDArray[np.int64]) -> LedgerBlock:
        """Return what is added to the keys at some places."""
        keys, sums = [taken(part, places) for part in self.keys], {name: of[places] for name, of in self.sums.items()}
        return LedgerBlock(keys, self.counts[places], sums, self.lowest[places], self.highest[places])

    def regrouped(self, codes: NDArray[np.int64], keys: list[pa.Array], size: int | None = None) -> LedgerBlock:
        """Return the block by other keys: code i becomes codes[i], and what meets adds up, exactly."""
        size = int(codes.max()) + 1 if size is None else size
        sums = {name: sums.regrouped(codes, size) for name, sums in self.sums.items()}
        if size == 1:  # the total, of which nothing has to be told apart
            bounds = self.lowest.min(keepdims=True), self.highest.max(keepdims=True)
            return LedgerBlock(keys, self.counts.sum(axis=0, dtype=np.int64)[np.newaxis], sums, *bounds)
        counts = [np.bincount(codes, column, size) for column in self.counts.T]  # of which a double holds any sum
        whole = LedgerBlock.of(keys, np.stack(counts, axis=1).astype(np.int64), sums)
        np.minimum.at(whole.lowest, codes, self.lowest)
        np.maximum.at(whole.highest, codes, self.highest)
        return whole

    def grown(self, size: int) -> LedgerBlock:
        """Return the block with room for so many keys, which are not there yet."""
        counts, ranges = grown(self.counts, size, 0), ((self.lowest, math.inf), (self.highest, -math.inf))
        return LedgerBlock([], counts, self.sums, *(grown(array, size, fill) for array, fill in ranges))


Held: TypeAlias = "LedgerBlock | LedgerRows"


class LedgerReduction(Reduction["list[Held]", "Ledger"]):
    """Adds up totals by the keys of a plan, those of its `key_roles`; `squares` and `describes` are those of totals."""

    state = list
    joins = shrinks = True

    def __init__(self, *, squares: bool = False, describes: bool = False) -> None:
        self._squares, self._describes = squares, describes
        self.needs = frozenset(("losses", "states", *(["differences"] if describes else [])))

    def add(self, state: list[Held], measured: Measured) -> list[Held]:
        """Add what a batch adds to each of its keys."""
        pairs = measured.pairs
        columns = [pairs.keys[role] for role in measured.plan.key_roles]
        if columns and pairs.size:
            described = {"difference": measured.differences, "x1": pairs.x1, "x2": pairs.x2} if self._describes else {}
            weights, squares = pairs.numbers.get("weight"), self._squares
            rows = LedgerRows.of(columns, measured.losses, measured.states, weights, described, squares=squares)
            state.append(rows.held())
        return state

    def join(self, state: list[Held], next_state: list[Held]) -> list[Held]:
        """Return the blocks of both, added up where those that wait have as many keys as the first."""
        state += next_state
        waiting = sum(block.held_keys for block in state[1:])
        return self.packed(state) if waiting > max(state[0].held_keys, FEWEST_WAITING) else state

    def outgrows(self, state: list[Held]) -> bool:
        """Return whether there are so many keys that pairs are held."""
        return any(isinstance(held, LedgerRows) for held in state)

    def packed(self, state: list[Held]) -> list[Held]:
        """Return the blocks added up to one."""
        return [Ledger.of(state).block] if len(state) > 1 else state

    def whole(self) -> Ledger:
        """Return a ledger without keys."""
        return Ledger()


class LedgerRows(NamedTuple):
    """Pairs of a batch and their keys, to be added up. Where hardly two have one key they are held as they stand.

    That is cheaper than their sums, and they are added up with those of other batches. Pair i has the key at codes[i]
    of `keys`. `numbers` are doubles by the names that `of` has for sums of them; `with_squares` asks for those of
    losses. Once they are held, the numbers of a pair stand side by side in a row of `table`, shape (n, numbers), whose
    columns `numbers` are.
    """

    keys: list[pa.Array]
    codes: NDArray[Any]
    states: NDArray[np.uint8]
    numbers: dict[str, NDArray[np.float64]]
    with_squares: bool
    table: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        columns: Sequence[pa.Array],
        losses: NDArray[Any],
        states: NDArray[np.uint8],
        weights: NDArray[np.float64] | None = None,
        described: Mapping[str, NDArray[Any]] | None = None,
        *,
        squares: bool = False,
    ) -> LedgerRows:
        """Return pairs; each of `columns` holds one part of the key of every pair, in row order.

        The sums: `loss` (weighted: of w*l), with weights `weight` and `correct_weight`, with squares `square` (of l*l);
        those of `described`, and `difference_square`.
        """
        codes, keys = coded_parts(columns, losses.size, is_loose=True)
        numbers = {"loss": losses, **(described or {})}
        if weights is not None:
            numbers |= {"weight": weights, "correct_weight": np.where(are_correct(states), weights, 0.0)}
        doubles = {name: values.astype(np.float64, copy=False) for name, values in numbers.items()}
        return cls(keys, codes, states, doubles, squares)

    @property
    def size(self) -> int:
        """How many keys there are."""
        return len(self.keys[0]) if self.keys else 1

    @property
    def held_keys(self) -> int:
        """The sums of how many keys would take as much memory."""
        return self.codes.size // ROWS_OF_KEY

    @property
    def terms(self) -> dict[str, tuple[str, ...]]:
        """What the sums are of by their names: of the numbers called so, or of products of two."""
        terms: dict[str, tuple[str, ...]] = {"loss": ("loss", "weight") if "weight" in self.numbers else ("loss",)}
        if self.with_squares:
            terms["square"] = "loss", "loss"
        if "difference" in self.numbers:
            terms |= {"difference": ("difference",), "difference_square": ("difference", "difference")}
        return terms | {name: (name,) for name in self.numbers if name not in terms}

    def held(self) -> Held:
        """Return what takes less memory: the pairs, or what they add to their keys."""
        if FEWEST_WAITING < self.codes.size < ROWS_OF_KEY * self.size:
            table = np.stack(list(self.numbers.values()), axis=1)
            numbers = dict(zip(self.numbers, table.T, strict=True))
            return self._replace(codes=self.codes.astype(np.int32), numbers=numbers, table=table)
        return self.summed()

    def summed(self) -> LedgerBlock:
        """Return what the pairs add to their keys."""
        if are_runs(self.codes.size, self.size):
            return self._summed_by_run()
        counts = counts_by_code(self.states, self.codes, self.size, STATES)
        sums = {
            name: Piece(self.numbers[first], self.codes, *map(self.numbers.get, others)).sums(self.size).tidied()
            for name, (first, *others) in self.terms.items()
        }
        ranges = ranges_by_code(self.numbers["loss"], self.codes, self.size)
        # Many blocks wait for their turn, and of a million groups each is large.
        return LedgerBlock(self.keys, counts.astype(np.int32), sums, *ranges)

    def _summed_by_run(self) -> LedgerBlock:
        blocks = []
        for here in cut(self.codes.size, MOST_ARRANGED):
            runs = Runs.of(self.codes[here], self.states[here], self.size)
            numbers = {name: values[here] for name, values in self.numbers.items()}
            blocks.append(LedgerBlock(self.keys, runs.counts, *sums_by_run(numbers, self.terms, runs, "loss")))
        whole, *others = blocks
        for block in others:
            whole.add(block)
        there = np.flatnonzero(whole.counts.any(axis=1))
        return whole if there.size == self.size else whole.taken(there)


def counts_by_code(
    states: NDArray[np.integer], codes: NDArray[np.int64], size: int, state_count: int
) -> NDArray[np.int64]:
    """Return how many pairs of each of `size` codes are in each state, shape (size, state_count)."""
    return np.bincount(codes * state_count + states, minlength=size * state_count).reshape(size, state_count)


class Ledger:
    """Adds blocks up, key by key; `+=` adds those of a task.

    Blocks wait until they have half as many keys as there are, where finding the place of each costs as much as looking
    at those that are known; a table finds them at once, but to add pairs that are far apart takes longer.
    """

    def __init__(self, states: int = STATES) -> None:
        self._states = states
        self._waiting: list[Held] = []
        self._places, self._bins = Places(), dict[str, Bins]()  # the whole has room for more keys
        self._whole = LedgerBlock([], np.zeros((0, states), np.int64), {}, np.empty(0), np.empty(0))

    @classmethod
    def of(cls, blocks: Sequence[Held]) -> Ledger:
        """Return a ledger of some blocks."""
        first = blocks[0]
        ledger = cls(first.counts.shape[1] if isinstance(first, LedgerBlock) else STATES)
        ledger += blocks
        return ledger

    def __len__(self) -> int:
        return len(self.block.counts)

    def __iadd__(self, blocks: Iterable[Held]) -> Self:
        self._waiting += blocks
        share = self._places.size // (6 if self._places.has_table else 2)
        if sum(block.held_keys for block in self._waiting) > max(share, FEWEST_WAITING):
            self._settle()
        return self

    def add(self, block: Held) -> NDArray[Any]:
        """Add a block; return the places of its keys. Raises UsageError for more keys than a ledger holds."""
        self._waiting.append(block)
        return self._settle()

    @property
    def block(self) -> LedgerBlock:
        """What all blocks come to."""
        if self._waiting:
            self._settle()
        if self._bins or self._whole.keys is not self._places.keys:
            for name, bins in self._bins.items():
                of_name = bins.sums()
                if name in self._whole.sums:
                    self._whole.sums[name].add(of_name)
                else:
                    self._whole.sums[name] = of_name
            self._bins, size = {}, self._places.size
            _, counts, sums, lowest, highest = self._whole
            sums = {name: of_name.first(size) for name, of_name in sums.items()}
            self._whole = LedgerBlock(self._places.keys, counts[:size], sums, lowest[:size], highest[:size])
        return self._whole

    def _settle(self) -> NDArray[Any]:
        """Add the blocks that wait; return the places of the keys of the last one."""
        waiting, self._waiting = self._waiting, []
        there = [block for block in waiting if block.size]
        places = self._places.of([block.keys for block in there], [block.size for block in there])
        size = self._places.size
        if size > MOST_KEYS:
            raise UsageError(f"more than {MOST_KEYS:,} groups", hint=FEWER_GROUPS)
        if size > self._whole.size:
            self._whole = self._whole.grown(MOST_KEYS if size > MANY_KEYS else 2 * size)
        start, here = 0, places[:0]
        rows, codes = list[LedgerRows](), []
        for block in waiting:
            here = places[start : start + block.size]
            start += here.size
            if isinstance(block, LedgerBlock):
                self._whole.add(block, here)
            else:
                rows.append(block)
                codes.append(here[block.codes])
        if rows:
            self._whole.add_rows(rows, codes, self._bins)
        return here

    @property
    def keys(self) -> list[Key]:
        """The keys, as they were met."""
        whole = self.block
        return keys_of(whole.keys) if len(whole.counts) else []

    def regrouped(self, places: Sequence[int]) -> Ledger:
        """Return the ledger by these parts of its keys; what meets there adds up, exactly."""
        ours = self.block
        whole = Ledger(self._states)
        if len(self):
            whole._whole = ours.regrouped(*self._unified(places))
            whole._places = Places(whole._whole.keys, whole._whole.size)
        return whole

    def places_in_regrouped(self, places: Sequence[int]) -> NDArray[np.int64]:
        """Return where each key, of which these are parts, is in the ledger by these parts."""
        return self._unified(places)[0]

    def _unified(self, places: Sequence[int]) -> tuple[NDArray[np.int64], list[pa.Array]]:
        keys = self.block.keys
        return unified([[keys[place] for place in places]], [len(self)])

    def range_at(self, place: int) -> tuple[float, float]:
        """Return the least and the greatest loss of the key at a place."""
        whole = self.block
        return float(whole.lowest[place]), float(whole.highest[place])

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the counts of every key, shape (keys, states), and its sum of losses, (keys,): as they were met."""
        whole = self.block
        counts = whole.counts.astype(np.int64, copy=False)
        return counts, whole.sums.get("loss", SumsByCode()).rounded(len(self))

    def correct(self) -> NDArray[np.int64]:
        """Return how many pairs of every key are correct, shape (keys,), in the order of `arrays`."""
        is_correct = are_correct(np.arange(STATES, dtype=np.uint8))
        correct: NDArray[np.int64] = self.block.counts[:, is_correct].sum(axis=1)
        return correct

    @property
    def total(self) -> Totals:
        """The totals of all keys together."""
        return next((totals for _, totals in self.regrouped([]).totals()), Totals())

    @property
    def order(self) -> NDArray[np.int64]:
        """The places of the keys in `block`, in the order of `order_of`."""
        return order_of(self.block.keys, len(self))

    def totals(self) -> Iterator[tuple[Key, Totals]]:
        """Yield every key with its totals, in the order of `order_of`."""
        for key, place, counts, sums in self.entries():
            of: dict[str, Any] = {f"{name}_sum": total for name, total in sums.items()}
            least, greatest = self.range_at(place)
            yield key, Totals.of_states(counts.tolist(), min=least, max=greatest, **of)

    def entries(self) -> Iterator[tuple[Key, int, NDArray[np.int64], dict[str, ExactSum]]]:
        """Yield every key with its place, its counts, shape (states,), and its sums, in the order of `totals`."""
        whole, keys = self.block, self.keys
        order = order_of(whole.keys, len(keys))
        columns = [sums.each(order, len(keys)) for sums in whole.sums.values()]
        for place, *sums in zip(order.tolist(), *columns, strict=True):
            yield keys[place], place, whole.counts[place], dict(zip(whole.sums, sums, strict=True))
