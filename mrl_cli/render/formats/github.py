"""Workflow commands of GitHub Actions: the report's annotations."""

from mrl_cli.reports.base import Report

SUFFIXES = ()


def render(report: Report, *_: object) -> str:
    """Return a command for each annotation."""
    title = report.schema.partition("/")[0].replace(".", " ")
    lines = []
    for level, text, file, line in report.annotations() or ():
        place = "" if file is None else f"file={_command_text(file).replace(':', '%3A').replace(',', '%2C')},"
        place += "" if line is None else f"line={line},"
        lines.append(f"::{level} {place}title={title}::{_command_text(text)}\n")
    return "".join(lines)


def _command_text(text: str) -> str:
    """Escape as GitHub's toolkit does; in a property, commas and colons too."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
