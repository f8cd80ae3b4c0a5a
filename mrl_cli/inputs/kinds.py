"""What the rows of an input are: pairs, ranked lists, texts without scores, or the log of a training run.

All of it is decided by the names of columns and the cells of a few rows; nothing is read here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import DataError
from mrl_cli.inputs.presets import PRESETS, fitting
from mrl_cli.records import NamedTuple
from mrl_cli.words import is_float, shell_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    # Names of columns, and the first cells of each: Python values, with lists and dicts as JSON has them.
    Cells = Mapping[str, Sequence[Any]]

PAIRS, LISTS, TEXTS, LOG = "pairs", "lists", "texts", "log"


class Rows(NamedTuple):
    """What rows are: one of PAIRS, LISTS, TEXTS and LOG, None for none of them, and the reason in words.

    Of pairs, `x1` and `x2` name the scores, None where several columns can be them; `y` the label, where there is one.
    `is_directed`: by their names the first score should be the higher one, so that each label is 1. `preset` names the
    producer who calls columns so, and `references` the columns that x1 and x2 count from: those of a reference model.
    """

    kind: str | None
    reason: str
    x1: str | None = None
    x2: str | None = None
    y: str | None = None
    is_directed: bool = False
    preset: str | None = None
    references: tuple[str, str] | None = None

    @property
    def options(self) -> dict[str, str]:
        """The options that name the columns, and the label where it is always 1."""
        names = {"x1": self.x1, "x2": self.x2, "y": self.y, "y_const": "1" if self.is_directed else None}
        return {option: name for option, name in names.items() if name is not None}

    @property
    def reference_options(self) -> dict[str, str]:
        """The options that name what the scores count from."""
        return dict(zip(("x1_reference", "x2_reference"), self.references or (), strict=False))


def kind_of(columns: Cells) -> Rows:
    """Return what rows are, by the names of their columns and the first cells of each.

    >>> kind_of({"chosen": [0.5], "rejected": [[0.25]]}).kind, kind_of({"qid": [1], "label": [2], "score": [0.5]}).kind
    ('pairs', 'lists')
    >>> kind_of({"chosen": ["Human: hi"], "rejected": ["Human: no"]}).kind, kind_of({"x": [1]}).kind
    ('texts', None)
    """
    reason = logged_means(columns)
    if reason is not None:
        return Rows(LOG, reason)
    found = (rule(columns) for rule in _RULES)
    return next((rows for rows in found if rows is not None), Rows(None, "no two columns are scores of pairs"))


# Logs. Trainers put "eval_" or "train/" before a key, and exports of W&B the name of the run.
_REWARDS = re.compile(r"(.*[ /_])?rewards/(chosen|rejected|margins|accuracies)(__(MIN|MAX))?")
_REWARDS_OF_PAIRS = re.compile(r"rewards/(chosen|rejected)")  # a row for each pair has these two as well
_LOGGED = re.compile(r"(.*[ /_])?(logps|logits|rewards|objective|policy|val|kl)/.+|.*__(MIN|MAX)")
_CLOCK = re.compile(
    r"(.*_-_)?((train|eval|trainer)[/_])?(steps?|epoch|global_step|num_steps|_step|_runtime|_timestamp|(wall|relative)_time)"
)
_STATISTIC = re.compile(
    r"(.*_-_)?((train|eval)[/_])?(loss|learning_rate|lr|grad_norm|num_tokens|runtime|mean_token_accuracy|value)"
)
_HISTORY = "log_history"


def logged_means(names: Iterable[str]) -> str | None:
    """Return why columns of these names hold means of batches, not pairs; None where they do not.

    Rewards of chosen and rejected answers under a trainer's names are those of pairs only as long as nothing else that
    trainers log stands beside them.

    >>> logged_means(["rewards/chosen", "rewards/rejected", "epoch"])
    'rewards/chosen beside epoch: each row is a step of a training log, and holds means of batches'
    >>> logged_means(["rewards/chosen", "rewards/rejected", "margin"]), logged_means(["chosen", "rejected", "step"])
    (None, None)
    """
    names = list(names)
    if _HISTORY in names:
        return f"{_HISTORY}: this is the state of a trainer, and its log holds means of batches"
    rewards = min(filter(_REWARDS.fullmatch, names), key=lambda name: "chosen" not in name, default=None)
    beside = next(chain(filter(_is_clock, names), filter(_is_statistic, names)), None)
    if rewards is None or beside is None:
        return None
    what = rewards if rewards == beside else f"{rewards} beside {beside}"
    return f"{what}: each row is a step of a training log, and holds means of batches"


def _is_clock(name: str) -> bool:
    return _CLOCK.fullmatch(_plain(name)) is not None


def _is_statistic(name: str) -> bool:
    is_key = _STATISTIC.fullmatch(_plain(name)) is not None
    return is_key or (_LOGGED.fullmatch(name) is not None and not _REWARDS_OF_PAIRS.fullmatch(name))


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "_")


def _log(columns: Cells) -> Rows | None:
    """Recognise a log without rewards, such as an export of TensorBoard: Wall time, Step, Value. It has no labels."""
    clock = next(filter(_is_clock, columns), None)
    statistic = next(filter(_is_statistic, columns), None)
    if clock is None or statistic is None or label_among(columns) is not None:
        return None
    return Rows(LOG, f"{statistic} beside {clock}: each row is a step of a training log")


def _log_alone(columns: Cells) -> Rows | None:
    """Recognise a log with nothing beside it: the losses of two runs are alike in their names, as two scores are."""
    return _log(columns) if all(_is_clock(name) or _is_statistic(name) for name in columns) else None


_MEANS = "the loss of means is not the mean of the losses"


def refuse_log(names: Sequence[str], place: str) -> None:
    """Raise DataError where columns of these names are a log, whatever numbers they hold.

    >>> refuse_log(["x1", "x2", "y", "step"], "pairs.csv")
    """
    rows = kind_of(dict.fromkeys(names, (0.5,)))
    if rows.kind != LOG:
        return
    message = f"{place} holds no pairs: {rows.reason}"
    hint = f"{_MEANS}: read the scores of each pair"
    for x1 in names:
        x2 = x1.replace("rewards/chosen", "rewards/rejected")
        if x2 != x1 and x2 in names:
            line = shell_line(["--x1", x1, "--x2", x2, "--y-const", "1"])
            raise DataError(message, hint=f"{hint}; for the loss of the means all the same, {line}")
    raise DataError(message, hint=hint)


def note_on_log(names: Sequence[str], wanted: Sequence[str], place: str) -> str | None:
    """Return what to say of columns of these names where those wanted are means of batches, None where they are not.

    >>> note_on_log(["rewards/chosen", "rewards/rejected", "step"], ["x1"], "log.csv")
    """
    reason = logged_means(names) if may_be_logged(wanted) else None
    return None if reason is None else f"{place}: {reason}; {_MEANS}"


def may_be_logged(names: Sequence[str]) -> bool:
    """Return whether a trainer may have logged something under one of these names; a path is part of its names.

    >>> may_be_logged(["x1", "x2"]), may_be_logged(["rewards/chosen"])
    (False, True)
    """
    return any("/" in name for name in names)


# Pairs. The names of two scores are alike but for such a word; in the first group, the first word is the better one's.
_DIRECTED = "chosen/rejected winner/loser positive/negative pos/neg better/worse preferred/dispreferred win/lose"
_EITHER = "1/2/3 a/b/c left/right first/second/third"
_WORDS = [(words.split("/"), True) for words in _DIRECTED.split()]
_WORDS += [(words.split("/"), False) for words in _EITHER.split()]
_LABELS = "y label labels target winner preference preferred better choice judgment judgement outcome"
_SCORE_WORDS = re.compile(r"(?i)score|reward|rating")
# Numbers that are no scores: of a reference model, and what only counts or names something.
_NO_SCORES = re.compile(
    r"(?i)(?<![a-z])(ref|reference|ids?|index|len|length|tokens?|words?|count|n|time|features?|f)(?![a-z])"
)


_REFERENCE = re.compile(r"(?<![a-z])(reference|ref)[_ /-]|[_ /-](reference|ref)(?![a-z])")


def _pairs(columns: Cells) -> Rows | None:
    numbers = [name for name, cells in columns.items() if are_numbers(cells)]
    y = label_among(columns)
    if {"x1", "x2"} <= set(numbers):
        return Rows(PAIRS, "x1 and x2 are two scores", "x1", "x2", y)
    layouts = {name for preset in PRESETS.values() for layout in preset.layouts for name in layout}
    layouts -= {name for preset in PRESETS.values() if preset.label for name in preset.label.columns}  # which are words
    names = [name for name in columns if name in numbers or name not in layouts]
    preset = fitting(names)
    if preset is not None:
        x1, x2 = preset.layout_in(names) or ("", "")
        reason, label = f"{x1} and {x2} are scores as {preset.producer} writes them", preset.label_in(names)
        return Rows(PAIRS, reason, x1, x2, label, preset.label is None, preset.name)
    if (rows := _ranked(columns)) is not None:  # features of documents may well be numbered
        return rows
    return (
        _by_place(columns)
        if list(columns) == [str(place) for place in range(1, len(columns) + 1)]
        else _by_reference(columns, _named_pairs(numbers, y))
    )


def _by_reference(columns: Cells, rows: Rows | None) -> Rows | None:
    """Return what rows are, unless the scores found are whole numbers, called as those that count rows of scores."""
    preset = next(preset for preset in PRESETS.values() if preset.is_indexed)
    if rows is None or (rows.x1, rows.x2) not in preset.layouts:
        return rows
    cells = [cell for name in preset.layouts[0] for cell in columns[name] if cell is not None]
    if not all(isinstance(cell, int) and cell >= 0 for cell in cells):
        return rows
    what = f"{rows.x1} and {rows.x2} count rows of scores, as {preset.producer}'s"
    return Rows(PAIRS, what, preset=preset.name)


def label_among(names: Iterable[str]) -> str | None:
    """Return the name that is most probably that of a column of labels, None for none.

    >>> label_among(["id", "Winner"]), label_among(["id"])
    ('Winner', None)
    """
    plain = {_plain(name): name for name in names}
    return next((plain[label] for label in _LABELS.split() if label in plain), None)


def _named_pairs(numbers: Sequence[str], y: str | None) -> Rows | None:
    twins = [twin for twin in _twins(numbers) if not _NO_SCORES.search(twin[0])]
    twins = [twin for twin in twins if _SCORE_WORDS.search(twin[0])] or twins
    if not twins:
        return None
    x1, x2, is_directed = twins[0]
    label = None if is_directed else y
    if len(twins) > 1:
        names = ", or ".join(f"{first} and {second}" for first, second, _ in twins)
        return Rows(PAIRS, f"the scores can be {names}", None, None, label, is_directed)
    references = _references(numbers, x1, x2)
    reason = f"{x1} and {x2} are two scores" + (f", counted from {' and '.join(references)}" if references else "")
    return Rows(PAIRS, reason, x1, x2, label, is_directed, references=references)


def _references(names: Iterable[str], x1: str, x2: str) -> tuple[str, str] | None:
    """Return the names that are those of the scores and a word for a reference, such as ref_chosen_logps."""
    bare = {_REFERENCE.sub("", name.casefold()): name for name in names if _REFERENCE.search(name.casefold())}
    first, second = bare.get(x1.casefold()), bare.get(x2.casefold())
    return None if first is None or second is None else (first, second)


def described_places(rows: Rows) -> str:
    """Return the hint on rows that may point at scores: a preset that has them in a file, or that they are the scores.

    >>> described_places(kind_of({"winner": [0], "loser": [2]})).partition(";")[0]
    "winner and loser count rows of scores, as CatBoost's? use --preset catboost --scores FILE"
    """
    x1, x2 = PRESETS[rows.preset or ""].layouts[0]
    are_scores = f"are they the scores? use --x1 {x1} --x2 {x2} --y-const 1"
    return f"{rows.reason}? use --preset {rows.preset} --scores FILE; {are_scores}"


def _by_place(columns: Cells) -> Rows | None:
    """Recognise pairs without names: two columns of numbers, and perhaps one of labels; those of texts are others."""
    numbers = [name for name, cells in columns.items() if are_numbers(cells)]
    if len(numbers) not in (2, 3):
        return None
    x1, x2, y = (*numbers, None)[:3]
    is_label = y is not None and {cell for cell in columns[y] if isinstance(cell, int | float)} <= {-1, 0, 1}
    if y is not None and not is_label and len(columns) > len(numbers):  # the first may as well be a number of the row
        return None
    return Rows(PAIRS, "two columns of numbers, without names", x1, x2, y if is_label else None)


def is_row(names: Sequence[str]) -> bool:
    """Return whether a header line is rather a row of numbers, beside texts too: decimals are hardly names.

    >>> is_row(["1", "2"]), is_row(["a", "1.5", "-2.25", "1"]), is_row(["x1", "x2", "0.25", "0.75"]), is_row([])
    (True, True, False, False)
    """
    numbers = [name for name in names if is_float(name)]
    if len(numbers) == len(names):
        return bool(names)
    are_decimal = len(numbers) > 1 and any("." in name for name in numbers)
    return are_decimal and kind_of({name: (0.5,) for name in names if name not in numbers}).kind is None


def _twins(names: Iterable[str]) -> Iterator[tuple[str, str, bool]]:
    """Yield the names that are alike but for a word, as (first, second, whether the first should be the higher).

    >>> list(_twins(["score_A", "score_B", "model1", "model2", "model3"]))
    [('score_A', 'score_B', False)]
    """
    there = {name.casefold(): name for name in names}
    for (first, *others), is_directed in _WORDS:
        kind = r"\d" if first.isdigit() else "a-z"
        word = re.compile(rf"(?<![{kind}]){first}(?![{kind}])")
        for name, original in there.items():
            others_there = [there.get(word.sub(other, name, count=1)) for other in others if word.search(name)]
            if others_there and others_there[0] is not None and not any(others_there[1:]):
                yield original, others_there[0], is_directed


def is_number(cell: Any) -> bool:
    """Return whether a cell is a number, perhaps in a list of its own or as text.

    >>> [is_number(cell) for cell in (1, "0.5", [2], [1, 2], True, "a")]
    [True, True, True, False, False, False]
    """
    if isinstance(cell, list):
        return len(cell) == 1 and not isinstance(cell[0], list) and is_number(cell[0])
    if isinstance(cell, str):
        return is_float(cell)
    return isinstance(cell, int | float | Decimal) and not isinstance(cell, bool)


def are_numbers(cells: Iterable[Any]) -> bool:
    """Return whether most cells that have a value are numbers."""
    return _mostly(is_number, cells)


def _mostly(holds: Callable[[Any], bool], cells: Iterable[Any]) -> bool:
    """Return whether something holds of more than half of the cells that have a value: a few of them may be bad."""
    values = [cell for cell in cells if cell is not None]
    return 2 * sum(map(holds, values)) > len(values)


def _pairs_in_lists(columns: Cells) -> Rows | None:
    """Recognise pairs whose two scores stand in one list, as the judgments of JudgeBench: label A>B or B>A."""
    y = next(
        (name for name, cells in columns.items() if _mostly(lambda cell: cell in ("A>B", "B>A", "A=B"), cells)), None
    )
    if y is None:
        return None
    for name, cells in columns.items():
        for path, values in _leaves(name, [cell for cell in cells if cell is not None]):
            if _mostly(lambda value: _is_numbers(value) and len(value) == 2, values):
                return Rows(
                    PAIRS, f"{path} holds two scores, and {y} says which is better", f"{path}.0", f"{path}.1", y
                )
    return None


def _leaves(path: str, cells: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield the paths into cells, as far as all cells have them, with the values there; of lists the first element."""
    if cells and all(isinstance(cell, dict) for cell in cells):
        for key in cells[0]:
            if all(key in cell for cell in cells):
                yield from _leaves(f"{path}.{key}", [cell[key] for cell in cells])
    elif cells and all(isinstance(cell, list) and cell and not _is_numbers(cell) for cell in cells):
        yield from _leaves(f"{path}.0", [cell[0] for cell in cells])
    else:
        yield path, cells


