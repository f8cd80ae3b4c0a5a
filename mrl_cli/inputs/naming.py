"""Whether two files, taken row by row, hold the same pairs: by the columns of both that name a pair.

A column names pairs where it is text or integers, and all different, in each of two files. Where it differs in a row,
it is decided from the values, else from its name, whether it is the pairs that differ, or only what each model wrote.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import numpy as np

from mrl_cli.errors import DataError
from mrl_cli.inputs import columns_of, head_of
from mrl_cli.inputs.joining import Side, check_labels, matched_by_key
from mrl_cli.words import counted, harmless, is_float, shell_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import pyarrow as pa

    from mrl_cli.inputs.base import Source
    from mrl_cli.model import Plan, Role

SHOWN_CHARACTERS = 40
LONGEST_TEXT = 64  # that is held of a name as it is
MOST_COLUMNS = 3
_ROLE = "name"  # begins the roles of columns that may name pairs
SEEN = 1000  # of so many names it is seen of what kind all are

_INTEGER = re.compile(r"-?[0-9]+")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_OF_IDS = {
    *("id", "ids", "uid", "uuid", "guid", "qid", "pid", "key", "idx", "index", "hash", "row", "line", "number", "no"),
    *("pair", "item", "example", "sample", "case", "task"),
}
_OF_TEXTS = {"prompt", "question", "query", "instruction", "problem", "input", "context"}
_OF_MODELS = {
    *("model", "run", "judge", "response", "completion", "output", "request", "generation", "annotator", "annotation"),
    *("reward", "trace", "session", "job", "score", "rank", "prediction"),
}


def naming_columns(sources: Sequence[Source], plan: Plan, others: Collection[str]) -> dict[Role, str]:
    """Return columns that may name the pairs of all sources, by the roles they are read in; `others` are other columns.

    In the first rows they are text or integers, all different. At most `MOST_COLUMNS` are returned, those first that
    are called as what names a pair is.
    """
    first, *further = ([*_naming_in_head(source, plan)] for source in sources)
    shared = [name for name in first if name not in others and all(name in names for names in further)]
    chosen = sorted(shared, key=lambda name: (not _says_id(name), not _says_text(name)))[:MOST_COLUMNS]
    return {cast("Role", f"{_ROLE} {place}"): name for place, name in enumerate(chosen, 1)}


def is_naming(role: Role) -> bool:
    """Return whether a role is one of `naming_columns`."""
    return role.startswith(_ROLE)


def _naming_in_head(source: Source, plan: Plan) -> Iterator[str]:
    try:
        columns, there = head_of(source, plan).columns, [name.strip() for name in columns_of(source, plan)]
    except DataError:  # which reading will name
        return
    for name, column in ((column.name.strip(), column) for column in columns):
        kinds = set(map(type, column.cells))
        is_text_or_integers = kinds <= {str, int, float} and (str in kinds or float not in kinds)
        if is_text_or_integers and len(set(column.cells)) == len(column.cells) and there.count(name) == 1:
            yield name


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _says_id(name: str) -> bool:
    words = _words(name)
    return bool(words) and words[-1] in _OF_IDS and _OF_MODELS.isdisjoint(words)


def _says_text(name: str) -> bool:
    words = _words(name)
    return not _OF_TEXTS.isdisjoint(words) and _OF_MODELS.isdisjoint(words)


def shortened(column: pa.Array) -> pa.Array:
    """Return texts to be compared, of which nothing long is held: of a long one its beginning and its hash."""
    import pyarrow as pa

    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    offsets = np.frombuffer(plain.buffers()[1], np.int32)[plain.offset : plain.offset + len(plain) + 1]
    if not len(plain) or np.diff(offsets).max() <= LONGEST_TEXT:
        return plain
    texts = plain.to_pylist()
    return pa.array([t if len(t) <= LONGEST_TEXT else f"{t[:LONGEST_TEXT]} {hash(t)}" for t in texts], pa.string())


class _Names:
    """A column of both sides, as texts; `is_key` says that it names each pair by a text or an integer of its own."""

    def __init__(self, role: Role, name: str, texts: Sequence[list[str]]) -> None:
        self.role, self.name, self.texts = role, name, texts
        self.sets = [set(column) for column in texts]
        seen = [text for column in texts for text in column[:SEEN]]
        self.are_integers = all(map(_INTEGER.fullmatch, seen))
        are_distinct = all(len(known) == len(column) for known, column in zip(self.sets, texts, strict=True))
        has_empty = any("" in known for known in self.sets)
        self.is_key = are_distinct and not has_empty and (self.are_integers or not all(map(is_float, seen)))

    @property
    def shows_same_pairs(self) -> bool:
        """Whether equal columns show that the pairs are the same: a count of the rows does not."""
        first = self.texts[0][:SEEN]
        counts_rows = self.are_integers and [int(text) for text in first] == list(
            range(int(first[0]), int(first[0]) + len(first))
        )
        return self.is_key and not counts_rows

    @property
    def shows_other_pairs(self) -> bool:
        """Whether columns that differ show that the pairs do: most values stand in other rows, or the name says so."""
        if not self.is_key:
            return False
        stands_elsewhere = 2 * len(self.sets[0] & self.sets[1]) >= len(self.sets[0])
        return _says_id(self.name) or (not self.are_integers and (stands_elsewhere or _says_text(self.name)))


def check_same_pairs(a: Side, b: Side, names: Mapping[Role, str]) -> None:
    """Raise DataError where a column shows that the two sides hold different pairs in the same rows.

    `names` are the columns of both that may name pairs, by role.
    """
    columns = {role: (a.keys(role), b.keys(role)) for role in names}
    if all(first.equals(second) for first, second in columns.values()):
        return
    read = [_Names(role, names[role], [side.to_pylist() for side in sides]) for role, sides in columns.items()]
    same, other = ([column for column in read if (column.texts[0] == column.texts[1]) == is_same] for is_same in (1, 0))
    different = [column for column in other if column.shows_other_pairs]
    if not different or any(column.shows_same_pairs for column in same):
        return
    column = different[0]
    rows = [row for row, (first, second) in enumerate(zip(*column.texts, strict=True), 1) if first != second]
    name, shown = (
        harmless(column.name),
        (repr(harmless(texts[rows[0] - 1], SHOWN_CHARACTERS)) for texts in column.texts),
    )
    places = " and ".join(f"{text} in {side.name}" for text, side in zip(shown, (a, b), strict=True))
    message = f"these are not the same pairs row by row: {name} differs in {len(rows):,} of {counted(a.pairs, 'row')}"
    raise DataError(f"{message}\n  row {rows[0]}: {name} is {places}", hint=_hint(a, b, column))


def _hint(a: Side, b: Side, column: _Names) -> str:
    """Return what to do, which is to match pairs by the column where that is possible, with labels that agree."""
    shared = len(column.sets[0] & column.sets[1])
    name = shell_line([harmless(column.name)])
    if not shared:
        return f"are these the same pairs? if they are, rename {name} in one of the files"
    try:
        check_labels(matched_by_key(a, b, drops_unmatched=True, role=column.role))
    except DataError:
        return f"are these the same pairs? matched by {name}, some have other labels"
    if shared == a.pairs:
        return f"match them with --key {name}"
    return f"--key {name} --unmatched drop matches the {counted(shared, 'pair')} of both files, and counts the others"
