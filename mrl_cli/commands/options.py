"""Options that several commands share: how they are declared and parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import click

from mrl_cli.commands.helping import CHECKS, COLUMNS, GROUPED, INPUT, LOSS, OUTPUT, RUNNING
from mrl_cli.commands.parsing import Option, pass_over
from mrl_cli.commands.saying import remember_color
from mrl_cli.commands.values import LossName, Registered, assignment, char, label_map, named, number, share
from mrl_cli.errors import UsageError
from mrl_cli.model import DType, Labels, LambdaWeight, PairLabels, ReductionName, Role, Strength, group_roles
from mrl_cli.render import format_names
from mrl_cli.words import option_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mrl_cli.model.labels import LabelMap

FORMAT_CHOICES = ("auto", *format_names())


def is_given(name: str, *, or_by_environment: bool = False) -> bool:
    """Return whether the option of that name stands on the command line: defaults may say the same elsewhere.

    `or_by_environment`: or in the environment or a file of settings.
    """
    context = click.get_current_context(silent=True)
    source = None if context is None else context.get_parameter_source(name)
    elsewhere = click.core.ParameterSource.ENVIRONMENT, click.core.ParameterSource.DEFAULT_MAP
    return source is click.core.ParameterSource.COMMANDLINE or (or_by_environment and source in elsewhere)


class Declared:
    """An option of click, called as the attribute it is; in a command without it, the attribute is its default.

    It has no effect without the option that it `goes_with`, if it names one.
    """

    def __init__(self, text: str, *flags: str, choices: Sequence[str] | None = None, **settings: Any) -> None:
        self._given = flags, {"choices": choices} | settings
        self.goes_with = settings.pop("goes_with", None)
        if choices is not None:  # of which the first is the default, where there is no other
            settings = {"type": click.Choice(choices), "default": choices[0]} | settings
        usual = () if "multiple" in settings else False if "is_flag" in settings else None
        self._default = settings.get("default", usual)
        self._flags, self._settings = flags, settings | {"help": text}

    def __set_name__(self, owner: type, name: str) -> None:
        if not any(flag.startswith("--") for flag in self._flags):
            self._flags += (option_of(name),)

    def __get__(self, instance: object, owner: type) -> Any:
        return self if instance is None else self._default

    def but(self, text: str | None, **settings: Any) -> Declared:
        """Return the same option with another help, if any, and what else differs."""
        flags, given = self._given
        return Declared(text or self._settings["help"], *flags, **(given | settings))

    @property
    def option(self) -> Option:
        """The option for a command."""
        return Option(self._flags, show_default=self._settings.get("default") is not None, **self._settings)


def declared(owner: type[Options], names: Iterable[str], **texts: str) -> list[Option]:
    """Return the options of these names as a command takes them; `texts` are what the help says of some instead."""
    options = [getattr(owner, name).option for name in names]
    for each in options:
        each.help = texts.get(each.name, each.help)
    return options


def option(text: str, *flags: str, **settings: Any) -> Any:
    """Return a declared option with this help, for an attribute that has the type of its values.

    `flags` are further ones than the long one of the attribute's name, or all where one of them is long. `settings` are
    those of HelpOption, its group in the help among them, and of click's Option.
    """
    return Declared(text, *flags, **settings)


def varied(known: Any, text: str | None = None, **settings: Any) -> Any:
    """Return a declared option as some commands have it: with this help, and these settings in place of its own."""
    return known.but(text, **settings)


class ColumnName(click.types.StringParamType):
    """The name of a column; several in an environment variable stand in a line each, for a name may have blanks."""

    envvar_list_splitter = "\n"


def column(text: str, **settings: Any) -> Any:
    """Return a declared option that names a column."""
    return option(text, metavar="COLUMN", type=ColumnName(), **settings)


def flag(text: str, *flags: str, **settings: Any) -> Any:
    """Return a declared option without a value."""
    return option(text, *flags, is_flag=True, **settings)


def count(text: str, metavar: str = "N", *, least: int = 1, most: int | None = None, **settings: Any) -> Any:
    """Return a declared option that is a whole number within bounds."""
    return option(text, metavar=metavar, type=click.IntRange(least, most), **settings)


FORMAT_HELP = "Output format. auto: by the suffix of -o, else table on a terminal and tsv elsewhere."


class Options:
    """What options say, each as the attribute of its name, where it is declared too.

    What is not given, or is no option of a command, has its default.
    """

    inputs: tuple[str, ...] = ()
    # What is read.
    x1: str | None = column("Column of the first score.", group=COLUMNS, is_common=True, shown="x1")
    x2: str | None = column("Column of the second score.", group=COLUMNS, is_common=True, shown="x2")
    difference: str | None = column("Column that is x1 - x2 already, in place of --x1 and --x2.", group=COLUMNS)
    x1_reference: str | None = column(
        "Column that is subtracted from x1, such as log-probabilities of the reference model.", group=COLUMNS
    )
    x2_reference: str | None = column("Column that is subtracted from x2.", group=COLUMNS)
    scale: float | None = option(
        "Multiply scores by X, after a reference is subtracted; DPO's beta.", group=COLUMNS, type=number, metavar="X"
    )
    fill: tuple[tuple[str, float], ...] = option(
        "Use this number where a margin or weight is missing, such as margin=0, and count the rows. Repeatable.",
        group=COLUMNS,
        type=assignment,
        multiple=True,
        metavar="ROLE=VALUE",
    )
    y: str | None = column("Column of the label.", group=COLUMNS, is_common=True, shown="y")
    y_const: str | None = option(
        "Give every pair this label: there is no label column.",
        group=COLUMNS,
        choices=("1", "-1"),
        default=None,
        is_common=True,
    )
    labels: Labels | None = option(
        "What labels mean. pm1: exactly -1 or 1. 01: 0 and 1, where 0 means -1; true and false too. any: the real "
        "number as it is. strength: its sign is the label, 0 a tie. probability: that x1 is better, from 0 to 1.",
        group=COLUMNS,
        choices=get_args(PairLabels),
        default=None,
        is_common=True,
        shown="pm1; any for a loss whose y is a target, as margin_mse",
    )
    label_map: LabelMap | None = option(
        "What the words or codes of the label column mean, as in 'model_a=1,model_b=-1,tie=0,error=skip'. 0 is a tie, "
        "skip leaves out and counts. A value with a comma stands in double quotes.",
        group=COLUMNS,
        type=label_map,
        metavar="MAP",
    )
    strength: Strength | None = option(
        "What the size of a label is used for, under --labels strength.",
        group=COLUMNS,
        choices=get_args(Strength),
        default=None,
        shown="ignore",
    )
    on_tie: str | None = option(
        "What to do with a tie, a label of 0: stop, or leave it out and count it.",
        group=COLUMNS,
        choices=("error", "drop"),
        default=None,
        shown="error",
    )
    on_error: str = option(
        "What to do with bad rows: stop, or leave them out and count them.", group=INPUT, choices=("fail", "skip")
    )
    rejects: str | None = option(
        "Write every problem that is skipped to this file, CSV or .jsonl.", group=INPUT, metavar="FILE"
    )
    delimiter: str | None = option(
        "Field delimiter of text files.", "-d", group=INPUT, type=char, shown="by suffix and header"
    )
    encoding: str | None = option(
        "Encoding of text files.", "-e", group=INPUT, type=named, metavar="NAME", shown="UTF-8, or as the BOM says"
    )
    decimal: str = option("Decimal point of numbers in text.", group=INPUT, type=char, default=".")
    null_value: tuple[str, ...] = option(
        "Text of a cell that holds no value, such as NA. Repeatable.", group=INPUT, multiple=True, metavar="TEXT"
    )
    no_header: bool = flag("Read files without a header line: columns are called 1, 2, 3, …", group=INPUT)
    preset: str | None = option(
        "Read columns and labels as a known producer writes them: rewardbench, llamafactory, trl, ultrafeedback, "
        "catboost, judgebench, arena, helpsteer. Other options win over it.",
        group=COLUMNS,
        type=Registered("mrl_cli.inputs.presets", "PRESETS", elsewhere={"LIST_PRESETS": "a preset of mrl rank"}),
        metavar="NAME",
        is_common=True,
    )
    scores: str | None = option(
        "Read scores from this file: x1 and x2 are rows of it, counted from 0. It is held in memory.",
        group=INPUT,
        metavar="FILE",
    )
    score_column: str | None = column(
        "Column of the file of --scores.", group=INPUT, shown="the only one, else score", goes_with="scores"
    )
    # What is computed.
    margin: float | None = option(
        "Margin of the loss: by how much the better score should be higher.",
        group=LOSS,
        type=number,
        is_common=True,
        shown="0.0",
    )
    margin_column: str | None = column("Column of a margin for each pair, in place of --margin.", group=LOSS)
    loss: str = option(
        "Loss to compute; `mrl losses` lists them.",
        group=LOSS,
        type=LossName("LOSSES", elsewhere={"LISTWISE": "a loss of whole lists, for mrl rank"}),
        default="margin_ranking",
        is_common=True,
    )
    param: tuple[tuple[str, float], ...] = option(
        "Set a parameter of the loss, such as temperature=2. Repeatable.",
        group=LOSS,
        type=assignment,
        multiple=True,
        metavar="NAME=VALUE",
    )
    dtype: DType = option(
        "Arithmetic of the loss of a pair; float32 gives PyTorch's default digits.", group=LOSS, choices=get_args(DType)
    )
    weight: str | None = column("Column of a weight w for each pair: sum = Σ wl, mean = Σ wl / Σ w.", group=LOSS)
    reduction: ReductionName = option(
        "How losses are reduced, as in PyTorch; none prints one line per pair.",
        group=LOSS,
        choices=("mean", "sum", "none"),
        is_common=True,
    )
    group_by: tuple[str, ...] = column(
        "Print one row per value of this column, and the total. Repeatable: one row per combination.",
        group=GROUPED,
        multiple=True,
        is_common=True,
    )
    by_file: bool = flag("Print one row per file, and the total.", group=GROUPED)
    cluster: str | None = column(
        "Column whose equal values mark pairs that are not independent, such as a prompt: intervals allow for it.",
        group=GROUPED,
    )
    confidence: float | None = option(
        "Report intervals of this confidence, such as 0.95.", group=GROUPED, type=share, metavar="SHARE", is_common=True
    )
    jobs: int | None = count("Number of workers.", group=RUNNING, shown="all cores")
    engine: str = option(
        "Compute here, or on a cluster: local, dask, ray or spark.",
        group=RUNNING,
        type=Registered("mrl_cli.engines", "ENGINES"),
        default="local",
    )
    scheduler: str | None = option(
        "Address of the cluster of --engine.", group=RUNNING, metavar="ADDRESS", shown="a cluster on this machine"
    )
    # What is written.
    format: str = option(FORMAT_HELP, "-f", group=OUTPUT, choices=FORMAT_CHOICES, is_common=True)
    output: str | None = option(
        "Write to this file: whole, or not at all.", "-o", group=OUTPUT, metavar="FILE", is_common=True, shown="stdout"
    )
    plot: str = option(
        "Draw pictures after the table; auto draws on a terminal.", group=OUTPUT, choices=("never", "auto", "always")
    )
    save_plot: str | None = option(
        "Write a picture to this file, whole or not at all.", group=OUTPUT, metavar="FILE.svg|.png"
    )
    full: bool = flag("Print tables with all digits of every number, and all groups.", group=OUTPUT)
    color: str = option(
        "Print in colour. auto: as NO_COLOR, CLICOLOR_FORCE, FORCE_COLOR, TERM and CLICOLOR say, in this order.",
        group=OUTPUT,
        choices=("auto", "always", "never"),
        callback=remember_color,
    )
    no_pager: bool = flag("Do not page tables and help through MRL_PAGER, else PAGER.", group=OUTPUT)
    progress: bool | None = option(
        "Show progress on stderr.", "--progress/--no-progress", group=RUNNING, default=None, shown="on a terminal"
    )
    quiet: bool = flag("Print no notes and no progress on stderr.", "-q", group=RUNNING)
    verbose: bool = flag("Print on stderr how the result came about.", "-v", group=RUNNING)
    raw: bool = flag("Print the bare number in full precision.", group=OUTPUT, is_common=True)
    fail_if: tuple[str, ...] = option(
        "Exit with 1 when a condition holds, such as 'value>0.5' or 'accuracy<0.7'. Repeatable.",
        group=CHECKS,
        multiple=True,
        metavar="EXPR",
        is_common=True,
    )
    # Options of one command, which the plan and the flow of every command know.
    keep_columns: bool = False
    loss_column: str | None = None
    calibration: bool = False
    which: str | None = None
    lambda_weight: LambdaWeight = "none"
    max_pairs: int | None = None
    top: int | None = None
    margins: tuple[float, ...] | None = None

    def __init__(self, **given: Any) -> None:
        vars(self).update(given)
        self._settle_loss()
        for name, is_useless, message in self.without_effect():
            if not (is_useless and name in given):
                continue
            if not is_given(name):  # from the environment or a file, for other runs than this one
                vars(self).pop(name, None)
                pass_over(name)
            elif message:
                raise UsageError(message)

    def _settle_loss(self) -> None:
        """Let a name that a loss goes by elsewhere be its own, with the margin and parameters that it stands for."""
        if self.loss == Options.loss:
            return
        from mrl_cli.losses import settled  # which needs NumPy

        has_margins = bool(self.margin_column or self.margins) or self.strength == "margin"
        self.loss, margin, parameters = settled(self.loss, self.margin, dict(self.param), has_margins=has_margins)
        given = [name for name, _ in self.param]
        self.param += tuple(item for item in parameters.items() if item[0] not in given)
        if margin is not None:
            self.margin = margin

    def without_effect(self) -> Iterator[tuple[str, object, str]]:
        """Yield the name of an option, whether it has no effect beside the others, and what is to be said then.

        Nothing is said here of what makes no plan: that is refused with the plan.
        """
        yield "quiet", is_given("verbose"), ""
        yield "verbose", self.quiet, "--quiet and --verbose exclude each other"
        yield "rejects", self.on_error != "skip", "--rejects goes with --on-error skip"
        for name in [*vars(self)]:
            if other := getattr(getattr(type(self), name, None), "goes_with", None):
                yield name, getattr(self, other) is None, f"{option_of(name)} goes with {option_of(other)}"
        for name, others in _EXCLUDED.items():  # from the environment, they give way to the command line
            yield name, getattr(self, name) is not None and any(map(is_given, others)), ""
        for name in ("labels", "label_map", "strength"):
            yield name, self.y_const is not None, ""
        yield "strength", self.labels != "strength", ""
        yield "label_map", self.labels not in (None, "pm1"), ""
        if self.raw and not self.writes_rows:
            yield "format", self.format != "auto", "--raw and --format exclude each other"
            for name in () if self.fail_if else ("group_by", "by_file", "confidence", "cluster", "calibration"):
                yield name, getattr(self, name), f"--raw prints one number, without what {option_of(name)} adds"
        if self.margin is not None and not is_given("margin"):
            from mrl_cli.losses import LOSSES  # which needs NumPy

            yield "margin", self.loss in LOSSES and not LOSSES[self.loss].has_margin, ""
        if self.on_tie == "drop":
            from mrl_cli.losses import LOSSES  # which needs NumPy

            labels = self.labels or ("any" if LOSSES[self.loss].is_target else "pm1")
            message = f"--on-tie goes with labels of which 0 is a tie, not with --labels {labels}"
            yield "on_tie", self.y_const is not None, "--on-tie goes with a column of labels, not with --y-const"
            yield "on_tie", labels in ("01", "any", "probability"), message

    def columns(self) -> dict[Role, str | None]:
        """Return the name of the column of each role, None for no such column."""
        usual = ("1", "2", "3") if self.no_header else ("x1", "x2", "y")
        x1, x2, y = (own if name is None else name for name, own in zip((self.x1, self.x2, self.y), usual, strict=True))
        return {
            "x1": x1 if self.difference is None else self.x1,
            "x2": x2 if self.difference is None else self.x2,
            "difference": self.difference,
            "x1_reference": self.x1_reference,
            "x2_reference": self.x2_reference,
            "y": y if self.y_const is None else self.y,
            "margin": self.margin_column,
            "weight": self.weight,
            "loss": self.loss_column,
            **group_roles(self.group_by),
            "cluster": self.cluster,
        }

    @property
    def writes_rows(self) -> bool:
        """Whether the output is rows that are written as the input is read, not a report."""
        return False

    def given(self, names: str) -> dict[str, Any]:
        """Return those of the names whose value is not the default."""
        usual = Options()
        return {name: value for name in names.split() if (value := getattr(self, name)) != getattr(usual, name)}


# Options, and those that leave no use for them.
_EXCLUDED = {
    "difference": ("x1", "x2", "x1_reference", "x2_reference"),
    **dict.fromkeys(("x1", "x2", "x1_reference", "x2_reference"), ("difference",)),
    "margin": ("margin_column",),
    "margin_column": ("margin",),
    "y": ("y_const",),
    "y_const": ("y",),
}
# Options that are declared together, in the order of the help; a command's `names` name them in capitals.
_CELLS = "on_error rejects delimiter encoding decimal null_value no_header"
GROUPS = {
    "CELLS": _CELLS,
    "ITEMS": "query label score labels unjudged chosen rejected num_correct"
    " preset scores score_column group_sizes qrels doc missing",
    "SCORES": "difference x1_reference x2_reference scale fill",
    "READING": f"x1 x2 y y_const labels label_map strength on_tie {_CELLS}",
    "MARGIN": "margin margin_column",
    "KERNEL": "loss param dtype",
    "PRESET": "preset scores score_column",
    "ENGINE": "jobs engine scheduler",
    "OUTPUT": "format output full color no_pager",
    "NOTES": "progress quiet verbose",
}


def refuse_if(is_wrong: object, message: str, hint: str | None = None) -> None:
    """Raise UsageError where something about the options is wrong."""
    if is_wrong:
        raise UsageError(message, hint=hint)
