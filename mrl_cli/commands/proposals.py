"""The options that read the pairs of an input: proposed by what its rows are, and tried on its first rows."""

from __future__ import annotations

import io
import math
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mrl_cli.commands.options import Options
from mrl_cli.commands.planning import plan_of_options
from mrl_cli.commands.presets import as_written_by
from mrl_cli.engines.base import Job, first_part
from mrl_cli.errors import DataError, MrlError, UsageError
from mrl_cli.inputs import head_of
from mrl_cli.inputs.kinds import LISTS, LOG, PAIRS, TEXTS, described_places, is_number, kind_of, label_among
from mrl_cli.inputs.presets import PRESETS, applied, given_by
from mrl_cli.inputs.streams import Stream
from mrl_cli.model import Counts
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.look import Look, LookReduction
from mrl_cli.reports.labelways import STRAY, Way
from mrl_cli.reports.refusals import refuse
from mrl_cli.reports.remedies import remedy, ways_to_read
from mrl_cli.reports.symptoms import Symptoms
from mrl_cli.settings import flags_of
from mrl_cli.words import counted, harmless, number_text, shell_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from mrl_cli.inputs import Source
    from mrl_cli.inputs.base import NoColumnError
    from mrl_cli.inputs.heads import Head
    from mrl_cli.inputs.kinds import Rows
    from mrl_cli.model import Columns, Role

# What to do with rows that are no pairs of scores.
_ADVICE = {
    LISTS: "mrl compute reads pairs; ranked lists are for mrl rank",
    TEXTS: "mrl compute reads scores: score the texts first",
    LOG: "the loss of means is not the mean of the losses: mrl compute needs the scores of each pair",
    None: "name the columns of the scores with --x1 COLUMN and --x2 COLUMN",
}
_BEYOND = "only the beginning was read, and no whole row is in it: nothing was tried, and there may be more columns"
_SAY_LABELS = {"labels", "label_map"}  # each without the other
_ASKED = ": name it with --y COLUMN; should the first score always be the higher one? then --y-const 1"
LABELS_LISTED = 20  # there may be a thousand real ones


class Caller(NamedTuple):
    """The command that reads: its name, the roles that it has a use for, its options, and the words after its name."""

    name: str
    roles: AbstractSet[Role]
    option_names: Sequence[str]
    words: Sequence[str] = ()

    def line(self, options: Mapping[str, Any]) -> str:
        """Return the command line with further options, in front of what only names inputs."""
        end = self.words.index("--") if "--" in self.words else len(self.words)
        return shell_line(["mrl", self.name, *self.words[:end], *flags_of(options), *self.words[end:]])


class Reading(NamedTuple):
    """A source with its head, and the command that reads it."""

    source: Source
    head: Head
    caller: Caller


class Proposal(NamedTuple):
    """Options of a command, None where none are known to read the rows rightly, and notes for the user.

    `columns` are those that were tried, None where none were.
    """

    options: dict[str, Any] | None
    notes: list[str]
    columns: Columns | None = None


def proposal_for(reading: Reading, rows: Rows, given: Mapping[str, Any]) -> Proposal:
    """Return the options that read the first rows without a problem, those `given` by the user among them.

    Raises UsageError where what is given fits no column, and DataError for rows that no options make readable.
    """
    head, is_named = reading.head, "preset" in given or {"x1", "x2"} <= given.keys()
    if rows.kind != PAIRS and not is_named:
        return _for_no_pairs(reading, rows, given)
    notes = [_ADVICE[LOG]] if rows.kind == LOG else []
    label = given.get("y", _label_of_named(head, given) if is_named else rows.y)
    y: dict[str, Any] = {} if label in (None, "y") or "y" in given else {"y": label}
    candidates = [y | _references(rows, given, notes)] if is_named else list(_columns(head, rows, given, notes))
    if candidates and head.sample == b"":
        return Proposal(None, [*notes, _BEYOND])
    refused: list[_Trial] = []
    for names in candidates:
        trial = _tried(reading, head.options | names | dict(given))
        if isinstance(trial.error, UsageError) and {"x1", "x2", "y", "preset"} & given.keys():
            raise trial.error
        trial = _followed(trial, reading)
        if trial.fits:
            notes += [] if names is candidates[0] else [refused[0].refusal]
            return Proposal(trial.options, notes + trial.hints, trial.columns)
        refused.append(trial)
    return _after_refusals(refused, notes) if refused else Proposal(None, notes)


