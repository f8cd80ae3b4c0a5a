"""What is wrong with rows: the kinds of problems, single problems, and counts of rows and problems that add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from mrl_cli.records import NamedTuple, light_dataclass
from mrl_cli.words import is_float

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mrl_cli.model.parts import Labels
    from mrl_cli.model.plan import Plan

    Cell = tuple[int, str, str]

Count = TypeVar("Count")
FIRST_PROBLEMS_SHOWN = 3
MOST_LABELS_NAMED = 16
# Labels that are no whole numbers are counted by where they lie: each may be another.
BELOW_0, FROM_0_TO_1, ABOVE_1 = "below 0", "from 0 to 1", "above 1"
LABEL_KINDS: dict[Labels, str] = {
    "pm1": "label not ±1",
    "01": "label not 0 or 1",
    "any": "label not finite",
    "strength": "label not finite",
    "probability": "label not from 0 to 1",
    "relevance": "label not finite",
    "rank": "label not finite",
}
NOT_IN_MAP = "label not in the map"
TIE = "label is a tie"
NOT_A_NUMBER = "not a number"
MISSING = "missing value"
LIST = "a list, not one number"
OBJECT = "an object, not one number"
NO_LIST = "not a list"
UNEQUAL_LISTS = "lists of unequal length"
NO_SUCH_COUNT = "no number of items of the list"
NOT_OF_LETOR = "not a line of LETOR"
NOT_OF_A_RUN = "not a line of a run"
LINES = {  # what a line is that should be one of a format
    NOT_OF_LETOR: "a line is: label, qid:QUERY where there is one, and features such as 1:0.5, separated by blanks",
    NOT_OF_A_RUN: "a line is: query, Q0, document, rank, score and name of the run, separated by blanks",
}
NOT_JUDGED = "document not judged"
PATH_LIST = "a list in the path"
PATH_ITEM = "no such item"
PATH_VALUE = "the path goes on below a value"
NAN = "NaN"
INFINITE = "infinite"
INEXACT = "integer not exact as a double"
NEGATIVE_WEIGHT = "weight below 0"
NEGATIVE_LABEL = "label below 0"
RAGGED = "wrong number of fields"
ENCODING = "not in the encoding"
ENCODING_HINT = "name the file's encoding with --encoding, e.g. --encoding latin-1"
NOT_AN_OBJECT = "not one JSON object"
TOO_DEEP = "nested too deeply"
DUPLICATE_KEY = "key given twice"
NO_SUCH_SCORE = "no row of the scores"
SCORE_TOO_LARGE = "score too large"
_NO_LABELS = frozenset((MISSING, NAN, INFINITE, LIST, OBJECT))


class Problem(NamedTuple):
    """One thing in the data that allows no trustworthy number.

    `row` is the physical line number in a text file and the 1-based row elsewhere; `column` is None when the whole row
    is at fault; `value` is what stands there, as text.
    """

    kind: str
    file: str
    row: int
    column: str | None
    value: str
    row_word: str = "line"

    def described(self, *, with_file: bool = False) -> str:
        """Return where it is, and what stands there."""
        what = self.value if self.column is None else f"{self.column} is {self.value}"
        return f"{f'{self.file} ' if with_file else ''}{self.row_word} {self.row}: {what}"


class AbsentPath(NamedTuple):
    """Why a path leads to no cell, in words, and the path that was most probably meant."""

    why: str
    near: str | None


@light_dataclass(frozen=True, slots=True)
class ProblemCount:
    """How many problems of one kind there are, and the first few of them."""

    count: int = 0
    first: tuple[Problem, ...] = ()

    def __add__(self, other: ProblemCount) -> ProblemCount:
        return ProblemCount(self.count + other.count, (self.first + other.first)[:FIRST_PROBLEMS_SHOWN])


@light_dataclass(frozen=True, slots=True)
class Counts:
    """How many rows were read, and why some are not used; `Counts()` is the identity of `+`.

    `pairs` were used; rows were left out for a problem (`rejected`), a label 0 (`ties_dropped`), a weight 0
    (`zero_weight`) or a label that is mapped to skip (`labels_skipped`), items of lists for a label that
    says that there is none (`unjudged`) or for want of a judgment (`missing`). `missing_as_zero` are those used that
    had none, and a label 0 put in. `filled_margin` and `filled_weight` are those
    of the rows without a problem that lacked one and had it filled. `problems` counts by kind; the first few of each
    are those of the left operand, so parts are merged in input order. So do `bad_labels`, by `label_kind`, of labels
    with a problem: of up to MOST_LABELS_NAMED kinds, see `plainest_labels`. `ones` are the labels 1 in rows without a
    problem, counted where the rule of labels has two. `paths` are those of which a missing cell is no
    problem, each as (file, path): None where it leads somewhere in some row. `file_rows` are those of files where a row
    is a list and each of its items counts as one, else 0.
    """

    pairs: int = 0
    rejected: int = 0
    ties_dropped: int = 0
    zero_weight: int = 0
    labels_skipped: int = 0
    problems: dict[str, ProblemCount] = field(default_factory=dict)
    bad_labels: dict[str, ProblemCount] = field(default_factory=dict)
    filled_margin: int = 0
    filled_weight: int = 0
    unjudged: int = 0
    missing: int = 0
    missing_as_zero: int = 0
    paths: dict[tuple[str, str], AbsentPath | None] = field(default_factory=dict)
    file_rows: int = 0
    ones: int = 0

    @property
    def rows(self) -> int:
        """How many rows were read, used or not."""
        left_out = self.ties_dropped + self.zero_weight + self.labels_skipped + self.unjudged + self.missing
        return self.pairs + self.rejected + left_out

    @property
    def input_rows(self) -> int:
        """How many rows the files have: lists, where a row is one."""
        return self.file_rows or self.rows

    def filled(self, plan: Plan) -> dict[str, int]:
        """Return how many rows had a missing cell filled, for each column that the plan fills."""
        keys = [f"filled_{role}" for role, _ in plan.reading.fills]
        return {key: getattr(self, key) for key in keys}

    def __add__(self, other: Counts) -> Counts:
        problems = added_problems(self.problems, other.problems)
        numbers = [name for name in Counts.__match_args__ if name not in ("problems", "bad_labels", "paths")]
        added = {name: getattr(self, name) + getattr(other, name) for name in numbers}
        paths = other.paths | self.paths | {path: None for path, absent in other.paths.items() if absent is None}
        labels = plainest_labels(added_problems(self.bad_labels, other.bad_labels))
        return Counts(**added, problems=problems, bad_labels=labels, paths=paths)


def added_problems(first: dict[str, ProblemCount], then: dict[str, ProblemCount]) -> dict[str, ProblemCount]:
    """Return how many problems there are of each kind in both, the second of which follows the first."""
    if not then:
        return first
    none = ProblemCount()
    return {kind: first.get(kind, none) + then.get(kind, none) for kind in first | then}


def label_kind(value: str) -> str | None:
    """Return what a label with a problem is counted as: itself, or where it lies; None for what is no finite number.

    >>> label_kind("2"), label_kind("0.25"), label_kind("'tie'"), label_kind("nan")
    ('2', 'from 0 to 1', "'tie'", None)
    """
    if value[:1] in "'\"" or not is_float(value):
        return value
    number = float(value)
    if number - number != 0:
        return None
    if number.is_integer():
        return value
    return BELOW_0 if number < 0 else FROM_0_TO_1 if number < 1 else ABOVE_1


def plainest_labels(labels: dict[str, Count]) -> dict[str, Count]:
    """Return the kinds of labels that are most like codes, up to MOST_LABELS_NAMED of them, in the order given.

    The order in which they are chosen is that of the kinds alone, so that what is counted of them is whole however
    rows are cut into parts: where they lie, then whole numbers by size, then texts by length.
    """
    if len(labels) <= MOST_LABELS_NAMED:
        return labels
    plainest = {*sorted(labels, key=_plainness)[:MOST_LABELS_NAMED]}
    return {kind: count for kind, count in labels.items() if kind in plainest}


def _plainness(kind: str) -> tuple[int, float, str]:
    if kind in (BELOW_0, FROM_0_TO_1, ABOVE_1):
        return 0, 0.0, kind
    return (2, len(kind), kind) if kind[:1] in "'\"" or not is_float(kind) else (1, abs(float(kind)), kind)


def tally(problems: Iterable[Problem], counts: Mapping[str, int] | None = None) -> dict[str, ProblemCount]:
    """Return for each kind how many problems there are, by `counts` where given, and the first few of those given."""
    of_kind: dict[str, list[Problem]] = {}
    for problem in problems:
        of_kind.setdefault(problem.kind, []).append(problem)
    return {
        kind: ProblemCount(len(found) if counts is None else counts[kind], tuple(found[:FIRST_PROBLEMS_SHOWN]))
        for kind, found in of_kind.items()
    }


def first_few(cells: Sequence[Cell]) -> list[Cell]:
    """Return the first bad cells of each kind that are shown; a cell is (place, kind of problem, value)."""
    kinds = dict.fromkeys(map(itemgetter(1), cells))
    return sorted(cell for kind in kinds for cell in islice((c for c in cells if c[1] == kind), FIRST_PROBLEMS_SHOWN))


def labels_among(
    cells: Sequence[Cell], problem_of: Callable[[Cell], Problem], shown: Callable[[str], str]
) -> dict[str, ProblemCount]:
    """Return the counts of labels with a problem, as `Counts` holds them; what is missing or a list is no label.

    The cells of the column of labels come as (place, kind of problem, value), in row order; `shown` prints a value.
    """
    kinds = {value: label_kind(shown(value)) for value in {value for _, kind, value in cells if kind not in _NO_LABELS}}
    counts = Counter(kind for _, _, value in cells if (kind := kinds.get(value)) is not None)
    first: dict[str | None, list[Problem]] = {kind: [] for kind in plainest_labels(counts)}
    for cell in cells:
        few = first.get(kinds.get(cell[2]))
        if few is not None and len(few) < FIRST_PROBLEMS_SHOWN:
            few.append(problem_of(cell))
    return {kind: ProblemCount(counts[kind], tuple(few)) for kind, few in first.items() if kind is not None}
