"""What every reader has in common: sources and shards, the columns wanted, and how a batch is made."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import field, replace
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import as_numbers, values_and_nulls
from mrl_cli.errors import DataError, MachineError, SuspectShardError, UsageError
from mrl_cli.inputs import paths
from mrl_cli.model import EVERY, Batch, ListCells, Problem, ProblemCount, added_problems, rules
from mrl_cli.model.problems import MISSING, first_few, labels_among
from mrl_cli.records import NamedTuple, light_dataclass
from mrl_cli.words import harmless, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.model import Plan, Role

    # Returns which bytes of a file are about to be read, each as (start, stop).
    Ranges = Callable[[], Sequence[tuple[int, int]]]

# The problems of a row: (kind, column, value as printed) of each.
Faults = list[tuple[str, str | None, str]]
# A column's cells that hold no number: (index, kind, value as printed) of each.
BadCells = list[tuple[int, str, str]]
# A column as texts, and its cells that a path does not lead to.
Keys = tuple["pa.Array", BadCells]

STDIN = "-"
# What a folder of parts has beside them: once it is whole, and the begin of what it has while it is being written.
MANIFEST, RUNNING = "_mrl_manifest.json", "_mrl_running-"


class NoColumnError(UsageError):
    """The column of a role is not there, which the user did not name himself where it `is_unnamed`."""

    def __init__(
        self, message: str, source: Source, plan: Plan, role: Role, *, is_unnamed: bool, hint: str | None
    ) -> None:
        super().__init__(message, hint=hint)
        self.source, self.plan, self.role, self.is_unnamed = source, plan, role, is_unnamed

    def __reduce__(self) -> tuple[Any, ...]:
        made, given, state = super().__reduce__()
        return made, given, state | {"source": None}  # each process has its own


class Numbers(NamedTuple):
    """A column as doubles (labels may stay small integers), its cells that cannot be one, whether it has a bool."""

    array: NDArray[Any]
    bad: BadCells
    has_booleans: bool = False


class Lists(NamedTuple):
    """A column of lists of numbers, and its cells that hold something else."""

    cells: ListCells
    bad: BadCells


@light_dataclass(frozen=True, slots=True)
class Source:
    """One input: its `name` in messages, where its bytes are, and what it holds.

    `format` is a name in FORMATS; `compression` one of COMPRESSIONS or None. Its bytes are in a `file`, a
    `storage.File` or a `remote.Remote`, or come once from an opened `stream`. `hive` are the columns that its path
    gives. With `scores`, an `inputs.scores.Scores`, x1 and x2 are rows of them. `beside` is what its rows have in other
    files, an `inputs.beside.Beside`, where they have some. With a `span`, of a text only the rows that begin at these
    bytes are read. `counted` remembers of a text, by where a range of it begins, how many bytes, lines and rows were
    read there, and `numbered` the number of its first line.
    """

    name: str
    format: str
    compression: str | None = None
    file: Any = None
    stream: Any = field(default=None, compare=False)
    size_bytes: int | None = None
    hive: dict[str, str] = field(default_factory=dict)
    scores: Any = field(default=None, compare=False, repr=False)
    beside: Any = field(default=None, compare=False, repr=False)
    span: tuple[int, int] | None = None
    counted: dict[int, tuple[int, int, int]] = field(default_factory=dict, compare=False, repr=False)
    numbered: dict[int, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def portable(self) -> Source:
        """The source as another process can read it, where it is a file."""
        return replace(self, file=self.file.portable)

    @property
    def is_plain_file(self) -> bool:
        """Whether the bytes can be read anywhere, by many."""
        return self.file is not None

    @property
    def shown_name(self) -> str:
        """The name for a message: no control characters, "stdin" for the dash."""
        return shown_input(self.name)

    def close(self) -> None:
        """Close the stream, or take a temporary file away."""
        for opened in (self.stream, self.file):
            if opened is not None:
                opened.close()


def shown_input(name: str) -> str:
    """Return the name of an input as a message shows it: "stdin" for the dash."""
    return "stdin" if name == STDIN else harmless(name, limit=200)


def unreadable(name: str, error: OSError) -> MachineError:
    """Return the error for an input of this name that the machine cannot read."""
    reason = os.strerror(error.errno) if error.errno else error  # Arrow's own text names the path once more
    return MachineError(f"cannot read {shown_input(name)}: {reason}")


def changed(name: str) -> MachineError:
    """Return the error for an input of this name that is not what it was when it was opened."""
    message = f"cannot read {shown_input(name)}: it changed while it was read"
    return MachineError(message, hint="run again once it is written")


class Shard(NamedTuple):
    """A unit of work: some rows of one source. `part` identifies them, in its reader's own terms.

    `first_row` is the number of the first, counted from 0, where the source has something beside its rows. On its way
    to another process it has no source.
    """

    source: Any
    part: Any
    size_bytes: int
    first_row: int = 0


def column_places(names: Sequence[str], plan: Plan, source: Source, *, nests: bool = False) -> dict[Role, int]:
    """Return where the wanted columns stand among `names`, in the order of `Columns.wanted`.

    A name is matched exactly, else but for blanks around it, else, where cells may nest, as a path that begins with
    one of `names`. Raises UsageError for a missing column and DataError for one that stands there twice, and for
    columns of a training log.
    """
    places: dict[Role, int] = {}
    for role, wanted in plan.columns.wanted:
        matches = [place for place, name in enumerate(names) if name == wanted]
        matches = matches or [place for place, name in enumerate(names) if name.strip() == wanted]
        if not matches:
            if role not in plan.reading.lists:
                refuse_every(wanted)
            top = paths.split(wanted, names) if nests else None
            matches = [place for place, name in enumerate(names) if top is not None and name == top[0]]
        if len(matches) > 1:
            msg = f"{source.shown_name}: the header has column {harmless(wanted)!r} {len(matches)} times"
            raise DataError(msg, hint="rename one of them")
        if not matches:
            raise _missing(role, wanted, names, plan, source)
        places[role] = matches[0]
    return places


def path_below(wanted: str, name: str) -> str:
    """Return the path that is wanted of the cells of a column that `column_places` returned, empty for all of them."""
    return "" if wanted in (name, name.strip()) else wanted[len(name) + 1 :]


def refuse_every(wanted: str) -> None:
    """Raise UsageError for a path to the cells of all items of a list, where one number is read."""
    if EVERY in wanted.split("."):
        message = f"{harmless(wanted)} names the cells of all items of a list, and one number belongs to a pair"
        hint = "name one item by its place, from 0; lists are for `mrl rank`"
        raise UsageError(message, hint=hint)


def no_column(place: str, wanted: object, names: Iterable[object]) -> str:
    """Return the message that `place` has no column of that name, with the names it has."""
    return f"{place} has no column {harmless(wanted)!r}; it has: {listed(names)}"


def no_path(place: str, wanted: str, why: str, near: str | None) -> UsageError:
    """Return the error of a path that leads to no cell in any row of a file; `near` is one that may be meant."""
    hint = None if near is None else f"did you mean {harmless(near)}?"
    return UsageError(f"{place}: {harmless(wanted)} is {why}", hint=hint)


def _missing(role: Role, wanted: str, names: Sequence[str], plan: Plan, source: Source) -> UsageError:
    """Return the error of a missing column. Raises DataError where the rows are no pairs by their names."""
    from mrl_cli.inputs.hints import HINTS_OF_FORMATS, hint_for_missing
    from mrl_cli.inputs.kinds import refuse_log

    if role in ("x1", "x2") and (role == wanted or "log_history" in names):  # the user did not name this column
        refuse_log(names, source.shown_name)
    names = [*names, *(key for key in source.hive if role not in ("x1", "x2"))]  # a path gives no scores
    hint = None if plan.setting_of(role) in names else HINTS_OF_FORMATS.get((source.format, role))
    hint = hint or hint_for_missing(role, wanted, names, plan, source)
    is_unnamed = wanted == (plan.setting_of(role) if plan.has_lists else role) and plan.reporting.preset is None
    message = no_column(source.shown_name, wanted, names)
    return NoColumnError(message, source, plan, role, is_unnamed=is_unnamed, hint=hint)


def numbers_of_texts(
    cells: Sequence[Any], number: Callable[[Any], float | str], shown: Callable[[Any], str] | None = None
) -> Numbers:
    """As `numbers_of`, for texts, each of which is looked at once however often it stands there."""
    values: dict[Any, Any] = {cell: number(cell) for cell in set(cells)}
    types = set(map(type, values.values()))
    kinds = {cell: kind for cell, kind in values.items() if isinstance(kind, str)} if str in types else {}
    bad = [(index, kinds[cell], cell) for index, cell in enumerate(cells) if cell in kinds] if kinds else []
    bad = [(index, kind, shown(cell)) for index, kind, cell in bad] if shown is not None else bad
    values.update(dict.fromkeys(kinds, 0.0))
    array = np.fromiter(map(values.__getitem__, cells), np.float64, len(cells))
    return Numbers(array, bad, bool in types)


def numbers_of(cells: Sequence[Any], number: Callable[[Any], float | str], shown: Callable[[Any], str]) -> Numbers:
    """Return cells as doubles, and those for which `number` returns a kind of problem, as `shown` prints them."""
    numbers = [number(cell) for cell in cells]
    bad = [(index, kind, shown(cells[index])) for index, kind in enumerate(numbers) if isinstance(kind, str)]
    array = np.array([0.0 if isinstance(value, str) else value for value in numbers], np.float64)
    return Numbers(array, bad, any(isinstance(value, bool) for value in numbers))


def batch_of_columns(
    file: str,
    columns: Mapping[Role, Any],
    numbers_in: Callable[[Any, Role], Numbers | Lists],
    keys_in: Callable[[Any, Role], Keys],
    rows: Sequence[int],
    plan: Plan,
    kept: pa.Table | None = None,
    *,
    row_word: str = "row",
    further: Sequence[tuple[int, Problem]] = (),
    apart: Sequence[Problem] = (),
    shown: Callable[[str], str] = str,
) -> Batch:
    """Return columns, converted, as a batch; rows with a cell that is not a number are left out and named.

    So are those with `further` problems, which come with the place of the row, and those `apart`, which are of rows
    that have no cells here; `row_word` is what the file calls a row, and `shown` prints the values of bad cells.
    """
    found = {role: numbers_in(columns[role], role) for role, _ in plan.columns.wanted_numbers}
    numbers = {role: read for role, read in found.items() if isinstance(read, Numbers)}
    filled: dict[Role, NDArray[np.bool_]] = {}
    for role, number in plan.reading.fills:
        read = numbers[role]
        filled[role] = np.zeros(read.array.size, bool)
        filled[role][[index for index, kind, _ in read.bad if kind == MISSING]] = True
        others = [cell for cell in read.bad if cell[1] != MISSING]
        numbers[role] = Numbers(np.where(filled[role], number, read.array), others)
    keys = {role: keys_in(columns[role], role) for role, _ in plan.columns.keys}
    batch = Batch(
        file,
        {role: read.array for role, read in numbers.items()},
        rows,
        row_word,
        keys={role: array for role, (array, _) in keys.items()},
        kept=kept,
        filled=filled,
        has_booleans=any(read.has_booleans for read in numbers.values()),
        lists={role: read.cells for role, read in found.items() if isinstance(read, Lists)},
    )
    bad_numbers = {role: read.bad for role, read in (found | numbers).items()}
    return without_bad(batch, bad_numbers | {role: bad for role, (_, bad) in keys.items()}, plan, further, apart, shown)


def without_bad(
    batch: Batch,
    bad: Mapping[Role, BadCells],
    plan: Plan,
    further: Sequence[tuple[int, Problem]] = (),
    apart: Sequence[Problem] = (),
    shown: Callable[[str], str] = str,
) -> Batch:
    """Return a batch that has row numbers without the rows with bad cells, which are named.

    What else is wrong in these rows is named too; `further` are other problems with the places of their rows, and those
    `apart` are of rows that are not in the batch.
    """
    if not further and not apart and not any(bad.values()):
        return batch
    good = np.ones(batch.size, bool)
    good[[place for place, _ in further]] = False
    numbers = dict(batch.numbers)
    for role, cells in bad.items():
        places = [index for index, _, _ in cells]
        good[places] = False
        if role in numbers and places:
            numbers[role] = numbers[role].copy()
            numbers[role][places] = 1  # which every rule allows
    names, rows, labels = dict(plan.columns.wanted), batch.rows or (), batch.bad_labels
    unlisted = Counter(batch.unlisted)
    listing = [(problem.row, -1, problem) for problem in (*(problem for _, problem in further), *apart)]
    named: dict[str, set[tuple[int, str, str]]] = {}
    for order, (role, found) in enumerate(bad.items()):
        cells = found
        if sum(names[other] == names[role] for other in bad) > 1:  # a column of two roles has each of its cells once
            known = named.setdefault(names[role], set())
            cells = [cell for cell in found if cell not in known]
            known.update(cells)
        listed = cells if plan.reading.lists_problems else first_few(cells)
        unlisted.update(map(itemgetter(1), cells))
        unlisted.subtract(map(itemgetter(1), listed))

        def problem_of(cell: tuple[int, str, str], name: str = harmless(names[role])) -> Problem:
            index, kind, value = cell
            return Problem(kind, batch.file, rows[index], name, shown(value), batch.row_word)

        listing += [(rows[cell[0]], order, problem_of(cell)) for cell in listed]
        if role == "y":
            labels = added_problems(labels, labels_among(found, problem_of, shown))
    others, more, bad_labels = others_wrong(replace(batch, numbers=numbers).where(~good), plan)
    ordered = [problem for _, _, problem in sorted(listing, key=lambda item: item[:2])]
    return replace(
        batch.where(good),
        problems=(*batch.problems, *ordered, *others),
        rejected_rows=batch.rejected_rows + batch.size - int(np.count_nonzero(good)) + len({one.row for one in apart}),
        unlisted=unlisted + more,
        bad_labels=added_problems(labels, bad_labels),
    )


def others_wrong(rejected: Batch, plan: Plan) -> tuple[list[Problem], Counter[str], dict[str, ProblemCount]]:
    """Return what is wrong by the rules in rows left out, how much more of each kind there is, and their bad labels."""
    if not rejected.numbers or not rejected.size or rules.passes(rejected, plan):
        return [], Counter(), {}
    _, counts, found, labels = rules.examine(rejected, rejected.rows or (), plan)
    return found, Counter(counts) - Counter(problem.kind for problem in found), labels


def filled_columns(
    columns: Mapping[Role, pa.Array], plan: Plan
) -> tuple[dict[Role, NDArray[Any]], dict[Role, NDArray[np.bool_]]]:
    """Return columns of numbers, nulls filled as the plan says, and at which places they were.

    Raises SuspectShardError for a null in another column.
    """
    fills = dict(plan.reading.fills)
    if any(column.null_count for role, column in columns.items() if role not in fills):
        raise SuspectShardError
    numbers, filled = {}, {}
    for role, column in columns.items():
        if role in fills:
            values, filled[role] = values_and_nulls(column)
            numbers[role] = np.where(filled[role], fills[role], values)
        else:
            numbers[role] = np.from_dlpack(as_numbers(column))
    return numbers, filled


def batch_of_rows(
    rows: Iterable[tuple[int, tuple[Any, ...] | Faults, Any]],
    numbers_in: Callable[[Any, Role], Numbers | Lists],
    keys_in: Callable[[Any, Role], Keys],
    source: Source,
    plan: Plan,
    row_word: str,
    table_of: Callable[[list[Any]], pa.Table],
) -> Batch:
    """Return rows, converted, as a batch; see `batch_of_columns`.

    A row is its number, the cells of the wanted columns in their order, or what is wrong with it as a whole, and what
    is kept of it, of which `table_of` makes the kept columns.
    """
    file, numbered, apart = source.shown_name, list[int](), list[Problem]()
    columns: dict[Role, list[Any]] = {role: [] for role, _ in plan.columns.wanted}
    kept: dict[int, Any] = {}
    for row, cells, whole in rows:
        if isinstance(cells, list):
            apart += [Problem(kind, file, row, column, value, row_word) for kind, column, value in cells]
            continue
        numbered.append(row)
        for column, cell in zip(columns.values(), cells, strict=True):
            column.append(cell)
        if plan.reading.keep_columns:
            kept[row] = whole
    batch = batch_of_columns(file, columns, numbers_in, keys_in, numbered, plan, row_word=row_word, apart=apart)
    if plan.reading.keep_columns:  # of rows left out, values would change the types of columns
        batch = replace(batch, kept=table_of([kept[row] for row in batch.rows or ()]))
    return batch


def list_cells(cells: Sequence[Sequence[float]]) -> ListCells:
    """Return lists of numbers as a column."""
    return ListCells.of([len(cell) for cell in cells], np.fromiter(chain.from_iterable(cells), np.float64))


def item_text(text: str, place: int, length: int) -> str:
    """Return the value of an item of a list, as printed, with its place in the list, which is counted from 0."""
    return f"{text} (item {place + 1} of {length})"
