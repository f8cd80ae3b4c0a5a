"""Options that several commands share, their types, and the way from options to a Plan."""

from __future__ import annotations

import math
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from mrl_cli.errors import UsageError
from mrl_cli.model import LEAST_CONFIDENCE, MOST_CONFIDENCE, Columns, Dialect, Plan
from mrl_cli.words import closest, harmless

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.model import Labels, Role

FORMATS = ("auto", "table", "json", "jsonl", "csv", "tsv", "markdown")


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
            self.fail(
                f"{value!r} is not one of {', '.join(names)}." + (f" Did you mean {near}?" if near else ""), param, ctx
            )
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Complete from the registry."""
        del ctx, param
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in self.names() if name.startswith(incomplete)]


class FiniteNumber(click.ParamType[float]):
    """A real number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; NaN and infinities are refused."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number + 0.0  # -0.0 becomes 0.0: a loss is never the negative zero


class Assignment(click.ParamType[tuple[str, float]]):
    """NAME=VALUE, where the value is a finite number."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Return the name and the number."""
        if isinstance(value, tuple):
            return value
        name, sign, number = value.partition("=")
        if not (sign and name.strip()):
            self.fail(f"{value!r} is not NAME=VALUE.", param, ctx)
        return name.strip(), FiniteNumber().convert(number, param, ctx)


class Share(click.ParamType[float]):
    """The confidence of an interval."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not LEAST_CONFIDENCE <= number <= MOST_CONFIDENCE:
            self.fail(f"{value!r} is not from {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}, such as 0.95.", param, ctx)
        return number


class OneCharacter(click.ParamType[str]):
    r"""A delimiter or decimal point: one ASCII character; \t and "tab" are a tab."""

    name = "char"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the character."""
        character = {"\\t": "\t", "tab": "\t"}.get(value, value)
        if len(character) != 1 or not character.isascii() or character in '"\r\n':
            self.fail(f"{value!r} is not one ASCII character.", param, ctx)
        return str(character)


def stacked(*options: Callable[..., Any]) -> Callable[[Any], Any]:
    """Make one decorator of many, the first on top."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


input_options = stacked(
    click.option("--x1", metavar="COLUMN", help="Column of the first score.  [default: x1]"),
    click.option("--x2", metavar="COLUMN", help="Column of the second score.  [default: x2]"),
    click.option("--y", metavar="COLUMN", help="Column of the label.  [default: y]"),
    click.option("--y-const", type=click.Choice(["1", "-1"]), help="No label column: every pair has this label."),
    click.option(
        "--labels",
        type=click.Choice(["pm1", "01", "any"]),
        help="pm1: exactly -1 or 1. 01: 0 and 1, where 0 means -1. any: the real number as it is.  "
        "[default: pm1; any where y is what x1 - x2 should be, as for margin_mse]",
    ),
    click.option(
        "--on-tie",
        type=click.Choice(["error", "drop"]),
        default="error",
        show_default=True,
        help="What y = 0 is under pm1.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["fail", "skip"]),
        default="fail",
        show_default=True,
        help="Bad rows: stop, or leave out and count.",
    ),
    click.option("--rejects", metavar="FILE", help="Write down every problem skipped, as CSV or .jsonl."),
    click.option("-d", "--delimiter", type=OneCharacter(), help="Field delimiter.  [default: by suffix and header]"),
    click.option("-e", "--encoding", metavar="NAME", help="Text encoding.  [default: UTF-8, or as the BOM says]"),
    click.option("--decimal", type=OneCharacter(), default=".", show_default=True, help="Decimal point."),
    click.option("--null-value", multiple=True, metavar="TEXT", help="A cell that means: no value. Repeatable."),
    click.option("--no-header", is_flag=True, help="No header line: columns are called 1, 2, 3, …"),
)

margin_options = stacked(
    click.option("--margin", type=FiniteNumber(), help="The margin.  [default: 0.0]"),
    click.option("--margin-column", metavar="COLUMN", help="Column of a margin for each pair."),
)

# Which loss, but for its margin.
kernel_options = stacked(
    click.option(
        "--loss",
        type=Registered("mrl_cli.losses", "LOSSES"),
        default="margin_ranking",
        show_default=True,
        help="Which loss; `mrl losses` lists them.",
    ),
    click.option(
        "--param", type=Assignment(), multiple=True, metavar="NAME=VALUE", help="A parameter of the loss. Repeatable."
    ),
    click.option(
        "--dtype",
        type=click.Choice(["float64", "float32"]),
        default="float64",
        show_default=True,
        help="Arithmetic of the per-pair loss; float32 gives PyTorch's default digits.",
    ),
)

# What decides the loss of a pair.
pair_loss_options = stacked(margin_options, kernel_options)

weight_option = click.option(
    "--weight", metavar="COLUMN", help="Column of a weight for each pair: sum = Σ wl, mean = Σ wl / Σ w."
)

loss_options = stacked(
    pair_loss_options,
    weight_option,
    click.option(
        "--reduction",
        type=click.Choice(["mean", "sum", "none"]),
        default="mean",
        show_default=True,
        help="As in PyTorch; none: one line a pair.",
    ),
)

group_options = stacked(
    click.option("--group-by", metavar="COLUMN", help="One row for each value of this column, and the total."),
    click.option("--by-file", is_flag=True, help="One row for each file, and the total."),
)

cluster_option = click.option(
    "--cluster", metavar="COLUMN", help="Pairs with one value here (a prompt) are not independent: for intervals."
)

engine_options = stacked(
    click.option("--jobs", type=click.IntRange(min=1), help="How many workers.  [default: all cores]"),
    click.option(
        "--engine",
        type=Registered("mrl_cli.engines", "ENGINES"),
        default="local",
        show_default=True,
        help="Who computes.",
    ),
)


def output_options_for(formats: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return the options that say what goes where, for a command that writes these formats."""
    return stacked(
        click.option(
            "-f",
            "--format",
            type=click.Choice(formats),
            default="auto",
            show_default=True,
            help="auto: by the suffix of -o; else table on a terminal, tsv otherwise.",
        ),
        click.option("-o", "--output", metavar="FILE", help="Write there, whole or not at all.  [default: stdout]"),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Colour; NO_COLOR and FORCE_COLOR are honoured.",
        ),
    )


