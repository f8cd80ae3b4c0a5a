"""What the commands report of the pairs in a pandas DataFrame: the same plan, fold and figures as of a file.

The frame is read in chunks, so memory stays flat beside it. What is refused is a ValueError in the words of the command
line, with rows by their label and hints in the words of Python.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from inspect import signature
from numbers import Integral
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from mrl_cli.api.errors import argument_errors, arguments_of, value_errors
from mrl_cli.api.presets import preset_called
from mrl_cli.api.results import Points, Result, warn_of
from mrl_cli.engines.base import Job, fold
from mrl_cli.engines.local import local
from mrl_cli.inputs.frame import PLACE, as_frame, frame_source
from mrl_cli.inputs.kinds import note_on_log
from mrl_cli.inputs.presets import applied, given_by, label_settings
from mrl_cli.model import MOST_SAMPLES, USUAL_CONFIDENCE, group_roles
from mrl_cli.reductions.contrast import ContrastReduction
from mrl_cli.reductions.curve import CurveReduction
from mrl_cli.reductions.look import LookReduction
from mrl_cli.reductions.totals import WeightReduction
from mrl_cli.reports.better import differing_groups
from mrl_cli.reports.compare import comparison_report
from mrl_cli.reports.compute import compute_reductions, report_of
from mrl_cli.reports.notes import plan_notes
from mrl_cli.reports.pictures import distribution, quadrants
from mrl_cli.reports.refusals import refuse
from mrl_cli.reports.sweep import sweep_report
from mrl_cli.reports.symptoms import Symptoms
from mrl_cli.settings import check_choice, check_confidence, check_read, plan_of
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from typing import Literal, Never, Unpack

    import pandas as pd

    from mrl_cli.api.settings import EvaluateSettings, Frame, Grouping
    from mrl_cli.engines.base import Folded
    from mrl_cli.inputs import Source
    from mrl_cli.model import Counts, DType, Labels, Plan, Problem, ProblemCount, Role, Strength
    from mrl_cli.reductions.base import Reduction
    from mrl_cli.reports.base import Report

Columns: TypeAlias = "dict[Role, Hashable | None]"


class _Usual(str):
    """The name of a column that is called as usual and was not named: a preset's, or a difference, takes its place."""

    __slots__ = ()


_X1, _X2, _Y = map(_Usual, ("x1", "x2", "y"))


@overload
def evaluate(frame: Frame, *, group_by: None = None, **settings: Unpack[EvaluateSettings]) -> Result: ...
@overload
def evaluate(frame: Frame, *, group_by: Grouping, **settings: Unpack[EvaluateSettings]) -> pd.DataFrame: ...
def evaluate(
    frame: Frame,
    *,
    x1: Hashable = _X1,
    x2: Hashable = _X2,
    difference: Hashable | None = None,
    x1_reference: Hashable | None = None,
    x2_reference: Hashable | None = None,
    scale: float | None = None,
    fill: Mapping[str, float] | None = None,
    y: Hashable = _Y,
    y_const: Literal[1, -1] | None = None,
    labels: Labels | None = None,
    label_map: Mapping[Any, Any] | str | None = None,
    strength: Strength | None = None,
    on_tie: Literal["error", "drop"] | None = None,
    preset: str | None = None,
    loss: str = "margin_ranking",
    margin: float | None = None,
    margin_column: Hashable | None = None,
    weight: Hashable | None = None,
    group_by: Hashable | list[Any] | None = None,
    reduction: Literal["mean", "sum"] = "mean",
    dtype: DType = "float64",
    confidence: float | None = None,
    cluster: Hashable | None = None,
    calibration: bool = False,
    **parameters: float,
) -> Result | pd.DataFrame:
    """Return the report of `mrl compute` for pairs in a frame; with `group_by`, a DataFrame of the groups.

    `frame` is a DataFrame of pandas or Polars, a pyarrow Table or what exports itself as one, arrays of shape (n,) by
    name, or an array with named fields.

    `x1`, `x2`, `y`, `margin_column`, `weight`, `group_by` and `cluster` name columns, as do `difference`, in place of
    x1 and x2, and the references; with `y_const` there is no label column and every pair has that label. Columns of
    numbers may be of any real dtype, nullable and Arrow ones too, or hold Python numbers as objects. A name that no
    column has may be the path to nested cells, such as "judgments.0.score". `label_map` says
    what the values of the label column mean, as in {"a": 1, "b": -1, "tie": 0, "error": "skip"}, or as the option
    writes it. `preset` names a producer, of those in `list_presets()`, whose columns, labels, margins and weights are
    used where no other is named; groups are made with `group_by` alone. The other arguments mean what the options
    of that name mean; `parameters` are those of the loss.

    Without `group_by` the result is a dict with the keys of the JSON of `mrl compute`. With it the result is a
    DataFrame: a row for each value of that column, which is the index, numbers in their order, then other values in
    that of their text; the columns are the figures of a group. The whole's dict is its `attrs["total"]`. `group_by` may
    be a list of columns: then there is a row for each combination, and the index is a MultiIndex.

    Raises ValueError for what `mrl compute` refuses: an unknown name, a missing column, pairs without a trustworthy
    number (naming row, column and value), no pairs. The frame is not changed.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x1": [0.5, 1.0], "x2": [0.25, 2.0], "y": [1, 1], "kind": ["easy", "hard"]})
    >>> evaluate(frame, margin=0.5)["mean"]
    0.875
    >>> evaluate(frame, margin=0.5, group_by="kind")["accuracy"].to_dict()
    {'easy': 1.0, 'hard': 0.0}
    """
    columns, plan = planned(locals(), frame=(frame := as_frame(frame)))
    folded, source = folded_frame(frame, columns, plan, *compute_reductions(plan))
    with value_errors(*_FUNCTIONS):
        report = report_of(folded, plan, inputs=(), cautions=cautions_of(source.stream.frame, plan))
    record = report.record()
    if report.groups is not None:
        return by_group(record, report, plan, source)
    return Result.of(record, partial(distribution, folded.wholes[2], plan))