def _is_numbers(cell: Any) -> bool:
    return isinstance(cell, list) and bool(cell) and all(map(is_number, cell))


# Lists.
_OF_LISTS = {
    "query": "query query_id queryid qid q_id topic topic_id prompt_id group_id session_id srch_id",
    "label": "label labels relevance rel grade relevance_label y rank gain target",
    "score": "score scores pred prediction predictions reward rewards rating s",
}
LIST_SETTINGS = tuple(_OF_LISTS)
RANKED_LINE = re.compile(r"\S+ (Q0 \S+|qid:\S+) ")  # what a run of TREC begins with, or LETOR; they have no header line


def list_columns(names: Iterable[str]) -> dict[str, str]:
    """Return the names that are most probably those of a query, a label and a score, by these words.

    >>> list_columns(["qid", "doc", "Relevance"])
    {'query': 'qid', 'label': 'Relevance'}
    """
    known = list(names)
    found = {
        of: next((name for name in known if _plain(name) in words.split()), None) for of, words in _OF_LISTS.items()
    }
    return {of: name for of, name in found.items() if name is not None}


def _ranked(columns: Cells) -> Rows | None:
    """Recognise a document of a query in each row, with its label and score."""
    query, relevance, score = map(list_columns(columns).get, _OF_LISTS)
    if RANKED_LINE.match(" ".join(str(cell) for cells in columns.values() for cell in cells[:1]) + " "):
        return Rows(LISTS, "each row is a document of a query, as TREC or LETOR write it")
    if query is None or score is None:
        return None
    named = f"{query}, {relevance} and {score}" if relevance else f"{query} and {score}"
    return Rows(LISTS, f"{named}: each row is a document of a query")


