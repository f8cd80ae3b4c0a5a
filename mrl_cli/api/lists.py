"""What `mrl rank` reports of the ranked lists in a pandas DataFrame or in files."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from mrl_cli import runtime
from mrl_cli.api.errors import arguments_of, value_errors
from mrl_cli.api.frames import by_group, group_columns, made_plan, with_labels
from mrl_cli.api.results import Result
from mrl_cli.engines.base import Folded, Job, fold
from mrl_cli.engines.local import local
from mrl_cli.inputs import Source, resolve, spooled
from mrl_cli.inputs.frame import PLACE, FrameColumns, as_frame, frame_source
from mrl_cli.inputs.layouts import list_roles, with_layout, with_list_preset, with_preset_of_cells, without_query
from mrl_cli.inputs.presets import LIST_PRESETS, ListPreset
from mrl_cli.reductions.gathered import GatherReduction, folded_either_way, gathered_note
from mrl_cli.reductions.lists import ListConsumer, of_lists
from mrl_cli.reductions.look import LookReduction
from mrl_cli.reductions.queries import QueriesConsumer, QueryRowsConsumer
from mrl_cli.reductions.repeats import notes_in, repeats_of
from mrl_cli.reports.rank import rank_report, refuse_undefined
from mrl_cli.reports.refusals import refuse
from mrl_cli.reports.symptoms import Symptoms
from mrl_cli.settings import check_choice

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from typing import Literal, Unpack

    import pandas as pd
    import pyarrow as pa

    from mrl_cli.api.settings import Frame, Grouping, ListSettings
    from mrl_cli.model import LambdaWeight, ListLabels, Plan, Role

_USUAL: dict[Role, str] = {"y": "label", "score": "score"}
SEEN = 1000  # of so many rows it is seen whether cells are lists


@overload
def evaluate_lists(
    frame: Frame, *, group_by: None = None, per_query: Literal[False] = False, **settings: Unpack[ListSettings]
) -> Result: ...
@overload
def evaluate_lists(frame: Frame, *, group_by: Grouping, **settings: Unpack[ListSettings]) -> pd.DataFrame: ...
@overload
def evaluate_lists(
    frame: Frame, *, group_by: Grouping | None = None, per_query: Literal[True], **settings: Unpack[ListSettings]
) -> pd.DataFrame: ...
def evaluate_lists(
    frame: Frame,
    *,
    query: Hashable = "query",
    label: Hashable = "label",
    score: Hashable = "score",
    labels: ListLabels | None = None,
    preset: str | None = None,
    loss: str = "margin_ranking",
    margin: float | None = None,
    reduction: Literal["mean", "query-mean", "sum"] = "mean",
    lambda_weight: LambdaWeight = "none",
    top: int | None = None,
    weight: Hashable | None = None,
    query_weight: Hashable | None = None,
    group_by: Hashable | list[Any] | None = None,
    confidence: float | None = None,
    per_query: bool = False,
    memory_bytes: int | None = None,
    max_pairs: int | None = None,
    **parameters: Any,
) -> Result | pd.DataFrame:
    """Return the report of `mrl rank` for the ranked lists in a frame, as `evaluate` takes it, or in the files that a
    path names.

    A row is an item of a list: the rows with one value of `query` are a list, in any order. Where the cells of `label`
    and `score` are lists, a row is a list of its own, and needs no query. A name may be the path to nested cells, such
    as "answers.*.rank". `preset` names a producer of lists, of those in `list_presets()`, whose columns and labels are
    used where no other is named; groups are made with `group_by` alone, and a benchmark's sections are left to the
    command. The other arguments mean what the options of that name mean; `memory_bytes`, by default half of the
    machine's memory, is what may be held beside the frame; `parameters` are those of the loss.

    The result is a dict with the keys of the JSON of `mrl rank`. With `group_by` it is a DataFrame with a row for each
    group, as that of `evaluate`; with `per_query` one with a row for each query, whose `query` is a text: groups,
    query, rows, pairs, sum, mean (NaN where a query has no pair) and counts.

    Raises ValueError for what `mrl rank` refuses. A frame is not changed.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"query": [1, 1, 2, 2, 2], "label": [1, 0, 0, 1, 0], "score": [0.5, 0.75, 0.5, 1, 0]})
    >>> report = evaluate_lists(frame, margin=1)
    >>> report["mean"], report["query_mean"], report["pairs"]
    (0.5833333333333334, 0.75, 3)
    >>> evaluate_lists(frame, margin=1, per_query=True)["mean"].tolist()
    [1.25, 0.25]
    """
    lists = lists_of(locals())
    tables: list[pa.Table] = []

    def made() -> ListConsumer[Any, Any]:
        tables.clear()
        if per_query:
            return QueryRowsConsumer(lists.plan, tables.append)
        return QueriesConsumer(lists.plan, keeps_clusters=confidence is not None)

    folded, queries, notes = lists.ranked(made)
    if per_query:
        import pyarrow as pa

        rows: pd.DataFrame = pa.concat_tables(tables).to_pandas()
        return rows
    report = rank_report(folded.counts, queries, lists.plan, cautions=notes)
    record: dict[str, Any] = report.record()
    record |= {} if preset is None else {"preset": preset}
    return Result.of(record) if report.groups is None else by_group(record, report, lists.plan, lists.sources[0])


_SETTINGS = ("labels", "loss", "margin", "lambda_weight", "top", "max_pairs", "reduction", "confidence")


def lists_of(given: Mapping[str, Any]) -> Lists:
    """Return the lists of a call of `evaluate_lists` with these arguments."""
    with value_errors():
        check_choice("reduction", given["reduction"], ("mean", "query-mean", "sum"))
    columns: dict[Role, Hashable | None] = {"y": given["label"]}
    columns |= {role: given[role] for role in ("score", "query", "weight", "query_weight")}
    columns |= group_columns(given["group_by"])
    settings = {name: given[name] for name in _SETTINGS}
    plan = made_plan(columns, given["parameters"], evaluate_lists, **settings, describes=not given["per_query"])
    with value_errors(evaluate_lists):
        plan = of_lists(plan).changed(memory_bytes=given["memory_bytes"] or runtime.memory_bytes() // 2)
        return Lists(given["frame"], columns, plan, _preset(given["preset"], given["labels"]))


def _preset(name: str | None, labels: ListLabels | None) -> ListPreset | None:
    """Return the preset of lists called so, with the labels that are said. Raises UsageError for an unknown one."""
    if name is None:
        return None
    check_choice("preset", name, LIST_PRESETS)
    preset = LIST_PRESETS[name]
    return preset if labels is None else replace(preset, labels=labels)


def _without_sections(plan: Plan, whole: Plan) -> Plan:
    """Return the plan of a preset with the keys of the one before it, and without the sections of a benchmark."""
    name = whole.reporting.preset if whole.benchmark is None else None
    return whole.changed(columns=replace(whole.columns, keys=plan.columns.keys), preset=name)


class Lists:
    """Lists in a frame or in files, and the plan by which they are read."""

    def __init__(
        self, given: Any, columns: Mapping[Role, Hashable | None], plan: Plan, preset: ListPreset | None
    ) -> None:
        named: dict[Role, str] = {role: str(columns[role]) for role in ("y", "score") if columns[role] != _USUAL[role]}
        self._frame: pd.DataFrame | None = None
        self.sources: tuple[Source, ...]
        if isinstance(given, str | os.PathLike):
            self.sources = tuple(map(spooled, resolve([os.fspath(given)])))
            if preset is not None:
                plan = _without_sections(plan, with_list_preset(plan, preset, self.sources, named, is_grouped=True))
            self.plan = with_layout(plan, self.sources)
            return
        self._frame = as_frame(given, of_arrays="rank_loss")
        if preset is not None:
            cells = {str(name): _cells(self._frame[name].iloc[:SEEN]) for name in self._frame.columns}
            whole = with_preset_of_cells(plan, preset, cells, PLACE, named, is_grouped=True)
            plan = _without_sections(plan, whole)
            columns = {role: columns.get(role) or name for role, name in plan.columns.wanted} | {
                role: name for role, name in plan.columns.wanted if role not in columns or role in ("y", "score")
            }
        has_query = columns["query"] != "query" or "query" in self._frame.columns
        self._read_frame(self._frame, columns, plan if has_query else without_query(plan))
        if not (has_query or self.plan.rows_are_lists):  # only a row that is a list needs no query
            self._read_frame(self._frame, columns, plan)

    def _read_frame(self, frame: pd.DataFrame, columns: Mapping[Role, Hashable | None], plan: Plan) -> None:
        named = {role: columns[role] for role, _ in plan.columns.wanted}
        source = frame_source(frame, named, plan)
        stream: FrameColumns = source.stream
        cells = {name: _cells(stream.column(role, slice(SEEN))[0]) for role, name in plan.columns.wanted}
        self.sources, self.plan = (source,), plan.changed(lists=list_roles(cells, plan))

    @property
    def names(self) -> list[str]:
        """What the frame or the files are called."""
        return [PLACE] if self._frame is not None else [source.name for source in self.sources]

    def ranked(self, made: Any) -> tuple[Folded, Any, list[str]]:
        """Return what was folded, what a consumer makes of the lists, and notes. Raises ValueError for no number."""
        with value_errors(evaluate_lists):
            (folded, queries), way = folded_either_way(self.plan, made, self._checked, self._folded)
            refuse_undefined(queries, folded.wholes[0], self.plan)
        notes = [gathered_note(folded.counts.pairs, self.plan)] if way is GatherReduction else []
        return folded, queries, notes + notes_in(folded.wholes)

    def _checked(self, reduction: Any) -> tuple[Folded, Any]:
        folded = self._folded(reduction)
        counts = folded.counts if self._frame is None else with_labels(folded.counts, self._frame)
        symptoms = Symptoms(counts, self.plan, folded.wholes[0], arguments_of(evaluate_lists))
        refuse(symptoms, self.names, wants_mean=True)
        return folded, reduction.settled(folded.wholes[1])

    def _folded(self, reduction: Any) -> Folded:
        every = (LookReduction(), reduction, *repeats_of(self.plan))
        jobs = 1 if self._frame is not None else runtime.core_count()
        return fold(local(self.sources, Job(self.plan, every), jobs), self.sources, every)


def _cells(column: pd.Series[Any]) -> list[Any]:
    """Return cells with arrays as lists."""
    return [cell.tolist() if hasattr(cell, "tolist") and np.ndim(cell) else cell for cell in column]