_SETTINGS = ("loss", "margin", "dtype", "y_const", "scale", "fill", "confidence", "calibration", "reduction")
_UNASKED = {"weight": None, "calibration": False, "reduction": "mean"}  # which `compare` does not have


def planned(
    given: Mapping[str, Any], of_b: Columns | None = None, *, frame: pd.DataFrame, **others: Any
) -> tuple[Columns, Plan]:
    """Return the columns and the plan of a call of `evaluate` or `compare` with these arguments.

    `of_b` are further columns.
    """
    of_use: set[Role] = set() if "margins" in others else {"margin"}
    of_use |= {"weight"} if "weight" in given else set()
    given = {**_UNASKED, **given}
    unnamed = {name: None for name in ("x1", "x2", "y") if isinstance(given[name], _Usual)}
    given |= {name: str(given[name]) for name in unnamed}
    preset = None if given["preset"] is None else preset_called(given["preset"])
    with value_errors():
        check_choice("reduction", given["reduction"], ("mean", "sum"))
    if preset is not None and preset.label is None and "y" in unnamed and given["y_const"] is None:
        given["y_const"] = 1
    roles: tuple[Role, ...] = ("x1", "x2", "difference", "x1_reference", "x2_reference", "y", "weight", "cluster")
    columns: Columns = {role: given[role] for role in roles} | (of_b or {})
    if given["difference"] is not None and unnamed.keys() >= {"x1", "x2"}:
        columns |= {"x1": None, "x2": None}  # called as usual they are not asked for beside a difference
    if given["y_const"] is not None and "y" in unnamed:
        columns["y"] = None  # nor is y beside a constant
    columns |= {"margin": given["margin_column"], **group_columns(given["group_by"])}
    asked = {name: given[name] for name in ("label_map", "strength", "on_tie")}
    if given["label_map"] is not None:
        from mrl_cli.model.labels import map_of

        asked["label_map"] = map_of(given["label_map"])
    settings = {"describes": True} | {name: given[name] for name in _SETTINGS}
    with value_errors(evaluate):
        settings |= label_settings(None if given["y_const"] is not None else preset, given["labels"], asked)
    settings |= {"preset": given["preset"], "awaits_preset": preset is not None, **others}
    plan = made_plan(columns, given["parameters"], **settings)
    if preset is not None:
        with value_errors(evaluate):
            own = given_by(plan, SimpleNamespace(**{**given, **unnamed}, by_file=False), of_use)
            plan = applied(preset, plan, [name for name in frame.columns if isinstance(name, str)], PLACE, own)
            check_read(plan)
        columns |= {role: name for role, name in plan.columns.wanted if role in _OF_PRESETS - own}
    return columns, plan


_OF_PRESETS: set[Role] = {"x1", "x2", "y", "margin", "weight"}


def arguments_for(
    frame: Any, settings: Mapping[str, Any], function: Callable[..., Any] | None = None
) -> dict[str, Any]:
    """Return the arguments of a call of `evaluate`, or another function, with these settings, and by default others."""
    call = signature(function or evaluate).bind(frame, **settings)
    call.apply_defaults()
    return call.arguments


