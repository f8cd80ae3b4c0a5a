"""Help: options in groups; one screen of the common ones with -h, all of them with examples with --help."""

from __future__ import annotations

import re
import sys
from inspect import cleandoc
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from mrl_cli.commands.saying import is_colored, print_help
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

INPUT, COLUMNS, LOSS, GROUPED = "Input", "Columns", "Loss", "Groups and intervals"
OUTPUT, CHECKS, RUNNING = "Output", "Checks", "Running"
HELP_GROUPS = (INPUT, COLUMNS, LOSS, GROUPED, OUTPUT, CHECKS, RUNNING)
_WIDEST_TERM = 28  # what is longer has a line of its own
_WIDEST_METAVAR, _FEW = 14, 10  # in the short help: columns, and options
_LEAST_TEXT = 20  # columns, however narrow the terminal is


class OptionRecord(NamedTuple):
    """What is said of an option: how it is written, what it does, its default and its environment variable."""

    option: Any  # a HelpOption, but for those of mrl itself
    spelling: str
    text: str
    default: str
    variable: str

    @property
    def whole_row(self) -> tuple[str, str, str]:
        """How it is written, its environment variable, and what it does."""
        return self.spelling, self.variable, f"{self.text}  [default: {self.default}]" if self.default else self.text

    @property
    def short_row(self) -> tuple[str, str, str]:
        """The same on one line if that is possible: the first clause, and no list of choices."""
        names, _, metavar = self.spelling.rpartition(" ")
        is_list = len(metavar) > _WIDEST_METAVAR
        spelling = f"{names} {(self.option.name or '').upper()}" if is_list else self.spelling
        clause = re.split(r"[.:;] |\.$", self.text, maxsplit=1)[0]
        default = re.split("[:;,] ", self.default)[0]
        return spelling, "", f"{clause}  [default: {default}]" if default else clause


class HelpOption(click.Option):
    """An option with a group in the help; `is_common` ones are in the short help too.

    `shown` is its default in words where the value alone does not say it.
    """

    def __init__(
        self, *args: Any, group: str = "", is_common: bool = False, shown: str | None = None, **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self.group, self.is_common, self.shown = group, is_common, shown

    def record(self, ctx: click.Context) -> OptionRecord:
        """Return what is said of the option in a command."""
        self.show_envvar = True
        spelling, _ = super().get_help_record(ctx) or ("", "")
        extra: Any = self.get_help_extra(ctx)
        default = self.shown or ("" if self.is_flag else extra.get("default", ""))
        return OptionRecord(self, spelling, self.help or "", default, ", ".join(extra.get("envvars", ())))


class HelpFormatter(click.HelpFormatter):
    """A formatter whose headings stand out where stdout is in colour."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write how a command is called."""
        super().write_usage(prog, args, _heading("Usage:") + " " if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """Write the title of a section."""
        self.write(_heading(f"{heading}:") + "\n")


def _heading(text: str) -> str:
    if not is_colored(sys.stdout):
        return text
    from mrl_cli.render.colors import painted

    return painted(text, "head")


class HelpContext(click.Context):
    """A context whose help is of a HelpFormatter."""

    formatter_class = HelpFormatter


def printing_help(option: click.Option | None) -> click.Option | None:
    """Return an option for help that prints as `print_help` does."""
    if option is not None:
        option.callback = _printing(click.Context.get_help)
    return option


def _printing(text_of: Callable[[click.Context], str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    """Return what an option does that prints a help."""

    def print_it(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            print_help(ctx, text_of(ctx))
            ctx.exit()

    return print_it


class HelpfulCommand(click.Command):
    """A command with a short and a long help; `examples` are command lines."""

    context_class = HelpContext
    examples: Sequence[str] = ()

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option for the long help."""
        return printing_help(super().get_help_option(ctx))

    def __init__(self, *args: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples
        short: dict[str, Any] = {"is_flag": True, "is_eager": True, "expose_value": False, "allow_from_autoenv": False}
        self._short = HelpOption(["-h", "short_help"], callback=_printing(self.short_help_text), group=RUNNING, **short)

    def get_help_option_names(self, _ctx: click.Context) -> list[str]:
        """Return the name of the option for the long help."""
        return ["--help"]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters, and -h."""
        return [*super().get_params(ctx), self._short]

    def option_groups(self, ctx: click.Context) -> Iterator[tuple[str, list[OptionRecord]]]:
        """Yield the groups that the command has, each with what is said of its options."""
        records = [option.record(ctx) for option in self.params if isinstance(option, HelpOption)]
        about_help = "Print the common options; all of them, with examples."
        records.append(OptionRecord(self._short, "-h, --help", about_help, "", ""))
        for group in HELP_GROUPS:
            if members := [record for record in records if record.option.group == group]:
                yield group, members

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in their groups."""
        groups = {group: [record.whole_row for record in records] for group, records in self.option_groups(ctx)}
        _write_groups(formatter, groups)
        if any(variable for rows in groups.values() for _, variable, _ in rows):
            formatter.write_paragraph()
            formatter.write_text("Below an option stands the environment variable that it is read from.")

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)

    def short_help_text(self, ctx: click.Context) -> str:
        """Return the help on one screen: the first sentence, and the common options."""
        formatter = ctx.make_formatter()
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(cleandoc(self.help or "").partition("\n\n")[0])
        every = dict(self.option_groups(ctx))
        common = {group: [one.short_row for one in records if one.option.is_common] for group, records in every.items()}
        _write_groups(formatter, {group: rows for group, rows in common.items() if rows})
        count = sum(map(len, every.values()))
        what = f"all {count} options" if count > _FEW else "all of the help"
        formatter.write_paragraph()
        formatter.write_text(f"{ctx.command_path} --help prints {what}, with examples.")
        return formatter.getvalue().rstrip("\n")


def _write_groups(formatter: click.HelpFormatter, groups: Mapping[str, Sequence[tuple[str, str, str]]]) -> None:
    """Write groups of options: the text beside the term, and the variable below the term."""
    terms = [term for rows in groups.values() for row in rows for term in (row[0], f"  {row[1]}")]
    width = max((len(term) for term in terms if len(term) <= _WIDEST_TERM), default=0)
    text_width = max(formatter.width - width - 4, _LEAST_TEXT)
    for group, rows in groups.items():
        with formatter.section(group):
            for term, variable, text in rows:
                left = [term, f"  {variable}"] if variable else [term]
                joined = text.replace("[default: ", "[default:\N{NO-BREAK SPACE}")
                right = click.wrap_text(joined, text_width).replace("\N{NO-BREAK SPACE}", " ").splitlines()
                if len(term) > width:
                    right.insert(0, "")
                for one, other in zip_longest(left, right, fillvalue=""):
                    formatter.write(f"  {one:{width}}  {other}".rstrip() + "\n")


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """Write command lines, which are never wrapped."""
    if examples:
        with formatter.section("Examples"):
            formatter.write("".join(f"  {example}\n" for example in examples))
