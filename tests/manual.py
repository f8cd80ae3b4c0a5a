"""The reference pages and the manual pages of commands, made from what click knows of them."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import TYPE_CHECKING, NamedTuple

from mrl_cli.commands.helping import HelpfulCommand, OptionRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import click

BAR = r"\|"  # in a cell of Markdown
EXIT_CODES = {
    "0": "done; every check held",
    "1": "a check failed: mrl validate found a difference, or a condition of --fail-if holds",
    "2": "usage: an unknown option, a missing file, a missing column",
    "3": "the data allow no trustworthy number: a bad cell, a label outside the rule, a corrupt file, no rows",
    "4": "the machine: cannot read or write, a store or cluster failed, out of memory",
    "70": "a bug in mrl",
    "130, 141": "interrupted; the reader closed the pipe",
}


class Page(NamedTuple):
    """What is said of a command: its name, one line, its usage, paragraphs, options by group and examples."""

    name: str
    summary: str
    usage: str
    paragraphs: Sequence[str]
    groups: Sequence[tuple[str, Sequence[OptionRecord]]] = ()
    examples: Sequence[str] = ()


def page_of(ctx: click.Context, summary: str) -> Page:
    """Return what is said of the command of a context."""
    command = ctx.command
    paragraphs = [" ".join(text.split()) for text in cleandoc(command.help or "").split("\n\n")]
    page = Page(ctx.command_path, summary, " ".join(command.collect_usage_pieces(ctx)), paragraphs)
    if not isinstance(command, HelpfulCommand):
        rows = (parameter.get_help_record(ctx) for parameter in command.get_params(ctx))
        return page._replace(
            groups=[("Options", [OptionRecord(None, *row, "", "") for row in rows if row is not None])]
        )
    return page._replace(groups=list(command.option_groups(ctx)), examples=command.examples)


def markdown_page(page: Page) -> str:
    """Return the reference page of a command in Markdown."""
    return "\n".join(_markdown_lines(page))


def _markdown_lines(page: Page) -> Iterator[str]:
    yield f"# {page.name}\n"
    yield f"{page.summary}\n"
    yield f"    {page.name} {page.usage}\n"
    yield from (f"{paragraph}\n" for paragraph in page.paragraphs)
    for group, records in page.groups:
        yield f"## {group}\n"
        yield "| option | what it does | default | environment |\n| --- | --- | --- | --- |"
        for record in records:
            variable = f"`{record.variable}`" if record.variable else ""
            cells = f"`{record.spelling}`", record.text, record.default, variable
            yield f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"
        yield ""
    if page.examples:
        yield "## Examples\n"
        yield from (f"    {example}" for example in page.examples)
        yield ""


def man_page(page: Page, others: Mapping[str, str]) -> str:
    """Return the manual page of a command in troff; `others` are further pages to see, each with its summary."""
    return "".join(f"{line}\n" for line in _troff_lines(page, others))


def _troff_lines(page: Page, others: Mapping[str, str]) -> Iterator[str]:
    title = page.name.replace(" ", "-")
    yield f'.TH {title.upper()} 1 "" mrl "User Commands"\n.nh\n.ad l'
    yield f".SH NAME\n{_troff(title)} \\- {_troff(page.summary[:1].lower() + page.summary[1:].rstrip('.'))}"
    yield f".SH SYNOPSIS\n.B {_troff(page.name)}\n{_troff(page.usage)}"
    yield ".SH DESCRIPTION"
    yield "\n.PP\n".join(map(_troff, page.paragraphs))
    if page.groups:
        yield ".SH OPTIONS"
    for group, records in page.groups:
        yield f".SS {_troff(group)}"
        for record in records:
            yield f".TP\n.B {_troff(record.spelling)}\n{_troff(record.text)}"
            if record.default:
                yield f".br\nDefault: {_troff(record.default)}"
            if record.variable:
                yield f".br\nEnvironment: {_troff(record.variable)}"
    if page.examples:
        yield ".SH EXAMPLES\n.EX"
        yield from map(_troff, page.examples)
        yield ".EE"
    yield ".SH EXIT STATUS"
    yield from (f".TP\n.B {code}\n{_troff(meaning)}" for code, meaning in EXIT_CODES.items())
    yield ".SH SEE ALSO"
    yield from (f".TP\n.BR {_troff(name)} (1)\n{_troff(summary)}" for name, summary in others.items())


def _troff(text: str) -> str:
    r"""Return text as troff prints it: neither a request nor an escape.

    >>> _troff(".5 --x")
    '\\&.5 \\-\\-x'
    """
    safe = re.sub(r"^([.'])", r"\\&\1", text.replace("\\", "\\e").replace("-", "\\-"), flags=re.MULTILINE)
    return "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in safe)