def _followed(trial: _Trial, reading: Reading) -> _Trial:
    """Return what following the hints of `mrl compute` leads to, as far as they do; what is given is kept."""
    if trial.fits or not (ways := _ways(trial, reading.head)):
        return trial
    options = {name: value for name, value in (ways[0].options or {}).items() if trial.options.get(name) != value}
    settles = options.keys() | (_SAY_LABELS if not _SAY_LABELS.isdisjoint(options) else set())
    if not options or not settles.isdisjoint(trial.options):
        return trial
    hints = [*trial.hints, "; ".join(way.text for way in ways)]
    tried = _tried(reading, {**trial.options, **options})._replace(hints=hints)
    return trial if tried.symptoms is None else _followed(tried, reading)


def _ways(trial: _Trial, head: Head) -> list[Way]:
    """Return the ways that `mrl compute` hints at; a column of booleans is an error of its own there."""
    if trial.symptoms is not None:
        return ways_to_read(trial.symptoms)
    cells = head.cells(None if trial.columns is None else trial.columns.name_of("y"))
    is_boolean = isinstance(trial.error, DataError) and any(isinstance(cell, bool) for cell in cells)
    return [Way.to("true and false are the labels 1 and 0?", labels="01")] if is_boolean else []


def _for_no_pairs(reading: Reading, rows: Rows, given: Mapping[str, Any]) -> Proposal:
    """Return advice; where the rows are nothing known, raise the error that `mrl compute` ends with."""
    source, head = reading.source, reading.head
    names = {column.name for column in head.columns}
    if head.sample == b"" and not names:
        raise DataError(f"{source.shown_name}: no row ends in the first MiB", hint="is it text?")
    if head.sample == b"":
        return Proposal(None, [_BEYOND])
    is_named = not {"x1", "x2", "y"}.isdisjoint(given)
    if is_named or (rows.kind is None and (not names or {"x1", "x2"} <= names)):
        trial = _tried(reading, head.options | dict(given))
        if trial.error is not None:
            raise trial.error
        if trial.symptoms is not None:
            refuse(trial.symptoms, [source.name], wants_mean=False)
    return Proposal(None, [_ADVICE[rows.kind]])


def reads(reading: Reading, options: Mapping[str, Any]) -> bool:
    """Return whether options read the first rows of a source without a problem, or leave few of them out."""
    trial = _tried(reading, dict(options))
    if options.get("on_error") == "skip" and trial.symptoms is not None:
        return _may_skip(trial.symptoms)
    return trial.fits


def with_whole_line(error: NoColumnError, sources: Sequence[Source], options: Options, caller: Caller) -> str | None:
    """Return the hint of a missing column that the user did not name, with what to run instead: a whole command line.

    It keeps what the user gave, and reads the first rows of every source without a problem; None where none does.
    """
    missing, plan = error.source, error.plan
    given = options.given(" ".join(name for name in caller.option_names if hasattr(Options, name)))
    given.pop("which", None)  # a picture has a default of its own, and is not read
    others = [source for source in sources if source is not missing]
    try:
        readings = [Reading(source, head_of(source, plan), caller) for source in (missing, *others) if source.file]
        rows = kind_of({column.name: column.cells for column in readings[0].head.columns})
        proposal = proposal_for(readings[0], rows, given) if rows.kind == PAIRS else Proposal(None, [])
        if proposal.options is None and proposal.columns is not None and "labels" in given:  # which do not fit
            return "; ".join([harmless(rows.reason, 200), *proposal.notes])
        if proposal.options is None or not all(reads(reading, proposal.options) for reading in readings):
            return None
    except (MrlError, IndexError):  # IndexError: what is piped in is read but once
        return None
    added = {name: value for name, value in proposal.options.items() if given.get(name) != value}
    if not added or not added.keys() <= {*caller.option_names}:
        return None
    hint, run = error.hint or "", f"run: {caller.line(added)}"
    says_it = shell_line(flags_of(added)) in hint
    return "; ".join([hint if says_it else harmless(rows.reason, 200), *proposal.notes, run])


class _Trial(NamedTuple):
    """What came of options: the symptoms of the first rows, or the error; and the hints that led to these options."""

    options: dict[str, Any]
    columns: Columns | None = None
    symptoms: Symptoms | None = None
    error: MrlError | None = None
    hints: list[str] = []  # noqa: RUF012 (none is added to)

    @property
    def fits(self) -> bool:
        return self.symptoms is not None and self.symptoms.counts.pairs > 0 and not self.symptoms.counts.problems

    @property
    def refusal(self) -> str:
        """Why not, in a sentence, and what to do about it."""
        if self.symptoms is None:
            return str(self.error)
        way = f"{shell_line(flags_of(self.options))}: " if self.options else ""
        hint = "".join(f"; {text}" for text in (remedy(self.symptoms),) if text)
        counts = self.symptoms.counts
        of_rows = f"the first {counted(counts.rows, 'row')}"
        if not counts.problems:
            return f"{way}no pair in {of_rows}, all are left out{hint}"
        kinds = sorted(counts.problems, key=lambda kind: -counts.problems[kind].count)
        first = counts.problems[kinds[0]].first[0]
        where = f"{', '.join(kinds)} in {counts.rejected:,} of {of_rows}"
        return f"{way}{where} ({first.described()}){hint}"