output_options = output_options_for(FORMATS)

notes_options = stacked(
    click.option("--progress/--no-progress", default=None, help="Progress on stderr.  [default: on a terminal]"),
    click.option("-q", "--quiet", is_flag=True, help="No notes and no progress on stderr."),
    click.option("-v", "--verbose", is_flag=True, help="Say on stderr how the result came about."),
)


def plan_of(options: dict[str, Any]) -> Plan:
    """Return the plan that options say. Raises UsageError where they contradict each other.

    A command need not have options for margins, weights and reductions: it has none of those, and the mean.
    """
    options = {"margin": None, "margin_column": None, "weight": None, "reduction": "mean"} | options
    if options["y"] is not None and options["y_const"] is not None:
        msg = "--y and --y-const exclude each other"
        raise UsageError(msg)
    if options["delimiter"] is not None and options["delimiter"] == options["decimal"]:
        msg = "--delimiter and --decimal are the same character"
        raise UsageError(msg)
    if options["margin"] is not None and options["margin_column"] is not None:
        msg = "--margin and --margin-column exclude each other"
        raise UsageError(msg)
    if options.get("by_file") and options["group_by"] is not None:
        msg = "--group-by and --by-file exclude each other"
        raise UsageError(msg)
    y_const = options["y_const"]
    confidence = options.get("confidence")
    return Plan.of(
        columns=_columns(options),
        by_file=options.get("by_file", False),
        confidence=confidence,
        y_const=None if y_const is None else int(y_const),
        labels=options["labels"] or _labels_of(options["loss"]),
        on_tie=options["on_tie"],
        loss=options["loss"],
        margin=options["margin"] or 0.0,
        parameters=_parameters(options),
        reduction=options["reduction"],
        dtype=options["dtype"],
        on_error=options["on_error"],
        dialect=Dialect(
            options["delimiter"],
            options["encoding"],
            options["decimal"],
            tuple(options["null_value"]),
            header=not options["no_header"],
        ),
        keep_columns=options.get("keep_columns", False),
    )


def _labels_of(loss: str) -> Labels:
    from mrl_cli.losses import LOSSES

    return "any" if LOSSES[loss].is_target else "pm1"


def _parameters(options: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    """Return every parameter of the loss. Raises UsageError for what the loss does not have or allow."""
    from mrl_cli.losses import LOSSES, ParameterError, completed

    loss, given = options["loss"], options["param"]
    if (options["margin"] or options["margin_column"]) and not LOSSES[loss].has_margin:
        msg = f"the loss {loss} has no margin"
        raise UsageError(msg, hint="leave out --margin; `mrl losses` tells which losses have one")
    names = [name for name, _ in given]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        msg = f"--param {harmless(repeated)} is given more than once"
        raise UsageError(msg)
    try:
        return tuple(completed(loss, dict(given)).items())
    except ParameterError as error:
        near = closest(error.name, error.names) if error.name not in error.names else None
        msg = f"--param: {harmless(error, 300)}"
        raise UsageError(msg, hint=f"did you mean --param {near}=…?" if near else None) from None


def _columns(options: dict[str, Any]) -> Columns:
    names = ("1", "2", "3") if options["no_header"] else ("x1", "x2", "y")
    x1, x2, y = (options[key] or name for key, name in zip(("x1", "x2", "y"), names, strict=True))
    numbers: dict[Role, str | None] = {"margin": options["margin_column"], "weight": options["weight"]}
    keys: dict[Role, str | None] = {"group": options.get("group_by"), "cluster": options.get("cluster")}
    return Columns(
        x1,
        x2,
        y if options["y_const"] is None else None,
        tuple((role, name) for role, name in numbers.items() if name is not None),
        tuple((role, name) for role, name in keys.items() if name is not None),
    )


def jobs_of(jobs: int | None) -> int:
    """Return how many workers to use: as asked, else one for each core this process may run on."""
    if jobs is not None:
        return jobs
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def wants_color(choice: str, *, is_terminal: bool) -> bool:
    """Tell whether to colour: as asked, else as NO_COLOR and FORCE_COLOR say, else on a terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal
