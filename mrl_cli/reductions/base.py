"""The contract that everything keeps which adds up over pairs.

A reduction is a recipe and holds nothing of the data. In a worker it makes a state of no pairs and adds measured
batches to it; the client merges the states of all tasks, in input order, into a whole. What holds of each of them
(test_reductions): the state of no pairs changes nothing, and however the input is cut into batches and tasks, the whole
is the same. Rows and lists stay in input order; what adds up exactly does not depend on the order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from mrl_cli.model import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.reductions.measured import Measured

State = TypeVar("State")
Whole = TypeVar("Whole")


class Reduction(ABC, Generic[State, Whole]):
    """Something that is computed from pairs.

    `state` makes the state of no pairs. `needs` names what `Measured` must keep of a whole batch: "losses", "states",
    "differences".
    `takes_turns` says that `add` is many short NumPy operations: threads that run those at once spend more on handing
    the interpreter over than they gain. `holds_pairs` says that a state holds something of each pair. `joins` says that
    a worker may join the states of tasks that follow one another, `rereads` that `merge` may read a task again.
    `has_exponentials` says that last bits depend on how NumPy computes them, whatever the loss.
    `writes_parts` says that what shards come to is written by the worker: into the `sink` of their task.
    `shrinks` says that states which are large are together hardly larger than one: they are joined before they are sent
    to the client.
    """

    state: ClassVar[Callable[[], Any]]
    needs: frozenset[str] = frozenset()
    takes_turns: ClassVar[bool] = False
    holds_pairs: ClassVar[bool] = False
    joins: ClassVar[bool] = False
    rereads: ClassVar[bool] = False
    has_exponentials: ClassVar[bool] = False
    writes_parts: ClassVar[bool] = False
    shrinks: ClassVar[bool] = False

    def empty(self) -> State:
        """Return the state of no pairs."""
        made: State = type(self).state()
        return made

    @abstractmethod
    def add(self, state: State, measured: Measured) -> State:
        """Return the state with a batch added; the state given may be changed."""

    def join(self, state: State, next_state: State) -> State:
        """Return the states of two tasks, the second of which follows the first, as one; both may be changed."""
        state += next_state  # type: ignore[operator]
        return state

    def outgrows(self, state: State) -> bool:
        """Return whether a state, before it is packed, is larger than what another process gains by computing it."""
        del state
        return False

    def packed(self, state: State) -> State:
        """Return a state as it is sent: what adds up in it is added up."""
        return state

    def whole(self) -> Whole:
        """Return what the states of tasks are merged into: the state of no pairs, unless a reduction has another."""
        return self.empty()  # type: ignore[return-value]

    def merge(self, whole: Whole, state: State, part: Any) -> Whole:
        """Return the whole with the state of the next task added; `part` is that task's `engines.base.Part`."""
        del part
        whole += state  # type: ignore[operator]
        return whole

    def sink(self, name: str) -> Sink:
        """Return what takes the states of the shards of the task that is called so, where it `writes_parts`."""
        raise NotImplementedError


class Sink(Protocol):
    """Where the states of a task's shards go in its worker. It has to be ended or dropped, or both."""

    def take(self, state: Any) -> Any:
        """Write the state of the next shard; return what is left of it."""

    def end(self) -> Any:
        """Make whole what was written; return the state of the task."""

    def drop(self) -> None:
        """Throw away what has not ended."""


class CountsReduction(Reduction[Counts, Counts]):
    """Counts rows, and why some are not used; every engine folds one."""

    state = Counts
    joins = True

    def add(self, state: Counts, measured: Measured) -> Counts:
        """Count a batch."""
        return state + measured.counts