def sweep_frame(frame: Frame, margins: list[float], **settings: Any) -> Points:
    """Return the points of `sweep` for the pairs in a frame; `settings` are arguments of `evaluate`."""
    for name in ("margin", "margin_column", "group_by", "confidence", "cluster", "calibration", "reduction"):
        if name in settings:
            raise TypeError(f"sweep() has no argument {name}: it is of all pairs, at many margins")
    columns, plan = planned(arguments_for(frame, settings), frame=(frame := as_frame(frame)), margins=margins)
    how = plan.loss.name, margins, plan.loss.dtype, dict(plan.loss.parameters)
    curve = CurveReduction(*how, takes_probabilities=plan.rules.labels == "probability")
    folded, _ = folded_frame(frame, columns, plan, curve, WeightReduction())
    return Points.of(sweep_report(curve, folded, margins, plan, inputs=()).points)


def by_group(record: dict[str, Any], report: Report, plan: Plan, source: Source) -> pd.DataFrame:
    """Return the groups of a record as a frame, with the rest of it as `attrs["total"]`.

    The index are the values of the columns grouped by; those of a file are text.
    """
    import pandas as pd

    groups = record.pop("groups")
    keys = [group.group for group in report.groups]
    for group in groups:
        del group["group"]
    indexes = []
    for place, (role, name) in enumerate(plan.groups.items()):
        texts = [key[place] for key in keys]
        if source.file is None:
            column, of_text = source.stream.column(role, slice(0))[0], source.stream.values.get(role, {})
            indexes.append(pd.Index([of_text[text] for text in texts], dtype=column.dtype, name=column.name))
        else:
            indexes.append(pd.Index(texts, name=name))
    index = indexes[0] if len(indexes) == 1 else pd.MultiIndex.from_arrays(indexes)
    figures = pd.DataFrame.from_records(groups, index=index)
    warn_of(record.get("notes") or ())
    figures.attrs["total"] = record
    return figures


def group_columns(group_by: Hashable | list[Any] | None) -> Columns:
    """Return the columns that a frame is grouped by, by role: one, or those of a list."""
    names = group_by if isinstance(group_by, list) else [group_by]
    if not names:
        raise ValueError("group_by is an empty list; name a column, or leave it out")
    return group_roles(names)


def compare(
    frame: Frame,
    *others: Never,
    x1: Hashable = _X1,
    x2: Hashable = _X2,
    x1_b: Hashable | None = None,
    x2_b: Hashable | None = None,
    difference: Hashable | None = None,
    difference_b: Hashable | None = None,
    x1_reference: Hashable | None = None,
    x2_reference: Hashable | None = None,
    scale: float | None = None,
    fill: Mapping[str, float] | None = None,
    y: Hashable = _Y,
    y_const: Literal[1, -1] | None = None,
    labels: Labels | None = None,
    label_map: Mapping[Any, Any] | str | None = None,
    strength: Strength | None = None,
    on_tie: Literal["error", "drop"] | None = None,
    preset: str | None = None,
    loss: str = "margin_ranking",
    margin: float | None = None,
    margin_column: Hashable | None = None,
    group_by: Hashable | list[Any] | None = None,
    dtype: DType = "float64",
    confidence: float = USUAL_CONFIDENCE,
    cluster: Hashable | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    **parameters: float,
) -> Result:
    """Return the report of `mrl compare` for two models, a and b, on the pairs in a frame, as `evaluate` takes it.

    `x1` and `x2` name the columns of a's scores, `x1_b` and `x2_b` those of b's; or `difference` and `difference_b`
    those of their differences. References are those of both models. Where the models are in two frames,
    merge them with pandas first, on the column that identifies a pair: `a.merge(b, on="id", suffixes=("", "_b"),
    validate="one_to_one")`. Such a merge leaves out the pairs that one frame lacks without counting them, and b's label
    is then not compared with a's. `bootstrap` is the number of samples, 0 for none; the other arguments are those of
    `evaluate` and the options of the command. A `preset` says what a's columns and the labels are, b's are named.

    The result is a dict with the keys of the JSON of `mrl compare`; figures that the data do not define are NaN. With
    `group_by`, its `groups` are a list with a dict for each value of that column, or for each combination of values, in
    the order of `evaluate`. Raises ValueError for what `mrl compare` refuses, as `evaluate` does. The frame is not
    changed.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x1": [1, 0], "x2": [0, 0.5], "u": [1, 2], "v": [0.5, 0], "y": [1, 1]})
    >>> report = compare(frame, x1_b="u", x2_b="v")
    >>> report["a"]["mean"], report["b"]["mean"], report["difference"]["mean"], report["mcnemar"]["only_b"]
    (0.25, 0.0, 0.25, 1)
    """
    given = locals()
    if others:
        message = 'compare takes one frame: merge the two first, a.merge(b, on=KEY, suffixes=("", "_b"), validate='
        raise TypeError(f'{message}"one_to_one"), and name the scores of b with x1_b and x2_b')
    with value_errors():
        check_confidence(confidence)
    drawn: dict[str, Any] = {"samples": whole_number("bootstrap", bootstrap, MOST_SAMPLES)}
    drawn["seed"] = whole_number("seed", seed)
    of_b = scores_of_b(difference, {"x1_b": x1_b, "x2_b": x2_b}, difference_b)
    columns, plan = planned(given, of_b, frame=(frame := as_frame(frame)), describes=False)
    folded, source = folded_frame(frame, columns, plan, ContrastReduction(plan, **drawn))
    sides = plan.columns.scores_in_words, plan.columns.of_b().scores_in_words
    report = comparison_report(folded.wholes[1], folded.counts, plan, sides=sides, **drawn)
    record: dict[str, Any] = report.record()
    if group_by is not None:
        _name_groups(record, report, plan, source.stream.values)
    warn_of(report.cautions())
    return Result.of(record, partial(quadrants, report))


