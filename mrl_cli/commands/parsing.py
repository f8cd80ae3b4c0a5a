"""A command and its options as they are parsed: each at most once, from the command line, the environment or a file."""

from __future__ import annotations

import os
import re
from contextlib import nullcontext, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import click

from mrl_cli.commands.helping import RUNNING, HelpfulCommand, HelpOption
from mrl_cli.commands.saying import remember, say
from mrl_cli.commands.values import named
from mrl_cli.errors import MrlError, UsageError
from mrl_cli.words import OPTION, closest, harmless, hint_for, is_float

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

PREFIX = "MRL"  # of the variables of the environment that options come from
# What `click.Context.meta` keeps: the words after the name of the command, the file that settings were read from,
# which of them it has for this command alone, the options whose settings are for other runs than this one, and whether
# the environment may have any.
WORDS, FILE, _OWN, _PASSED_OVER, _VARIABLES = "mrl.words", "mrl.file", "mrl.own", "mrl.passed_over", "mrl.variables"
FILES = ("mrl.toml", "pyproject.toml")  # that may hold settings, the first before the second
_NO_OPTIONS = {f"{PREFIX}_{name}" for name in ("DEBUG", "NATIVE", "PAGER", "STORE_SECONDS")}


class Command(HelpfulCommand):
    """A command whose options may be given once each, but for those that are repeatable."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.add_options()

    def add_options(self, *options: Option) -> None:
        """Take more options, and one for the file that they may stand in."""
        self.params += options
        known = [param.name for param in self.params if isinstance(param, Option)]
        if known and "config" not in known:
            self.params.append(_config_option())

    def make_parser(self, ctx: click.Context) -> Any:
        """Make a parser that raises UsageError for an option that is given twice, by whatever spellings."""
        parser = super().make_parser(ctx)
        if hasattr(parser, "_match_long_opt"):
            vars(parser)["_match_long_opt"] = partial(_matched_long, ctx, parser._match_long_opt)
        if not ctx.resilient_parsing:
            vars(parser)["parse_args"] = partial(_parsed_once_each, ctx, parser.parse_args)
        return parser

    def invoke(self, ctx: click.Context) -> Any:
        """Run. What an error hints at is left out where the command does not have the option for it."""
        if not ctx.params.get("quiet"):
            for line in _notes_on_variables(ctx):
                say(line, ctx)
        try:
            return super().invoke(ctx)
        except MrlError as error:
            error.hint = hint_for(error.hint, {option.name for option in self.params if option.name})
            origins = _origins(error, ctx)
            error.message += f" ({', '.join(origins)})" if origins else ""
            raise
        finally:  # now that it is known which are passed over
            for line in [] if ctx.params.get("quiet") else _settings_elsewhere(ctx):
                say(line, ctx)


def _matched_long(ctx: click.Context, match: Callable[..., None], option: str, *of_match: Any) -> None:
    """Match a long option. click tries short ones so too, and first compares them with all names there are: 7 ms."""
    if not option.startswith("--"):
        raise click.NoSuchOption(option, ctx=ctx)
    match(option, *of_match)


def _parsed_once_each(ctx: click.Context, parse: Callable[..., Any], args: list[str]) -> Any:
    ctx.meta[WORDS] = list(args)
    try:
        parsed = parse(args=args)
    except click.NoSuchOption as error:
        names = [name for param in ctx.command.params for name in param.opts if name.startswith("--")]
        asked = error.option_name
        begun = min(
            (name for name in names if name.startswith(asked) and asked.startswith("--")), key=len, default=None
        )
        near = begun or closest(asked, names)
        message = f"{error.message} Did you mean {near}?" if near else error.message
        raise click.NoSuchOption(error.option_name, message, ctx=ctx) from None
    remember(ctx, parsed[0])
    met = parsed[2]  # every option as often as it is given
    for option in met:
        is_once = isinstance(option, click.Option) and not (option.multiple or (option.is_eager and option.is_flag))
        if is_once and met.count(option) > 1:
            raise UsageError(f"{max(option.opts, key=len)} is given more than once", hint="keep one of them")
    return parsed


class Option(HelpOption):
    """An option whose value may stand in the environment, for one command, as MRL_COMPUTE_MARGIN, or as MRL_MARGIN, or
    in a file of settings.
    """

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Let an option that is given nowhere have its default, which is found once: most of a small run's parsing."""
        name = self.name
        if name in opts or name in ctx.params or ctx.default_map or self._is_asked_for or _has_variables(ctx):
            return super().handle_parse_result(ctx, opts, args)
        ctx.params[name] = self._default
        ctx.set_parameter_source(name, click.core.ParameterSource.DEFAULT)
        return self._default, args

    @cached_property
    def _is_asked_for(self) -> bool:
        """Whether something is to be done where the option is not given."""
        has_work = self.required or callable(self.default) or self.callback is not None
        return bool(has_work or self.prompt or self.envvar or not self.expose_value)

    @cached_property
    def _default(self) -> Any:
        """What the option is where it is not given, as click has it until all options are read."""
        empty = click.Context(click.Command(None))
        return super().handle_parse_result(empty, {}, [])[0]

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value for the command, else that for all; None where neither is set, and for an empty one."""
        own = super().resolve_envvar_value(ctx)
        is_taken = own is not None or not self.allow_from_autoenv or self.name is None
        return own if is_taken else os.environ.get(f"{PREFIX}_{self.name.upper()}") or None

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value as the option's type has it. Digits are not grouped by underscores, as in Python.

        A value that is none is blamed on where it comes from.
        """
        try:
            is_integer = isinstance(self.type, click.types.IntParamType)
            if isinstance(value, str) and (is_integer or isinstance(self.type, click.types.FloatParamType)):
                is_one = value.strip().lstrip("+-").isdecimal() if is_integer else is_float(value)
                if not is_one:
                    what = "a whole number" if is_integer else "a number"
                    raise click.BadParameter(f"{value!r} is not {what}.", ctx, self)
            return super().type_cast_value(ctx, value)
        except click.BadParameter as error:
            error.param_hint = place_of(self, ctx) or error.param_hint
            raise
        except UsageError as error:
            place = place_of(self, ctx)
            error.message = f"{place}: {error.message}" if place else error.message
            raise


