"""The options of `mrl compute` that read an input: proposed by what its rows are, and tried on its first rows."""

from __future__ import annotations

import io
import math
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from mrl_cli.commands.compute import Compute
from mrl_cli.commands.options import Options, plan_of_options
from mrl_cli.commands.presets import as_written_by, given_by
from mrl_cli.engines.base import first_counts
from mrl_cli.errors import DataError, MrlError, UsageError
from mrl_cli.inputs.kinds import LISTS, LOG, PAIRS, TEXTS, is_number, label_among
from mrl_cli.inputs.presets import PRESETS, applied
from mrl_cli.inputs.streams import Stream
from mrl_cli.model.labels import map_text
from mrl_cli.model.problems import ENCODING, ENCODING_HINT
from mrl_cli.reductions.look import Look
from mrl_cli.reports.refusals import refuse
from mrl_cli.words import counted, harmless, listed, number_text, option_of, shell_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mrl_cli.inputs import Source
    from mrl_cli.inputs.heads import Head
    from mrl_cli.inputs.kinds import Rows
    from mrl_cli.model import Counts

# What to do with rows that are no pairs of scores.
_ADVICE = {
    LISTS: "mrl compute reads pairs; ranked lists are for mrl rank, which is not in this version",
    TEXTS: "mrl compute reads scores: score the texts first",
    LOG: "the loss of means is not the mean of the losses: mrl compute needs the scores of each pair",
    None: "name the columns of the scores with --x1 COLUMN and --x2 COLUMN",
}
_BEYOND = "only the beginning was read, and no whole row is in it: nothing was tried, and there may be more columns"
_MAY_BE_INDEXES = frozenset(("winner", "preferred", "preference", "better", "choice"))  # 0 the first, 1 the second
LABELS_LISTED = 20  # there may be a thousand real ones


class Proposal(NamedTuple):
    """Options of `mrl compute`, None where none are known to read the rows rightly, and notes for the user."""

    options: dict[str, Any] | None
    notes: list[str]


def proposal_for(source: Source, head: Head, rows: Rows, given: Mapping[str, Any]) -> Proposal:
    """Return the options that read the first rows without a problem, those `given` by the user among them.

    Raises UsageError where what is given fits no column, and DataError for rows that no options make readable.
    """
    is_named = "preset" in given or {"x1", "x2"} <= given.keys()
    if rows.kind != PAIRS and not is_named:
        return _for_no_pairs(source, head, rows, given)
    notes = [_ADVICE[LOG]] if rows.kind == LOG else []
    label = given.get("y", _label_of_named(head, given) if is_named else rows.y)
    y: dict[str, Any] = {} if label in (None, "y") or "y" in given else {"y": label}
    candidates = [y] if is_named else list(_columns(head, rows, given, notes))
    if candidates and head.sample == b"":
        return Proposal(None, [*notes, _BEYOND])
    labels = labels_in(head, label)
    refused: list[_Trial] = []
    for names in candidates:
        for rule in _rules(label, labels, given):
            trial = _tried(source, head, head.options | names | rule | dict(given))
            if trial.fits:
                notes += [] if names is candidates[0] else [refused[0].refusal]
                if "labels" in rule and not any(isinstance(label, bool) for label in labels):
                    notes.append("0 is read as -1; does it mean no preference? then --on-tie drop")
                return Proposal(trial.options, notes)
            if isinstance(trial.error, UsageError) and {"x1", "x2", "y", "preset"} & given.keys():
                raise trial.error
            refused.append(trial)
    return _after_refusals(refused, label, labels, notes) if refused else Proposal(None, notes)


