"""Records as the text of JSON: on a line, or indented."""

from __future__ import annotations

from typing import Any

from mrl_cli.words import json_ready


def dumped(record: Any, *, is_indented: bool = False) -> str:
    """Return a record as JSON, with a line end; indented by two blanks a level, as `json.dumps` does."""
    record = json_ready(record)  # a copy, in place of the other: there may be a million groups
    return (indented(record) if is_indented else encoded(record)) + "\n"


def indented(value: Any, end: str = "\n") -> str:
    """Return a value as JSON, what is within it two blanks further in: `end` ends a line, and begins the next."""
    if not value or not isinstance(value, dict | list):
        return encoded(value)
    inner = f"{end}  "
    items = value.values() if isinstance(value, dict) else value
    if not any(isinstance(item, dict | list) for item in items):
        text = encoded(value, f",{inner}")
        return f"{text[0]}{inner}{text[1:-1]}{end}{text[-1]}"
    texts = (indented(item, inner) for item in items)
    if isinstance(value, list):
        return f"[{inner}{f',{inner}'.join(texts)}{end}]"
    names = (f"{encoded(name)}: {text}" for name, text in zip(value, texts, strict=True))
    return f"{{{inner}{f',{inner}'.join(names)}{end}}}"


def encoded(value: Any, between: str = ", ") -> str:
    """Return a value as JSON on one line, but for what stands between items: Python's encoder is slow with more."""
    import json  # tables and bare numbers start without it

    return json.dumps(value, separators=(between, ": "), ensure_ascii=False, allow_nan=False)