def _lists_in_cells(columns: Cells) -> Rows | None:
    for name, cells in columns.items():
        if any(_is_numbers(cell) and len(cell) > 1 for cell in cells):
            return Rows(LISTS, f"{name} holds a list of numbers in each row")
        if any(_is_scored(cell) for cell in cells):
            return Rows(LISTS, f"{name} holds a list of answers in each row, with a number for each")
    return None


def _is_scored(cell: Any) -> bool:
    """Return whether a cell is a list of answers, each with a rank or a score; messages of a chat are not."""
    if not (isinstance(cell, list) and cell and all(isinstance(answer, dict) for answer in cell)):
        return False
    return all(any(map(is_number, answer.values())) and not {"role", "from"} & answer.keys() for answer in cell)


# Texts.
_WORD = re.compile(r"[^\W\d_]")
_NO_TEXTS = re.compile(r"(?i)model|judge|source|name|(?<![a-z])id(?![a-z])")


def _texts(columns: Cells) -> Rows | None:
    twin = texts_among(columns)
    return None if twin is None else Rows(TEXTS, f"{twin[0]} and {twin[1]} are texts, and no columns are their scores")


def texts_among(columns: Cells) -> tuple[str, str] | None:
    """Return the names of two columns of texts that are alike but for a word, as chosen and rejected; None for none."""
    texts = [name for name, cells in columns.items() if _mostly(_is_text, cells)]
    return next((twin[:2] for twin in _twins(texts) if not _NO_TEXTS.search(twin[0])), None)


def _is_text(cell: Any) -> bool:
    """Return whether a cell holds words, perhaps in the messages of a chat."""
    if isinstance(cell, list | dict):
        messages = cell if isinstance(cell, list) else [cell]
        parts = (part for each in messages for part in (each.values() if isinstance(each, dict) else [each]))
        return any(isinstance(part, str) and _WORD.search(part) for part in parts)
    return isinstance(cell, str) and _WORD.search(cell) is not None


_RULES: tuple[Callable[[Cells], Rows | None], ...] = (
    _log_alone,
    _pairs,
    _pairs_in_lists,
    _lists_in_cells,
    _texts,
    _log,
)