def _for_no_pairs(source: Source, head: Head, rows: Rows, given: Mapping[str, Any]) -> Proposal:
    """Return advice; where the rows are nothing known, raise the error that `mrl compute` ends with."""
    names = {column.name for column in head.columns}
    if head.sample == b"" and not names:
        raise DataError(f"{source.shown_name}: no row ends in the first MiB", hint="is it text?")
    if head.sample == b"":
        return Proposal(None, [_BEYOND])
    is_named = not {"x1", "x2", "y"}.isdisjoint(given)
    if is_named or (rows.kind is None and (not names or {"x1", "x2"} <= names)):
        trial = _tried(source, head, head.options | dict(given))
        if trial.error is not None:
            raise trial.error
        if trial.counts is not None:
            plan = plan_of_options(Options(**trial.options))
            refuse(trial.counts, plan, [source.name], Look(), wants_mean=False)
    return Proposal(None, [_ADVICE[rows.kind]])


def reads(source: Source, head: Head, options: Mapping[str, Any]) -> bool:
    """Return whether options read the first rows of a source without a problem."""
    return _tried(source, head, dict(options)).fits


class _Trial(NamedTuple):
    """What came of options: the counts of the first rows, or the error."""

    options: dict[str, Any]
    counts: Counts | None = None
    error: MrlError | None = None

    @property
    def fits(self) -> bool:
        return self.counts is not None and self.counts.pairs > 0 and not self.counts.problems

    @property
    def refusal(self) -> str:
        """Why not, in a sentence."""
        if self.counts is None:
            return str(self.error)
        kind, problems = max(self.counts.problems.items(), key=lambda item: item[1].count)
        first = problems.first[0]
        value = first.value if first.column is None else f"{first.column} is {first.value}"
        where = f"{kind} in {problems.count:,} of the first {counted(self.counts.rows, 'row')}"
        way = f"{shell_line(flags_of(self.options))}: " if self.options else ""
        hint = f"; {ENCODING_HINT}" if kind == ENCODING else ""
        return f"{way}{where} ({first.row_word} {first.row}: {value}){hint}"


def _tried(source: Source, head: Head, options: dict[str, Any]) -> _Trial:
    try:
        plan = plan_of_options(made := Options(**options))
        if made.preset is not None:
            preset, given = PRESETS[made.preset], given_by(plan, made, Compute.roles)
            names = preset.header or [column.name for column in head.columns]
            plan = applied(preset, as_written_by(preset, plan, made, given), names, source.shown_name, given)
        if head.sample is not None:
            stream = Stream(io.BytesIO(head.sample).read)
            source = replace(source, file=None, stream=stream, format="json", compression=None, size_bytes=None)
        with nullcontext() if source.file else source.stream.rewinding():
            return _Trial(options, first_counts(source, plan))
    except (UsageError, DataError) as error:
        return _Trial(options, error=error)


def _after_refusals(refused: Sequence[_Trial], label: str | None, labels: Sequence[Any], notes: list[str]) -> Proposal:
    """Return what is left when no options read all rows: to leave some out, or to say why.

    Raises the error of the first trial where all ended with bad data.
    """
    if all(isinstance(trial.error, DataError) for trial in refused) and (error := refused[0].error):
        raise error
    first = max(refused, key=lambda trial: -1 if trial.counts is None else trial.counts.pairs)
    is_encoded = first.counts is None or ENCODING not in first.counts.problems
    if label is not None and is_encoded and not set(labels) <= {-1, 0, 1}:
        shown = listed(labels)
        return Proposal(None, [*notes, f"no rule of --labels fits {harmless(label)}: {shown}"])
    notes = [*notes, first.refusal]
    if first.counts is None or not _may_skip(first.counts, label):
        return Proposal(None, notes)
    return Proposal({**first.options, "on_error": "skip"}, [*notes, "--on-error skip leaves such rows out"])


def _may_skip(counts: Counts, label: str | None) -> bool:
    """Return whether few rows are bad, and no labels: their rule is another than it was taken for."""
    problems = [problem for kind in counts.problems.values() for problem in kind.first]
    return counts.rejected < counts.pairs and all(problem.column != label or label is None for problem in problems)


def _label_of_named(head: Head, given: Mapping[str, Any]) -> str | None:
    """Return the column of labels where the user names the scores, None where that says what labels are."""
    has_labels = {"preset", "y_const"}.isdisjoint(given)
    return label_among(column.name for column in head.columns) if has_labels else None


