"""Options that several commands share: how they are declared and parsed, and the plan that they make."""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from mrl_cli.errors import UsageError
from mrl_cli.model import LEAST_CONFIDENCE, MOST_CONFIDENCE, Dialect, DType, Labels, Plan, ReductionName
from mrl_cli.render import format_names
from mrl_cli.words import closest, harmless

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mrl_cli.model import Role

FORMAT_CHOICES = ("auto", *format_names())


class Registered(click.ParamType[str]):
    """A name in a registry, which is imported only when a name is given, not for help."""

    name = "name"

    def __init__(self, module: str, registry: str) -> None:
        self._module, self._registry = module, registry

    def names(self) -> list[str]:
        """Return the names there are."""
        return list(getattr(import_module(self._module), self._registry))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with the names there are."""
        names = self.names()
        if value not in names:
            near = closest(value, names)
            hint = f" Did you mean {near}?" if near else ""
            self.fail(f"{value!r} is not one of {', '.join(names)}.{hint}", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Complete from the registry."""
        del ctx, param
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in self.names() if name.startswith(incomplete)]


# Types of options; help calls one by the name of its function, where it has no metavar.


def number(text: str) -> float:
    """Return a finite number; NaN and infinities are refused."""
    return _number(text, -math.inf, math.inf, "a finite number")


def share(text: str) -> float:
    """Return the confidence of an interval."""
    bounds = f"from {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}, such as 0.95"
    return _number(text, LEAST_CONFIDENCE, MOST_CONFIDENCE, bounds)


def _number(text: str, lowest: float, highest: float, expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and lowest <= value <= highest):
        msg = f"{text!r} is not {expected}."
        raise click.BadParameter(msg)
    return value + 0.0  # -0.0 becomes 0.0: a loss is never the negative zero


def assignment(text: str) -> tuple[str, float]:
    """Return name and number of NAME=VALUE."""
    name, sign, value = text.partition("=")
    if not (sign and name.strip()):
        msg = f"{text!r} is not NAME=VALUE."
        raise click.BadParameter(msg)
    return name.strip(), number(value)


def char(text: str) -> str:
    r"""Return a delimiter or decimal point: one ASCII character; \t and "tab" are a tab."""
    character = {"\\t": "\t", "tab": "\t"}.get(text, text)
    if len(character) != 1 or not character.isascii() or character in '"\r\n':
        msg = f"{text!r} is not one ASCII character."
        raise click.BadParameter(msg)
    return character


class Declared:
    """An option of click; read as an attribute of a command that was not given it, it is its default."""

    def __init__(self, *flags: str, choices: Sequence[str] | None = None, **settings: Any) -> None:
        if choices is not None:  # of which the first is the default
            settings |= {"type": click.Choice(choices), "default": choices[0]}
        usual = () if "multiple" in settings else False if "is_flag" in settings else None
        self._default = settings.get("default", usual)
        self._flags, self._settings = flags, settings

    def __get__(self, instance: object, owner: type) -> Any:
        return self if instance is None else self._default

    @property
    def option(self) -> click.Option:
        """The option for a command."""
        return click.Option(self._flags, show_default=self._settings.get("default") is not None, **self._settings)


def option(*flags: str, **settings: Any) -> Any:
    """Return a declared option, for an attribute that has the type of its values."""
    return Declared(*flags, **settings)


