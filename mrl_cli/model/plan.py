"""The plan of a run: everything that decides its result, and how reports print it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from mrl_cli.model.parts import (
    BENCHMARKS_OF_LISTS,
    EVERY,
    Columns,
    ListLabels,
    LossChoice,
    Ranking,
    Reading,
    Reporting,
    Role,
    Rules,
    setting_of,
)
from mrl_cli.records import light_dataclass
from mrl_cli.words import one_or_all, option_of, shell_line

if TYPE_CHECKING:
    from collections.abc import Collection

_LIST_LABELS = get_args(ListLabels)


@light_dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides a result, by concern; it holds no data.

    >>> Plan.of(margin=0.5, labels="01").changed(margin=1.0).loss.margin
    1.0
    """

    reading: Reading = Reading()
    rules: Rules = Rules()
    loss: LossChoice = LossChoice()
    ranking: Ranking = Ranking()
    reporting: Reporting = Reporting()

    @classmethod
    def of(cls, **settings: Any) -> Plan:
        """Return a plan with these fields of its parts; `loss` is the loss's name."""
        return cls().changed(**settings)

    def changed(self, **settings: Any) -> Plan:
        """Return the plan with these fields of its parts changed; `loss` is the loss's name.

        Raises TypeError for what is a field of no part.
        """
        parts: dict[str, dict[str, Any]] = {}
        for name, value in settings.items():
            if name not in _PART_OF:
                raise TypeError(f"no part of a plan has {name}")
            part, field = _PART_OF[name]
            parts.setdefault(part, {})[field] = value
        return replace(self, **{part: replace(getattr(self, part), **fields) for part, fields in parts.items()})

    @property
    def columns(self) -> Columns:
        """The columns to read."""
        return self.reading.columns

    def takes_booleans(self, role: Role) -> bool:
        """Whether true and false in a column of that role are the numbers 1 and 0."""
        return role == "y" and self.rules.labels in ("01", "relevance")

    @property
    def has_differences(self) -> bool:
        """Whether the differences of scores are read, not the scores."""
        return self.columns.name_of("difference") is not None

    @property
    def computes_scores(self) -> bool:
        """Whether the scores are computed from what is read, and not read as they are."""
        is_against_reference = self.columns.name_of("x1_reference") is not None
        return self.reading.scale is not None or self.has_differences or is_against_reference

    @property
    def groups(self) -> dict[Role, str]:
        """What is grouped by, in the order of a group's key: the names of columns, first of all "file", by role."""
        files: dict[Role, str] = {"file": "file"} if self.reading.by_file else {}
        return files | {role: name for role, name in self.columns.keys if setting_of(role) == "group_by"}

    @property
    def has_lists(self) -> bool:
        """Whether ranked lists are read, and not pairs."""
        return self.rules.labels in _LIST_LABELS

    @property
    def rows_are_lists(self) -> bool:
        """Whether a ranked list is the items of one row, and not a row for each item."""
        return bool(self.reading.lists)

    @property
    def list_roles(self) -> tuple[Role, ...]:
        """The roles of all that makes up the key of a list: its groups, then its query, where that has a column."""
        query: tuple[Role, ...] = ("query",)
        return (*self.groups, *(role for role in query if self.columns.name_of(role) is not None))

    @property
    def has_groups(self) -> bool:
        """Whether pairs are reported by group."""
        return bool(self.groups)

    @property
    def sums_scores(self) -> bool:
        """Whether scores, d and its squares are added up beside the losses."""
        return self.reporting.describes and not self.reporting.is_drawn

    @property
    def has_quantiles(self) -> bool:
        """Whether the quantiles of d are reported: those of all pairs together."""
        return self.reporting.describes and self.reporting.has_total and not self.has_lists

    @property
    def has_sections(self) -> bool:
        """Whether sections of a benchmark are reported."""
        return self.columns.name_of("subset") is not None

    @property
    def benchmark(self) -> str | None:
        """The preset of lists that sections are reported for, None for none."""
        return self.reporting.preset if self.has_lists and self.reporting.preset in BENCHMARKS_OF_LISTS else None

    @property
    def outer_groups(self) -> dict[Role, str]:
        """What of `groups` each have sections of their own: all but the subsets that sections are made of."""
        subset = self.columns.name_of("subset")
        return {role: name for role, name in self.groups.items() if role == "file" or name != subset}

    @property
    def key_roles(self) -> tuple[Role, ...]:
        """The roles of all that makes up the key by which sums are kept: groups, then the subset, then the cluster."""
        further: tuple[Role, ...] = ("subset", "cluster")
        return (*self.groups, *(role for role in further if self.columns.name_of(role) is not None))

    @property
    def integer_roles(self) -> Collection[Role]:
        """The roles of keys that may be integers in place of their texts: many are found and sorted sooner."""
        return () if self.has_lists else self.groups

    @property
    def has_clusters(self) -> bool:
        """Whether pairs belong to clusters."""
        return self.columns.name_of("cluster") is not None

    @property
    def has_keys(self) -> bool:
        """Whether sums are kept by key: by group, by cluster or by both."""
        return self.has_groups or self.has_clusters

    @property
    def has_weights(self) -> bool:
        """Whether each pair has a weight: of its own, of its query, or one that its labels give it."""
        return self.ranking.lambda_weight != "none" or self.has_own_weights

    @property
    def has_own_weights(self) -> bool:
        """Whether a column has the weights of pairs, or of their items or queries."""
        roles: tuple[Role, ...] = ("weight", "query_weight")
        return any(self.column_of(role) is not None for role in roles)

    def setting_of(self, role: Role) -> str:
        """Return the setting that names the column of a role in this run: y is the label of an item of a list."""
        return "label" if role == "y" and self.has_lists else setting_of(role)

    def path_below(self, role: Role, column: str, below: str) -> str:
        """Return the path to what is below the cells of a role's column, below all their items where those are lists.

        >>> Plan.of(lists=("score",)).path_below("score", "answers", "mean"), Plan().path_below("x1", "scores", "0")
        ('answers.*.mean', 'scores.0')
        """
        is_in_items = role in self.reading.lists and EVERY not in column.split(".")
        return ".".join([column, EVERY, below] if is_in_items else [column, below])

    def path_hint(self, role: Role, column: str, below: str) -> str:
        """Return the hint to name a number below the cells of a role's column by its path."""
        line = shell_line([option_of(self.setting_of(role)), self.path_below(role, column, below)])
        return f"one of its numbers is named by its path, such as {line}"

    def column_of(self, role: Role) -> str | None:
        """Return the name of the column that gives a role, None for none: that of strengths gives what their size is.

        >>> Plan.of(labels="strength", strength="weight").column_of("weight")
        'y'
        """
        is_size = self.rules.labels == "strength" and role == self.rules.strength
        return self.columns.name_of("y" if is_size else role)

    def settings(self, *keys: str) -> dict[str, Any]:
        """Return what reports print of the plan, under these of their keys, or all; None where it does not apply.

        >>> Plan.of(margin=0.5).settings("margin", "margin_column", "labels")
        {'margin': 0.5, 'margin_column': None, 'labels': 'pm1'}
        """
        margin_column = self.column_of("margin")
        ranking = self.ranking if self.has_lists else None
        known = {
            "loss": self.loss.name,
            "margin": None if margin_column is not None else self.loss.margin,
            "margin_column": margin_column,
            "parameters": dict(self.loss.parameters) or None,
            "query_column": self.columns.name_of("query") if self.reporting.group_sizes is None else None,
            "label_column": self.columns.name_of("y") if ranking and self.reporting.qrels is None else None,
            "score_column": self.columns.name_of("score") if self.reporting.scores is None else None,
            "chosen_column": self.columns.name_of("chosen"),
            "rejected_column": self.columns.name_of("rejected"),
            "num_correct_column": self.columns.name_of("num_correct"),
            "unjudged_label": self.rules.unjudged,
            "lambda_weight": ranking.lambda_weight if ranking else None,
            "top": ranking.top if ranking else None,
            "weight_column": self.column_of("weight"),
            "query_weight_column": self.columns.name_of("query_weight"),
            "difference_column": self.columns.name_of("difference"),
            "x1_reference_column": self.columns.name_of("x1_reference"),
            "x2_reference_column": self.columns.name_of("x2_reference"),
            "scale": self.reading.scale,
            "fill": dict(self.reading.fills) or None,
            "group_by": one_or_all(self.groups.values()),
            "cluster_column": self.columns.name_of("cluster"),
            "confidence": self.reporting.confidence,
            "reduction": self.reporting.reduction,
            "dtype": self.loss.dtype,
            "labels": self.rules.labels,
            "label_map": self.rules.label_map_text,
            "strength": self.rules.strength if self.rules.labels == "strength" else None,
            "preset": self.reporting.preset,
            "scores": self.reporting.scores,
            "group_sizes": self.reporting.group_sizes,
            "qrels": self.reporting.qrels,
            "missing_documents": self.reading.missing if self.reporting.qrels is not None else None,
        }
        return {key: known[key] for key in keys or known}


_PART_OF = {name: (part, name) for part in Plan.__match_args__ for name in getattr(Plan(), part).__match_args__}
_PART_OF["loss"] = _PART_OF.pop("name")