def _columns(head: Head, rows: Rows, given: Mapping[str, Any], notes: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the options that name the columns, the likeliest first; add to the notes why there are none."""
    if rows.preset is not None and not {"x1", "x2", "y", "y_const"} & given.keys():
        if _margin_is_difference(head, rows):
            notes.append("margin is the difference of the scores: under a logistic loss each pair would cost log 2")
        else:
            yield {"preset": rows.preset}
    if rows.x1 is None or rows.x2 is None:
        notes.append(f"{rows.reason}: name them with --x1 COLUMN and --x2 COLUMN")
        return
    if rows.references is not None:
        notes.append(f"{rows.reason}: this version takes scores as they are")
        return
    usual = ("1", "2", "3") if "no_header" in head.options or given.get("no_header") else ("x1", "x2", "y")
    found = zip(("x1", "x2", "y"), (rows.x1, rows.x2, rows.y), usual, strict=True)
    names: dict[str, Any] = {role: name for role, name, other in found if name not in (None, other)}
    if rows.is_directed:
        names["y_const"] = "1"
    elif rows.y is None and not {"y", "y_const"} & given.keys():
        notes.append("no column of labels: should the first score always be the higher one? then --y-const 1")
        if rows.x1 == "1":
            notes.append("places in a file of scores, as in CatBoost's pairs? then --preset catboost --scores FILE")
        return
    yield names


def _rules(label: str | None, labels: Sequence[Any], given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the options that say what labels are, the likeliest first."""
    yield {}
    if label is None or {"labels", "label_map", "on_tie", "y_const"} & given.keys():
        return
    if 1 in labels and label.casefold() not in _MAY_BE_INDEXES:
        yield {"labels": "01"}
    if -1 in labels:
        yield {"on_tie": "drop"}


def labels_in(head: Head, label: str | None) -> list[Any]:
    """Return the different labels in the rows seen, as `sorted_labels`; none without a column of them."""
    cells = next((column.cells for column in head.columns if column.name == label), ())
    return sorted_labels({_plain(cell) for cell in cells if not isinstance(cell, list | dict | None)})


def sorted_labels(labels: set[Any]) -> list[Any]:
    """Return the first labels: numbers in their order, then words in theirs."""
    words = sorted(label for label in labels if isinstance(label, str))
    return [*sorted(labels - set(words)), *words][:LABELS_LISTED]


def _plain(cell: Any) -> Any:
    if isinstance(cell, str | int):
        return cell
    number = float(cell)
    if not math.isfinite(number):
        return number_text(number)
    return int(number) if number.is_integer() else number


def _margin_is_difference(head: Head, rows: Rows) -> bool:
    cells = {column.name: column.cells for column in head.columns}
    margins = cells.get(dict(PRESETS[rows.preset or ""].numbers).get("margin", ""))
    if margins is None:
        return False
    triples = list(zip(cells[rows.x1 or ""], cells[rows.x2 or ""], margins, strict=False))
    if len(triples) < 2 or not all(is_number(cell) for triple in triples for cell in triple):
        return False
    numbers = ([float(cell[0] if isinstance(cell, list) else cell) for cell in triple] for triple in triples)
    return all(abs(x1 - x2 - margin) <= 1e-9 * max(abs(x1), abs(x2)) for x1, x2, margin in numbers)


def flags_of(options: Mapping[str, Any]) -> list[str]:
    """Return options as words of a command line.

    >>> flags_of({"x1": "a b", "no_header": True, "null_value": ("NA", "-")})
    ['--x1', 'a b', '--no-header', '--null-value', 'NA', '--null-value', '-']
    """
    words = []
    for name, given in options.items():
        value = map_text(given) if name == "label_map" else given
        for one in value if isinstance(value, tuple) else (value,):
            words += [option_of(name)] if one is True else [option_of(name), str(one)]
    return words
