"""The command `mrl`: which commands there are, and how every error becomes a message and an exit code.

Commands live in `commands/`, one module each, and are imported only when they run; with them only the modules here may
print or exit.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from mrl_cli import __version__
from mrl_cli.commands import command_names, summary_of
from mrl_cli.commands.helping import HelpContext, printing_help, write_examples
from mrl_cli.commands.saying import require_stdout, say
from mrl_cli.errors import BUG, INTERRUPTED, READER_GONE, MachineError, MrlError, UsageError, is_out_of_memory
from mrl_cli.words import closest, harmless, shell_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Result = TypeVar("Result")
EXAMPLES = (
    "mrl compute pairs.csv --margin 0.5",
    "mrl compare a.csv b.csv --key id --margin 0.5",
    "mrl check pairs.csv",
)


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for, and ends every run with its exit code.

    `arguments` are those of the run.
    """

    context_class = HelpContext
    arguments: Sequence[str] = ()

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the commands in the order a newcomer wants them."""
        return command_names()

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if not summary_of(cmd_name):
            return None
        from mrl_cli import runtime

        runtime.set_environment()
        command: click.Command = import_module(f"mrl_cli.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for one that there is not, name the closest."""
        if args and not args[0].startswith("-") and not summary_of(args[0]):
            if os.path.isfile(args[0]):
                file = shell_line([args[0]])
                hint = f"mrl check {file} says what it holds, and which command reads it"
                raise UsageError(f"{harmless(args[0])} is a file, and no command", hint=hint)
            near = closest(args[0], command_names())
            ctx.fail(f"No such command {harmless(args[0])!r}." + (f" Did you mean {near}?" if near else ""))
        name, command, rest = super().resolve_command(ctx, args)
        there = {"verbose", *(() if command is None else (parameter.name for parameter in command.params))}
        # Where there are no notes, and no pager, there are none; what -v asks for has to be there.
        before = [one.opts[0] for one in self.params if ctx.params.get(one.name or "") and one.name in there]
        return name, command, [*before, *rest]

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary_of(name)) for name in command_names()])

    def get_help_option_names(self, _ctx: click.Context) -> list[str]:
        """Return the names of the option for help, which is one screen."""
        return ["-h", "--help"]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option for help."""
        return printing_help(super().get_help_option(ctx))

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples, and where there is more to read."""
        write_examples(formatter, EXAMPLES)
        formatter.write_paragraph()
        formatter.write_text("mrl help COMMAND prints the options of a command, mrl docs the list of topics.")

    def make_context(self, info_name: str | None, args: list[str], *others: Any, **extra: Any) -> click.Context:
        """Parse the arguments; help and version are printed here."""
        self.arguments = args
        try:
            return guarded(super().make_context, info_name, [*args], *others, **extra)
        except click.exceptions.Exit:
            raise SystemExit(guarded(int)) from None

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        return guarded(super().invoke, ctx)


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Print the version, with -v what reads CSV too, and exit."""
    if not value or ctx.resilient_parsing:
        return
    from mrl_cli.native import csv_reader_name

    require_stdout()
    reader = f" (CSV reader: {csv_reader_name()})" if ctx.params["verbose"] else ""
    click.echo(f"mrl {__version__}{reader}")
    ctx.exit()


# Flags that may stand before the name of a command. MRL_QUIET and the like are the commands'.
_before = partial(click.option, is_flag=True, allow_from_autoenv=False)


@click.group(
    cls=LazyGroup,
    context_settings={"auto_envvar_prefix": "MRL", "max_content_width": 100},
)
@click.option("-V", "--version", is_flag=True, expose_value=False, callback=_version, help="Show the version and exit.")
@_before("-q", "--quiet", help="As after a command: no notes and no progress on stderr.")
@_before("-v", "--verbose", is_eager=True, help="The same; with --version: say what reads CSV and TSV here.")
@_before("--no-pager", is_eager=True, help="As after a command: long tables and help not through the pager.")
def group(**given: bool) -> None:
    """Compute and validate ranking losses on files of scores.

    A file holds columns x1, x2, y: two scores and a label, 1 when x1 should rank above x2, -1 when below. Exit codes:
    0 done, 1 a check failed, 2 usage, 3 the data allow no trustworthy number, 4 the machine failed. Options are read
    from the environment too: MRL_COMPUTE_MARGIN for one command, MRL_MARGIN for all.
    """
    del given  # commands have them: `resolve_command`


def guarded(action: Callable[..., Result], *args: Any, **extra: Any) -> Result:
    """Do something and write out stdout; an error is printed and ends mrl, before click can rename it."""
    try:
        result = action(*args, **extra)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (click.exceptions.Exit, click.ClickException, SystemExit):
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the last resort: every bug is one line)
        raise SystemExit(_reported(error)) from None
    return result


def _reported(error: BaseException) -> int:
    """Print an error and return its exit code; a bug is printed in one line, under MRL_DEBUG=1 with its traceback."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, MrlError):
        return _print_error(error.message, error.hint, error.exit_code, error.problems)
    if is_out_of_memory(error):
        return _print_error("out of memory", "give mrl more memory, or use fewer --jobs", MachineError.exit_code)
    if isinstance(error, OSError):
        # The interpreter's last flush of stdout must go nowhere, for it would fail and say so.
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return READER_GONE
        place = f": {harmless(error.filename, 200)}" if error.filename else ""
        return _print_error(f"{error.strerror or error}{place}", None, MachineError.exit_code)
    if os.environ.get("MRL_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    return _print_error(
        f"a bug in mrl {__version__}: {type(error).__name__}: {harmless(error, 200)}",
        "please report it on the project's issue tracker; MRL_DEBUG=1 shows the traceback to send along",
        BUG,
    )


