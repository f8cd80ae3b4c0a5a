"""Queries of which several rows are a list each: nothing joins those, which is worth a note."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.reductions.base import Reduction
from mrl_cli.words import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mrl_cli.model import Plan
    from mrl_cli.reductions.keys import Key
    from mrl_cli.reductions.measured import Measured

MOST_QUERIES = 1 << 16  # that are looked at: memory does not grow with the file


class Repeats:
    """Where queries stand first, up to MOST_QUERIES of them, and the note on the first that stands there again."""

    def __init__(self) -> None:
        self.first: dict[Key, str] = {}
        self.note: str | None = None

    def add(self, key: Key, place: str) -> None:
        """Add a row of a query."""
        if self.is_done:
            return
        known = self.first.get(key)
        if known is None:
            self.first[key] = place
        else:
            self.note = f"query {quoted(key)} stands in {known} and in {place}: each row is a list of its own"

    @property
    def is_done(self) -> bool:
        """Whether nothing more is looked for; by the rows before, so that it does not depend on how they are cut."""
        return self.note is not None or len(self.first) >= MOST_QUERIES

    def join(self, other: Repeats) -> None:
        """Add the rows that come next."""
        for key, place in other.first.items():
            self.add(key, place)
        if not self.is_done:
            self.note = other.note


class RepeatsReduction(Reduction[Repeats, Repeats]):
    """Looks for the first query of which a second row is a list of its own."""

    state = Repeats

    def add(self, state: Repeats, measured: Measured) -> Repeats:
        """Look at a batch."""
        batch, plan = measured.pairs, measured.plan
        if state.is_done or batch.list_sizes is None:
            return state
        rows, word = batch.list_rows, batch.row_word
        keys = zip(*(batch.list_keys[role].to_pylist() for role in plan.list_roles), strict=True)
        for index, key in enumerate(keys):
            state.add(key, batch.file if rows is None else f"{batch.file}, {word} {rows[index]}")
            if state.is_done:
                break
        return state

    def merge(self, whole: Repeats, state: Repeats, _part: Any) -> Repeats:
        """Add the queries of the next task."""
        whole.join(state)
        return whole


def repeats_of(plan: Plan) -> list[Reduction[Any, Any]]:
    """Return the reduction, if rows of a plan are lists whose queries have names."""
    return [RepeatsReduction()] if plan.rows_are_lists and plan.columns.name_of("query") is not None else []


def notes_in(wholes: Iterable[Any]) -> list[str]:
    """Return the notes of such reductions among the results of all."""
    return [whole.note for whole in wholes if isinstance(whole, Repeats) and whole.note is not None]