def _name_groups(record: dict[str, Any], report: Report, plan: Plan, values: dict[Role, dict[str, Any]]) -> None:
    """Enter in the record of a comparison the values of each group in place of their texts."""

    def named(group: Report) -> Any:
        key = [values[role][text] for role, text in zip(plan.groups, group.group, strict=True)]
        return key if len(key) > 1 else key[0]

    for figures, group in zip(record["groups"], report.groups, strict=True):
        figures["group"] = named(group)
    record["differing_groups"] = list(map(named, differing_groups(report.groups, report.confidence)))


def cautions_of(frame: pd.DataFrame, plan: Plan) -> list[str]:
    """Return notes on what is asked for, whatever the data."""
    wanted = [name for _, name in plan.columns.wanted_numbers]
    note = note_on_log(list(map(str, frame.columns)), wanted, PLACE)
    return plan_notes(plan) + ([] if note is None else [note])


def scores_of_b(difference: Hashable | None, scores: Columns, difference_b: Hashable | None) -> Columns:
    """Return the columns of b's scores, which are its difference where a's are."""
    if difference is None:
        return scores | {"difference_b": difference_b}
    if difference_b is None:
        raise ValueError("compare needs the scores of two models: name b's difference, difference_b")
    return {role: name for role, name in scores.items() if name is not None} | {"difference_b": difference_b}


def whole_number(name: str, number: Any, largest: int | None = None) -> int:
    """Return a whole number from 0 on. Raises ValueError for anything else."""
    is_whole = isinstance(number, Integral) and not isinstance(number, bool)
    if not is_whole or number < 0 or (largest is not None and number > largest):
        bounds = "0 or more" if largest is None else f"from 0 to {largest:,}"
        raise ValueError(f"{name} must be a whole number, {bounds}, not {number!r}")
    return int(number)


@value_errors()
def made_plan(
    columns: Columns, parameters: Mapping[str, float], *functions: Callable[..., Any], **settings: Any
) -> Plan:
    """Return the plan of a call of functions (of `evaluate`). Raises ValueError for what makes none."""
    with argument_errors(*(functions or _FUNCTIONS)):
        return plan_of(columns, parameters=parameters, **settings)


_FUNCTIONS = (evaluate, compare)


@value_errors(*_FUNCTIONS)
def folded_frame(frame: Frame, columns: Columns, plan: Plan, *reductions: Reduction[Any, Any]) -> tuple[Folded, Source]:
    """Fold a look at the frame and reductions over its pairs. Raises ValueError for counts that allow no number."""
    source, every = frame_source(as_frame(frame), columns, plan), (LookReduction(), *reductions)
    folded = fold(local([source], Job(plan, every), 1), [source], every)
    counts = with_labels(folded.counts, source.stream.frame)
    refuse(Symptoms(counts, plan, folded.wholes[0], arguments_of(*_FUNCTIONS)), [PLACE], wants_mean=True)
    return folded, source


def with_labels(counts: Counts, frame: pd.DataFrame) -> Counts:
    """Return counts whose problems have rows by their label, and by their position where that is another."""

    def labelled(problem: Problem) -> Problem:
        label = frame.index[problem.row]
        is_position = isinstance(label, Integral) and int(label) == problem.row
        return problem if is_position else problem._replace(row_word=f"row {harmless(label)}, at position")

    def with_rows(problems: dict[str, ProblemCount]) -> dict[str, ProblemCount]:
        return {k: replace(known, first=tuple(map(labelled, known.first))) for k, known in problems.items()}

    return replace(counts, problems=with_rows(counts.problems), bad_labels=with_rows(counts.bad_labels))