def _print_error(
    message: str,
    hint: str | None,
    exit_code: int,
    problems: Sequence[dict[str, Any]] = (),
    context: click.Context | None = None,
) -> int:
    """Print an error, as JSON where that is the format of the run; return its exit code."""
    from mrl_cli.render.failure import failure_text  # most runs have none

    with contextlib.suppress(OSError):  # the exit code still says what happened where stderr takes nothing more
        say(failure_text(message, hint, exit_code, problems, as_json=_asked_format() == "json"), context)
    return exit_code


def _asked_format() -> str | None:
    """Return the format that is asked for, wherever options come from; arguments that are wrong are passed over.

    None is for any that is not JSON where nothing says that: all is parsed again only where something may.
    """
    from mrl_cli.commands.parsing import has_settings

    words = [*group.arguments]
    if not any("json" in word.lower() or "--config" in word for word in words) and not has_settings():
        return None
    place = next((place for place, word in enumerate(words) if not word.startswith("-")), len(words))
    name, rest = next(iter(words[place:]), ""), words[place + 1 :]
    parent = click.Context(group, info_name="mrl", auto_envvar_prefix="MRL")
    with contextlib.suppress(Exception):
        command = group.get_command(parent, name)
        if command is None or all(option.name != "format" for option in command.params):
            command = click.Command(name, params=[click.Option(["-f", "--format"])])
        settings = {"resilient_parsing": True, "ignore_unknown_options": True, "allow_extra_args": True}
        asked: str | None = command.make_context(name, rest, parent, **settings).params["format"]
        return asked
    return None


def process() -> NoReturn:
    """Be the process `mrl`: run, write out what is left, and end at once.

    Taking NumPy and pyarrow down in order costs a sixth of a small run, and collecting garbage while they are imported
    some more; neither does anything for a process that is about to end. Files are closed by those who opened them.
    """
    gc.disable()
    for name in ("SIGTERM", "SIGHUP"):  # unwound like an error, so that no temporary file is left
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _end_by_signal)
    try:
        main()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else BUG
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError):
            stream.flush()
    os._exit(code)


def _end_by_signal(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run `mrl` with the arguments (default: the process's) and exit."""
    try:
        code = group.main(args=arguments, prog_name="mrl", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path} --help" if context is not None else None
        sys.exit(_print_error(error.format_message(), hint, error.exit_code, context=context))
    except click.Abort:
        sys.exit(INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)