class Options:
    """What options say, each as the attribute of its name, where it is declared too.

    What is not given, or is no option of a command, has its default.
    """

    inputs: tuple[str, ...] = ()
    # What is read.
    x1: str | None = option("--x1", metavar="COLUMN", help="Column of the first score.  [default: x1]")
    x2: str | None = option("--x2", metavar="COLUMN", help="Column of the second score.  [default: x2]")
    y: str | None = option("--y", metavar="COLUMN", help="Column of the label.  [default: y]")
    y_const: str | None = option(
        "--y-const", type=click.Choice(["1", "-1"]), help="No label column: every pair has this label."
    )
    labels: Labels | None = option(
        "--labels",
        type=click.Choice(["pm1", "01", "any"]),
        help="pm1: exactly -1 or 1. 01: 0 and 1, where 0 means -1. any: the real number as it is.  "
        "[default: pm1; any where y is what x1 - x2 should be, as for margin_mse]",
    )
    on_tie: str = option("--on-tie", choices=("error", "drop"), help="What y = 0 is under pm1.")
    on_error: str = option("--on-error", choices=("fail", "skip"), help="Bad rows: stop, or leave out and count.")
    rejects: str | None = option(
        "--rejects", metavar="FILE", help="Write down every problem skipped, as CSV or .jsonl."
    )
    delimiter: str | None = option(
        "-d", "--delimiter", type=char, help="Field delimiter.  [default: by suffix and header]"
    )
    encoding: str | None = option(
        "-e", "--encoding", metavar="NAME", help="Text encoding.  [default: UTF-8, or as the BOM says]"
    )
    decimal: str = option("--decimal", type=char, default=".", help="Decimal point.")
    null_value: tuple[str, ...] = option(
        "--null-value", multiple=True, metavar="TEXT", help="A cell that means: no value. Repeatable."
    )
    no_header: bool = option("--no-header", is_flag=True, help="No header line: columns are called 1, 2, 3, …")
    preset: str | None = option(
        "--preset",
        type=Registered("mrl_cli.inputs.presets", "PRESETS"),
        metavar="NAME",
        help="Columns and labels as a known producer writes them: rewardbench, llamafactory, trl, ultrafeedback, "
        "catboost. Other options win over it.",
    )
    scores: str | None = option(
        "--scores",
        metavar="FILE",
        help="A file of scores: x1 and x2 are rows of it, counted from 0. Held in memory.",
    )
    score_column: str | None = option(
        "--score-column", metavar="COLUMN", help="Which column of --scores.  [default: the only one, else score]"
    )
    # What is computed.
    margin: float | None = option("--margin", type=number, help="The margin.  [default: 0.0]")
    margin_column: str | None = option("--margin-column", metavar="COLUMN", help="Column of a margin for each pair.")
    loss: str = option(
        "--loss",
        type=Registered("mrl_cli.losses", "LOSSES"),
        default="margin_ranking",
        help="Which loss; `mrl losses` lists them.",
    )
    param: tuple[tuple[str, float], ...] = option(
        "--param", type=assignment, multiple=True, metavar="NAME=VALUE", help="A parameter of the loss. Repeatable."
    )
    dtype: DType = option(
        "--dtype",
        choices=("float64", "float32"),
        help="Arithmetic of the per-pair loss; float32 gives PyTorch's default digits.",
    )
    weight: str | None = option(
        "--weight", metavar="COLUMN", help="Column of a weight for each pair: sum = Σ wl, mean = Σ wl / Σ w."
    )
    reduction: ReductionName = option(
        "--reduction", choices=("mean", "sum", "none"), help="As in PyTorch; none: one line a pair."
    )
    group_by: str | None = option(
        "--group-by", metavar="COLUMN", help="One row for each value of this column, and the total."
    )
    by_file: bool = option("--by-file", is_flag=True, help="One row for each file, and the total.")
    cluster: str | None = option(
        "--cluster", metavar="COLUMN", help="Pairs with one value here (a prompt) are not independent: for intervals."
    )
    jobs: int | None = option("--jobs", type=click.IntRange(min=1), help="How many workers.  [default: all cores]")
    engine: str = option(
        "--engine", type=Registered("mrl_cli.engines", "ENGINES"), default="local", help="Who computes."
    )
    # What is written.
    format: str = option(
        "-f",
        "--format",
        choices=FORMAT_CHOICES,
        help="auto: by the suffix of -o; else table on a terminal, tsv otherwise.",
    )
    output: str | None = option(
        "-o", "--output", metavar="FILE", help="Write there, whole or not at all.  [default: stdout]"
    )
    color: str = option(
        "--color", choices=("auto", "always", "never"), help="Colour; NO_COLOR and FORCE_COLOR are honoured."
    )
    progress: bool | None = option(
        "--progress/--no-progress", default=None, help="Progress on stderr.  [default: on a terminal]"
    )
    quiet: bool = option("-q", "--quiet", is_flag=True, help="No notes and no progress on stderr.")
    verbose: bool = option("-v", "--verbose", is_flag=True, help="Say on stderr how the result came about.")
    # Options of one command, which the plan and the flow of every command know.
    confidence: float | None = None
    fail_if: tuple[str, ...] = ()
    keep_columns: bool = False
    loss_column: str | None = None
    margins: tuple[float, ...] | None = None

    def __init__(self, **given: Any) -> None:
        vars(self).update(given)


# Names of options that are declared together, in the order of the help.
READING = "x1 x2 y y_const labels on_tie on_error rejects delimiter encoding decimal null_value no_header"
MARGIN, KERNEL, PRESET = "margin margin_column", "loss param dtype", "preset scores score_column"
ENGINE, OUTPUT, NOTES = "jobs engine", "format output color", "progress quiet verbose"


def refuse_if(is_wrong: object, message: str, hint: str | None = None) -> None:
    """Raise UsageError where something about the options is wrong."""
    if is_wrong:
        raise UsageError(message, hint=hint)


def option_of(name: str) -> str:
    """Return the option of a name: that of a setting, of a field of Options."""
    return "--" + name.replace("_", "-")


_HINTS: dict[tuple[str, ...], str] = {
    ("margin", "loss"): "leave out --margin; `mrl losses` tells which losses have one",
    ("margins", "loss"): "`mrl losses` tells which losses have a margin",
}


def plan_of_options(options: Options, further: Mapping[Role, str | None] | None = None) -> Plan:
    """Return the plan that options say, with further columns. Raises UsageError for what makes none."""
    from mrl_cli import settings  # which needs NumPy
    from mrl_cli.losses import ParameterError

    names = [name for name, _ in options.param]
    repeated = next((name for name in names if names.count(name) > 1), None)
    refuse_if(repeated is not None, f"--param {harmless(repeated)} is given more than once")
    x1, x2, y = ("1", "2", "3") if options.no_header else ("x1", "x2", "y")
    columns: dict[Role, str | None] = {
        "x1": options.x1 or x1,
        "x2": options.x2 or x2,
        "y": options.y or y if options.y_const is None else options.y,
        "margin": options.margin_column,
        "weight": options.weight,
        "loss": options.loss_column,
        "group": options.group_by,
        "cluster": options.cluster,
    }
    cells = options.delimiter, options.encoding, options.decimal, options.null_value
    same = ("loss", "dtype", "labels", "on_tie", "on_error", "reduction", "by_file", "confidence", "margins")
    try:
        return settings.plan_of(
            columns | dict(further or {}),
            word=option_of,
            margin=options.margin or 0.0,
            is_margin_given=options.margin is not None,
            parameters=dict(options.param),
            y_const=None if options.y_const is None else int(options.y_const),
            lists_problems=options.rejects is not None,
            keep_columns=options.keep_columns,
            dialect=Dialect(*cells, header=not options.no_header),
            **{name: getattr(options, name) for name in same},
        )
    except settings.SettingsError as error:
        raise UsageError(error.message, hint=_HINTS.get(error.names)) from None
    except ParameterError as error:
        near = closest(error.name, error.names) if error.name not in error.names else None
        msg = f"--param: {harmless(error, 300)}"
        raise UsageError(msg, hint=f"did you mean --param {near}=…?" if near else None) from None
