"""An error as it is printed on stderr: as text, or as the object that programs read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.errors import with_hint

if TYPE_CHECKING:
    from collections.abc import Sequence


def failure_text(
    message: str, hint: str | None, exit_code: int, problems: Sequence[dict[str, Any]], *, as_json: bool
) -> str:
    """Return the error as lines of text, or in one line of JSON; without its line end."""
    if not as_json:
        return f"error: {with_hint(message, hint)}"
    from mrl_cli.render.jsontext import dumped

    error = {"message": message, "hint": hint, "exit_code": exit_code, "problems": list(problems)}
    return dumped({"error": error}).rstrip("\n")
