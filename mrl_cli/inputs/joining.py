"""Two files made one: the pairs that two models were scored on, matched by a key or row by row.

No pair is lost quietly: a key that stands twice, or nowhere on the other side, and a label that the two files do not
agree on are matched here. pandas matches the keys, so both files' columns are held in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import as_arrow
from mrl_cli.errors import DataError
from mrl_cli.model import Batch, Role, setting_of
from mrl_cli.records import light_dataclass
from mrl_cli.words import counted, harmless, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray


BATCH_PAIRS = 131072
SHOWN = 3


@light_dataclass(frozen=True, slots=True)
class Side:
    """All pairs of one model: `name` is what messages call its file or files, `batches` hold the pairs in order."""

    name: str
    batches: list[Batch]

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return sum(batch.size for batch in self.batches)

    def numbers(self, role: Role) -> NDArray[Any]:
        """Return a column of numbers of all pairs, shape (pairs,)."""
        return np.concatenate([np.empty(0), *(batch.numbers[role] for batch in self.batches)])

    def filled(self, role: Role) -> NDArray[np.bool_]:
        """Return at which pairs a column of numbers was missing and was filled, shape (pairs,)."""
        return np.concatenate([np.empty(0, bool), *(batch.filled[role] for batch in self.batches)])

    def keys(self, role: Role) -> pa.ChunkedArray:
        """Return a column of keys of all pairs, as plain text."""
        import pyarrow as pa

        return pa.chunked_array([batch.keys[role].cast(pa.string()) for batch in self.batches], pa.string())


@light_dataclass(frozen=True, slots=True)
class Matched:
    """Where the pairs stand that both sides have, in the order of a; and how many each side has alone.

    `key` is the role of the column that they were matched by, None where they were row by row.
    """

    a: Side
    b: Side
    places_a: NDArray[np.intp]
    places_b: NDArray[np.intp]
    key: Role | None = None
    unmatched_a: int = 0
    unmatched_b: int = 0


class RepeatedKeysError(Exception):
    """Signal: a side has keys more than once, or pairs without one; `keys` are the first few of them."""

    def __init__(self, side: Side, keys: tuple[str, ...], key_count: int, pairs: int) -> None:
        super().__init__(side.name)
        self.side, self.keys, self.key_count, self.pairs = side, keys, key_count, pairs


def matched_by_key(a: Side, b: Side, *, drops_unmatched: bool, role: Role = "key") -> Matched:
    """Match pairs by their key, the column of that role, exactly, as text.

    Raises RepeatedKeysError for a key that a side has more than once or not at all (the empty text), and DataError for
    keys that one side has alone, unless they are to be dropped and counted.
    """
    import pandas as pd

    indexes = [pd.Index(pd.arrays.ArrowStringArray(side.keys(role))) for side in (a, b)]
    for side, index in zip((a, b), indexes, strict=True):
        is_repeated = index.duplicated(keep=False) | np.asarray(index == "", dtype=bool)
        if is_repeated.any():
            repeated = index[is_repeated].unique()
            raise RepeatedKeysError(side, tuple(map(str, repeated[:SHOWN])), len(repeated), int(is_repeated.sum()))
    places = np.asarray(indexes[1].get_indexer(indexes[0]), dtype=np.intp)
    places_a = np.flatnonzero(places >= 0)
    alone_a, alone_b = np.flatnonzero(places < 0), np.ones(len(indexes[1]), dtype=bool)
    alone_b[places[places_a]] = False
    matched = Matched(a, b, places_a, places[places_a], role, alone_a.size, int(np.count_nonzero(alone_b)))
    if drops_unmatched or not (matched.unmatched_a or matched.unmatched_b):
        return matched
    alone = counted(matched.unmatched_a + matched.unmatched_b, "pair is", "pairs are")
    lines = [f"{alone} in one file only ({places_a.size:,} in both)"]
    for side, index, places in ((a, indexes[0], alone_a), (b, indexes[1], np.flatnonzero(alone_b))):
        if places.size:
            examples = ", ".join(repr(harmless(str(key))) for key in index[places[:SHOWN]])
            more = ", …" if places.size > SHOWN else ""
            lines.append(f"  only in {side.name}  {places.size:>6,}   {examples}{more}")
    hint = "--unmatched drop leaves them out and counts them"
    if not places_a.size:
        hint = "is --key the column that tells the pairs apart in both files?"
    raise DataError("\n".join(lines), hint=hint)


def matched_by_row(a: Side, b: Side) -> Matched:
    """Match the first pair of a with the first of b, and so on. Raises DataError when one has more than the other."""
    if a.pairs != b.pairs:
        msg = f"{a.name} has {a.pairs:,} pairs and {b.name} {b.pairs:,}: not the same rows"
        raise DataError(msg, hint="match them by a column that tells the pairs apart, with --key COLUMN")
    return Matched(a, b, np.arange(a.pairs), np.arange(b.pairs))


def check_labels(matched: Matched) -> None:
    """Raise DataError where the two sides disagree on the label of a pair."""
    hint = "are x1 and x2 swapped in one of them? are these the same pairs?"
    hint = hint if matched.key else f"{hint} match them with --key COLUMN"
    _check_numbers(matched, "y", ("the label", "y"), hint)


def check_margins(matched: Matched, name: str) -> None:
    """Raise DataError where the two sides disagree on the margin of a pair, whose column, `name`, both of them have."""
    hint = "write the same margins into both files, or take the column out of the second: then the first one's hold"
    _check_numbers(matched, "margin", ("the margin", harmless(name)), hint)


def _check_numbers(matched: Matched, role: Role, words: tuple[str, str], hint: str) -> None:
    sides = matched.a, matched.b
    if all(side.batches and role in side.batches[0].numbers for side in sides):
        both = matched.a.numbers(role)[matched.places_a], matched.b.numbers(role)[matched.places_b]
        _check(matched, both, words, lambda number: number_text(float(number)).removesuffix(".0"), hint)


def check_groups(matched: Matched, role: Role, name: str) -> None:
    """Raise DataError where the two sides disagree on the group of a pair, whose column, `name`, both of them have."""
    if not (matched.a.batches and matched.b.batches) or role not in matched.b.batches[0].keys:
        return
    places = (matched.a, matched.places_a), (matched.b, matched.places_b)
    a, b = (side.keys(role).take(as_arrow(where)) for side, where in places)
    if not a.equals(b):
        both = np.array(a.to_pylist(), object), np.array(b.to_pylist(), object)
        subject, hint = f"{harmless(name)}, the column grouped by,", "group by a column that names the same groups"
        _check(matched, both, (subject, "it"), lambda group: repr(harmless(group)), f"{hint} in both files")


def _check(
    matched: Matched, both: tuple[Any, Any], words: tuple[str, str], shown: Callable[[Any], str], hint: str
) -> None:
    """Raise DataError where a column of both differs; `words` are what differs, and what it is called in a pair."""
    differing = np.flatnonzero(both[0] != both[1]).tolist()
    lines = [f"{words[0]} differs for {len(differing):,} of {both[0].size:,} pairs"]
    for place in differing[:SHOWN]:
        of_a, of_b, at = shown(both[0][place]), shown(both[1][place]), int(matched.places_a[place])
        pair = f"key {harmless(matched.a.keys(matched.key)[at].as_py())!r}" if matched.key else f"pair {place + 1}"
        lines.append(f"  {pair}: {words[1]} is {of_a} in {matched.a.name} and {of_b} in {matched.b.name}")
    if differing:
        raise DataError("\n".join(lines), hint=hint)


def joined_batches(matched: Matched) -> Iterator[Batch]:
    """Yield the matched pairs in the order of a: a's columns, and b's scores as x1_b and x2_b."""
    a, b = matched.a, matched.b
    if not a.batches:
        return
    first = a.batches[0]
    columns: dict[Role, NDArray[Any]] = {role: a.numbers(role)[matched.places_a] for role in first.numbers}
    columns |= {"x1_b": b.numbers("x1")[matched.places_b], "x2_b": b.numbers("x2")[matched.places_b]}
    filled = {role: a.filled(role)[matched.places_a] for role in first.filled}
    keys: dict[Role, pa.ChunkedArray] = {
        role: a.keys(role).take(as_arrow(matched.places_a))
        for role in first.keys
        if setting_of(role) in ("group_by", "cluster")
    }
    for start in range(0, matched.places_a.size, BATCH_PAIRS):
        numbers = {role: column[start : start + BATCH_PAIRS] for role, column in columns.items()}
        parts = {role: column.slice(start, BATCH_PAIRS).combine_chunks() for role, column in keys.items()}
        rows = range(start + 1, start + 1 + numbers["x1"].size)
        were_filled = {role: column[start : start + BATCH_PAIRS] for role, column in filled.items()}
        yield Batch(a.name, numbers, rows, "pair", keys=parts, filled=were_filled)