def _has_variables(ctx: click.Context) -> bool:
    """Return whether any variable of the environment may be that of an option."""
    if _VARIABLES not in ctx.meta:
        ctx.meta[_VARIABLES] = bool(_variables())
    return bool(ctx.meta[_VARIABLES])


def _variables() -> list[str]:
    """Return the variables of the environment that may be those of options."""
    return [name for name in os.environ if name.startswith(f"{PREFIX}_") and name not in _NO_OPTIONS]


def has_settings() -> bool:
    """Return whether options may have values that are not on the command line, if no file is named there."""
    return bool(_variables()) or any(True for _ in _files_above())


def place_of(option: click.Parameter, ctx: click.Context) -> str | None:
    """Return where the value of an option comes from, a variable or a key of a file; None for the command line."""
    source, name = ctx.get_parameter_source(option.name or ""), option.name or ""
    if source is click.core.ParameterSource.DEFAULT_MAP:
        table = f"{ctx.command.name}." if name in ctx.meta[_OWN] else ""
        return f"{table}{name} in {ctx.meta[FILE]}"
    if source is click.core.ParameterSource.ENVIRONMENT:
        own = f"{ctx.auto_envvar_prefix}_{name.upper()}"
        return own if os.environ.get(own) else f"{PREFIX}_{name.upper()}"
    return None


def pass_over(name: str) -> None:
    """Keep that the setting of an option is for other runs than this one."""
    ctx = click.get_current_context(silent=True)
    if ctx is not None:
        ctx.meta.setdefault(_PASSED_OVER, set()).add(name)


def is_for_this(name: str) -> bool:
    """Return whether an option is set for this command alone: in its table of a file, or by its own variable."""
    ctx = click.get_current_context()
    option = next(option for option in ctx.command.params if option.name == name)
    return (place_of(option, ctx) or "").startswith((f"{ctx.command.name}.", f"{ctx.auto_envvar_prefix}_"))


def _elsewhere(ctx: click.Context) -> Iterator[tuple[click.Parameter, str]]:
    """Yield the options whose value does not come from the command line, each with where it does."""
    return ((option, place) for option in ctx.command.params if (place := place_of(option, ctx)))


def _origins(error: MrlError, ctx: click.Context) -> list[str]:
    """Return where the settings come from that an error is about, by their names or values in it, if not from the line.

    What is listed after a semicolon is what there is instead.
    """
    named = {name.replace("-", "_") for name in OPTION.findall(error.message)} | {*getattr(error, "names", ())}
    words = error.message.partition("; ")[0]

    def is_meant(option: click.Parameter) -> bool:
        value = ctx.params.get(option.name or "")
        values = value if isinstance(value, tuple) else (value,)
        texts = [re.escape(harmless(text)) for text in values if isinstance(text, str) and text]
        return option.name in named or any(re.search(rf"(?<!\w){text}(?!\w)", words) for text in texts)

    return [f"{option.opts[0]} is from {place}" for option, place in _elsewhere(ctx) if is_meant(option)]


def _settings_elsewhere(ctx: click.Context) -> list[str]:
    """Return the line of --verbose on what the environment and a file say, none where that is nothing."""
    passed_over = ctx.meta.get(_PASSED_OVER, ())
    used = (place for option, place in _elsewhere(ctx) if option.name not in passed_over)
    places = [*used] if ctx.params.get("verbose") else []
    return [f"settings: {', '.join(places)}"] if places else []


def _notes_on_variables(ctx: click.Context) -> Iterable[str]:
    """Return notes on variables of the environment that are called almost as those of options."""
    found = _variables()
    known = {
        f"{prefix}_{option.name}".upper()
        for option in ctx.command.params
        for prefix in (PREFIX, ctx.auto_envvar_prefix)
    }
    unknown = [name for name in found if name not in known]
    if not unknown:
        return []
    from mrl_cli.commands.config import notes_on_variables  # few runs have any

    return notes_on_variables(unknown, ctx.command, PREFIX)


def _config_option() -> Option:
    return Option(
        ["--config"],
        help="Read defaults for options from this TOML file.",
        shown="the nearest mrl.toml, or pyproject.toml with [tool.mrl]",
        metavar="FILE",
        type=named,
        group=RUNNING,
        is_eager=True,
        expose_value=False,
        callback=_configure,
    )


def _configure(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    """Let the options that are not given have the values of the file of settings."""
    # Where the format of an error is looked for, and at a Tab, a file that is wrong is passed over.
    with suppress(MrlError) if ctx.resilient_parsing else nullcontext():
        for path in _files_above() if value is None else [value]:
            from mrl_cli.commands.config import settings_in  # few runs have a file

            found = settings_in(path, ctx.command, is_named=value is not None)
            if found is not None:
                ctx.meta[FILE], ctx.default_map, ctx.meta[_OWN] = found
                return


def _files_above() -> Iterator[str]:
    """Yield the files that may hold settings, of this folder and those above it, as seen from it."""
    try:
        folder = os.getcwd()
    except OSError:  # the folder is gone
        return
    way = ""
    while True:
        for name in FILES:
            if os.path.isfile(os.path.join(folder, name)):
                yield f"{way}{name}"
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder, way = above, f"../{way}"