def _tried(reading: Reading, options: dict[str, Any]) -> _Trial:
    source, head, columns = reading.source, reading.head, None
    try:
        plan = plan_of_options(made := Options(**options))
        if made.preset is not None:
            preset, given = PRESETS[made.preset], given_by(plan, made, reading.caller.roles)
            first = [column.name for column in head.columns]
            plan = as_written_by(preset, plan, made, given, first)
            names = first if plan.reading.dialect.header else preset.header[: len(first)]
            plan = applied(preset, plan, names, source.shown_name, given)
        columns = plan.columns
        if head.sample is not None:
            stream = Stream(io.BytesIO(head.sample).read)
            source = replace(source, file=None, stream=stream, format="json", compression=None, size_bytes=None)
        with nullcontext() if source.file else source.stream.rewinding():
            part = first_part(source, Job(plan, (LookReduction(),)))
        counts, look = (Counts(), Look()) if part is None else (part.counts, part.states[0])
        return _Trial(options, columns, Symptoms(counts, plan, look, reading.caller.option_names))
    except (UsageError, DataError) as error:
        return _Trial(options, columns, error=error)


def _after_refusals(refused: Sequence[_Trial], notes: list[str]) -> Proposal:
    """Return what is left when no options read all rows: to leave some out, or to say why.

    Raises the error of the first trial where all ended with bad data.
    """
    if all(isinstance(trial.error, DataError) for trial in refused) and (error := refused[0].error):
        raise error
    first = max(refused, key=lambda trial: -1 if trial.symptoms is None else trial.symptoms.counts.pairs)
    notes = [*notes, *first.hints, first.refusal]
    may_skip = first.symptoms is not None and _may_skip(first.symptoms)
    return Proposal({**first.options, "on_error": "skip"} if may_skip else None, notes, first.columns)


def _may_skip(symptoms: Symptoms) -> bool:
    """Return whether few rows are bad; of labels very few, else their rule is another than it was taken for."""
    counts, label = symptoms.counts, harmless(symptoms.plan.columns.name_of("y"))
    are_labels = any(problem.column == label for kind in counts.problems.values() for problem in kind.first)
    return counts.rejected * STRAY <= counts.rows if are_labels else counts.rejected < counts.pairs


def _label_of_named(head: Head, given: Mapping[str, Any]) -> str | None:
    """Return the column of labels where the user names the scores, None where that says what labels are."""
    has_labels = {"preset", "y_const"}.isdisjoint(given)
    return label_among(column.name for column in head.columns) if has_labels else None


def _columns(head: Head, rows: Rows, given: Mapping[str, Any], notes: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the options that name the columns, the likeliest first; add to the notes why there are none."""
    if rows.preset is not None and PRESETS[rows.preset].is_indexed:
        notes.append(described_places(rows))
        return
    if rows.preset is not None and not {"x1", "x2", "y", "y_const"} & given.keys():
        if _margin_is_difference(head, rows):
            notes.append("margin is the difference of the scores: under a logistic loss each pair would cost log 2")
        else:
            yield {"preset": rows.preset}
    if rows.x1 is None or rows.x2 is None:
        notes.append(f"{rows.reason}: name them with --x1 COLUMN and --x2 COLUMN")
        return
    has_label = not {"y", "y_const"}.isdisjoint(given)
    if rows.y is None and not rows.is_directed and not has_label:
        notes.append(f"no column of labels{_ASKED}")
        if rows.x1 == "1":
            notes.append("places in a file of scores, as in CatBoost's pairs? then --preset catboost --scores FILE")
        return
    usual = ("1", "2", "3") if "no_header" in head.options or given.get("no_header") else ("x1", "x2", "y")
    settled = {*zip(("x1", "x2", "y"), usual, strict=True)}
    names = {name: value for name, value in rows.options.items() if (name, value) not in settled}
    for name in ("y", "y_const") if has_label else ():
        names.pop(name, None)
    yield names | _references(rows, names | dict(given), notes)


def _references(rows: Rows, named: Mapping[str, Any], notes: list[str]) -> dict[str, str]:
    """Return the options for what the scores that are named count from; add to the notes what else there may be."""
    if rows.references is None or (named.get("x1"), named.get("x2")) != (rows.x1, rows.x2):
        return {}
    notes.append("are rewards these differences times beta, as in DPO? then --scale BETA as well")
    return rows.reference_options


def labels_in(head: Head, label: str | None) -> list[Any]:
    """Return the different labels in the rows seen, as `sorted_labels`; none without a column of them."""
    cells = (cell[0] if isinstance(cell, list) and len(cell) == 1 else cell for cell in head.cells(label))
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
