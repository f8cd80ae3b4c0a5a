"""Documents that a run names twice for one query: which of two scores counts is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.keys import Key, coded
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mrl_cli.model import Plan, Role
    from mrl_cli.reductions.measured import Measured

    Indices = NDArray[np.int64]

_NAMES: tuple[Role, ...] = ("query", "doc")


class Documents(NamedTuple):
    """The documents of a batch: by group, which row each stands in with the place of its judgment, or with its name."""

    file: str
    row_word: str
    rows: Sequence[int] | None
    groups: list[tuple[Key, Indices, Indices, list[tuple[int, tuple[str, str]]]]]

    def place(self, index: int) -> str:
        """Return where a row of the batch stands, in words."""
        return self.file if self.rows is None else f"{self.file}, {self.row_word} {self.rows[index]}"


class DocumentsReduction(Reduction["list[Documents]", "dict[Key, Any]"]):
    """Raises DataError for a document that stands twice in a query of a group, as far as that matters.

    `judged` are the pairs of query and document that have a judgment. Of others only those that stay are looked at.
    `may_be_runs` says that each of several inputs may be a run of its own.
    """

    joins = True
    state = list

    def __init__(self, plan: Plan, judged: Mapping[tuple[str, str], int], *, may_be_runs: bool) -> None:
        self._plan, self._judged, self._may_be_runs = plan, judged, may_be_runs

    def add(self, state: list[Documents], measured: Measured) -> list[Documents]:
        """Keep which documents a batch has: the places of their judgments, and the names of those without one."""
        pairs = measured.pairs
        places = pairs.numbers["judgment"].astype(np.int64)
        codes, groups = coded([pairs.keys[role] for role in self._plan.groups], pairs.size)
        found = Documents(pairs.file, pairs.row_word, pairs.rows, [])
        for code, group in enumerate(groups):
            here = np.flatnonzero(codes == code)
            is_judged = places[here] >= 0
            judged, others = here[is_judged], here[~is_judged].tolist()
            queries, documents = (pairs.keys[role].to_pylist() if others else [] for role in _NAMES)
            of_others = [(index, (queries[index], documents[index])) for index in others]
            found.groups.append((group, judged, places[judged], of_others))
        state.append(found)
        return state

    def whole(self) -> dict[Key, Any]:
        """Return no documents."""
        return {}

    def merge(self, whole: dict[Key, Any], state: Sequence[Documents], _part: Any) -> dict[Key, Any]:
        """Add the documents of the next task."""
        for batch in state:
            again = [one for found in batch.groups for one in self._again(whole, *found)]
            if again:
                self._refuse(batch, *min(again))
        return whole

    def _again(
        self, whole: dict[Key, Any], group: Key, rows: Indices, places: Indices, others: list[tuple[int, Any]]
    ) -> Iterator[tuple[int, tuple[str, str]]]:
        """Yield the first row of a judged document that was there before, and of another; add the documents."""
        if group not in whole:
            whole[group] = np.zeros(len(self._judged), bool), set()
        is_there, names = whole[group]
        order = np.argsort(places, kind="stable")
        ordered = places[order]
        is_again = is_there[ordered]
        is_again[1:] |= ordered[1:] == ordered[:-1]
        if is_again.any():
            first = order[is_again].min()
            yield int(rows[first]), list(self._judged)[int(places[first])]
        is_there[places] = True
        for row, name in others:
            if name in names:
                yield row, name
                return
            names.add(name)

    def _refuse(self, batch: Documents, row: int, name: tuple[str, str]) -> None:
        query, document = map(harmless, name)
        hint = "are these runs of several systems? keep them apart with --by-file" if self._may_be_runs else None
        raise DataError(f"{batch.place(row)}: document {document} stands twice in query {query}", hint=hint)


class UnjudgedReduction(Reduction["dict[str, str]", "dict[str, str]"]):
    """Keeps the first document without a judgment of each query that has one."""

    state = dict

    def add(self, state: dict[str, str], measured: Measured) -> dict[str, str]:
        """Look at a batch."""
        pairs = measured.pairs
        queries, documents = (pairs.keys[role].to_pylist() for role in _NAMES)
        for place in np.flatnonzero(pairs.numbers["judgment"] < 0).tolist():
            state.setdefault(queries[place], documents[place])
        return state

    def merge(self, whole: dict[str, str], state: dict[str, str], _part: Any) -> dict[str, str]:
        """Add the queries of the next task."""
        return state | whole


def refuse_unjudged(documents: int, first_of: Mapping[str, str], qrels: str, judged: tuple[str, str]) -> None:
    """Raise DataError for so many documents, none of which has a judgment, with the first of each query.

    `judged` are the query and document of the first judgment there is in the file `qrels`.
    """
    query, document = next(iter(first_of.items()))
    what = f"{counted(documents, 'document')} of {counted(len(first_of), 'query', 'queries')}"
    names = [f"'{harmless(text)}'" for text in (document, query, *reversed(judged))]
    first, other = f"{names[0]} of query {names[1]}", f"{names[2]} of query {names[3]}"
    message = f"{what} have no judgment in {harmless(qrels, 200)}, and no others are left"
    hint = "are these the judgments of this run? ids are compared as text"
    raise DataError(f"{message}: the first is {first}, and the first that is judged {other}", hint=hint)
