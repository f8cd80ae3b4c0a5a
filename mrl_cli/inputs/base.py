"""What every reader has in common: shards, the reader's interface, the columns wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from mrl_cli.errors import DataError, UsageError
from mrl_cli.model import Batch
from mrl_cli.words import closest, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.inputs.sources import Source
    from mrl_cli.model import Plan, Role

# The option that names the column of a role, where it is not the role's own name.
OPTIONS: dict[Role, str] = {"margin": "--margin-column", "loss": "--loss-column", "group": "--group-by"}


class Shard(NamedTuple):
    """A unit of work: some rows of one source. `part` says which, in its reader's own words."""

    source: Source
    part: Any
    size_bytes: int


class Reader(Protocol):
    """One input format."""

    def names(self, source: Source, plan: Plan) -> list[str]:
        """Return the names of the source's columns, none where it has no row to tell them; of JSON, the first row's."""
        ...

    def shards(self, source: Source, plan: Plan, resume_at: Shard | None = None) -> Iterator[Shard]:
        """Yield the source's shards in row order; with `resume_at`, from that one on as an unsplittable stream."""
        ...

    def batches(self, shard: Shard, plan: Plan) -> Iterator[Batch]:
        """Yield a shard's pairs, quickly; raise SuspectShardError when only the careful way can tell."""
        ...

    def careful_batches(self, shard: Shard, plan: Plan) -> Iterator[Batch]:
        """Yield a shard's pairs with row numbers, naming every cell that cannot be read."""
        ...


def column_places(names: Sequence[str], plan: Plan, source: Source) -> tuple[int, ...]:
    """Return where the wanted columns stand among `names`, in the order of `Columns.wanted`.

    A name is matched exactly, else but for blanks around it. Raises UsageError for a missing column and DataError for
    one that stands there twice.
    """
    places = []
    for role, wanted in plan.columns.wanted:
        found = [place for place, name in enumerate(names) if name == wanted]
        found = found or [place for place, name in enumerate(names) if name.strip() == wanted]
        if len(found) > 1:
            msg = f"{source.shown_name}: the header has column {harmless(wanted)!r} {len(found)} times"
            raise DataError(msg, hint="rename one of them")
        if not found:
            raise _missing_column(role, wanted, names, source)
        places.append(found[0])
    return tuple(places)


def pair_batch(
    file: str, numbers: Sequence[NDArray[Any]], keys: Sequence[pa.Array], plan: Plan, **others: Any
) -> Batch:
    """Return a batch of columns in the order of `wanted_numbers` and `keys` of Columns; `others`: its other fields."""
    by_role = {role: column for (role, _), column in zip(plan.columns.wanted_numbers, numbers, strict=True)}
    named_keys = {role: column for (role, _), column in zip(plan.columns.keys, keys, strict=True)}
    return Batch(file, by_role, keys=named_keys, **others)


def key_type() -> pa.DataType:
    """Return the type of a column of keys: each text once, and for each pair which."""
    import pyarrow as pa

    return pa.dictionary(pa.int32(), pa.string())


def _missing_column(role: Role, wanted: str, names: Sequence[str], source: Source) -> UsageError:
    from mrl_cli.inputs.presets import described_fit

    shown = ", ".join(harmless(name) for name in names[:20]) + (", …" if len(names) > 20 else "")
    near = closest(wanted, names)
    option = OPTIONS.get(role, "--" + role.replace("_", "-"))
    if any("\0" in name for name in names):
        hint = "the text has NUL bytes; is it UTF-16? name it with --encoding utf-16-le"
    elif any(wanted in name.split() for name in names):
        hint = "are the columns separated by blanks? use --delimiter ' '"
    elif names and all(_looks_like_number(name) for name in names):
        hint = "is there no header line? use --no-header"
    elif (
        role == wanted and role in ("x1", "x2", "y") and (fit := described_fit(names)) is not None
    ):  # nobody named this column
        hint = fit
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
