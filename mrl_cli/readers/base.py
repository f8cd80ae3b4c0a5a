"""What every reader has in common: shards, the reader's interface, the columns wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mrl_cli.errors import DataError, UsageError
from mrl_cli.wording import closest, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.model import PairBatch, Plan
    from mrl_cli.readers.sources import Source


@dataclass(frozen=True, slots=True)
class Shard:
    """A unit of work: some rows of one source. `part` says which, in its reader's own words."""

    source: Source
    part: Any
    size_bytes: int


class Reader(Protocol):
    """One input format."""

    def shards(self, source: Source, plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
        """Yield the source's shards in row order; with `resume_at`, from that one on as an unsplittable stream."""
        ...

    def batches(self, shard: Shard, plan: Plan) -> Iterator[PairBatch]:
        """Yield a shard's pairs, quickly; raise SuspectShardError when only the careful way can tell."""
        ...

    def careful_batches(self, shard: Shard, plan: Plan) -> Iterator[PairBatch]:
        """Yield a shard's pairs with row numbers, naming every cell that cannot be read."""
        ...


def column_places(names: Sequence[str], plan: Plan, source: Source) -> tuple[int, ...]:
    """Return where the wanted columns stand among `names`, in the order x1, x2, y.

    A name is matched exactly, else but for blanks around it. Raises UsageError for a missing column and DataError for
    one that stands there twice.
    """
    places = []
    for wanted in plan.columns.wanted:
        found = [place for place, name in enumerate(names) if name == wanted]
        found = found or [place for place, name in enumerate(names) if name.strip() == wanted]
        if len(found) > 1:
            msg = f"{source.shown_name}: the header has column {harmless(wanted)!r} {len(found)} times"
            raise DataError(msg, hint="rename one of them")
        if not found:
            raise _missing_column(wanted, names, plan, source)
        places.append(found[0])
    return tuple(places)


def _missing_column(wanted: str, names: Sequence[str], plan: Plan, source: Source) -> UsageError:
    shown = ", ".join(harmless(name) for name in names[:20]) + (", …" if len(names) > 20 else "")
    near = closest(wanted, names)
    option = next(o for o, c in zip(("--x1", "--x2", "--y"), plan.columns.wanted, strict=False) if c == wanted)
    if any("\0" in name for name in names):
        hint = "the text has NUL bytes; is it UTF-16? name it with --encoding utf-16-le"
    elif names and all(_looks_like_number(name) for name in names):
        hint = "is there no header line? use --no-header"
    elif near is not None:
        hint = f"did you mean {option} {harmless(near)}?"
    else:
        hint = f"name the column with {option} COLUMN" + (
            "; no label column? use --y-const 1" if option == "--y" else ""
        )
    return UsageError(f"{source.shown_name} has no column {harmless(wanted)!r}; it has: {shown}", hint=hint)


def _looks_like_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
