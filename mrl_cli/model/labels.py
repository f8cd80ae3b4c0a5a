"""What the values of a label column mean: the map from words and codes to labels, and how two values are compared."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

SKIP = "skip"
TARGETS = {"1": 1, "+1": 1, "-1": -1, "0": 0, SKIP: None}
# Text of a value, and the label it means: 1, -1, 0 for a tie, None for pairs to leave out.
LabelMap: TypeAlias = "tuple[tuple[str, int | None], ...]"

_BOOLEANS = ("true", "false")
_ENTRY = re.compile(
    r"""\s*(?: "(?P<quoted>(?:[^"]|"")*)"\s* | (?P<plain>(?:[^",\s][^,]*?)?) )
    =\s*(?P<target>\+?1|-1|0|skip)\s*(?:,(?=.)|$)""",
    re.VERBOSE | re.DOTALL,
)
_SEVERAL = re.compile(r"=\s*(?:[+-]?[01]|skip)[\s;|]")  # entries that something else than a comma separates
_SHAPE = 'VALUE=1, VALUE=-1, VALUE=0 or VALUE=skip, separated by commas; a VALUE with a comma or a quote stands in ""'


def comparable(text: str, decimal: str = ".") -> str | Decimal:
    """Return what a label's text is compared by: a number by its value, true and false in any case, else the text.

    Blanks around it do not count.

    >>> comparable("1.0") == comparable("1") == comparable(" +1e0"), comparable("True"), comparable("tie ")
    (True, 'true', 'tie')
    """
    text = text.strip()
    if text.lower() in _BOOLEANS:
        return text.lower()
    number = text if decimal == "." else text.replace(decimal, ".")
    try:
        value = Decimal(number) if number.isascii() and "_" not in number else None
    except InvalidOperation:
        return text
    return value if value is not None and value.is_finite() else text


def parsed_map(text: str) -> LabelMap:
    """Return the map of the labels that an option writes as VALUE=LABEL, separated by commas.

    The last "=" of an entry stands before the label. A value with a comma, or one that begins with a quote, stands in
    double quotes, in which two are one. Raises ValueError for what is no map.

    >>> parsed_map('A>B=1,B>A=-1,A=B=0'), parsed_map('"x, y"=1,no answer=skip')
    ((('A>B', 1), ('B>A', -1), ('A=B', 0)), (('x, y', 1), ('no answer', None)))
    """
    entries: list[tuple[str, int | None]] = []
    place = 0
    while place < len(text) or not entries:
        match = _ENTRY.match(text, place)
        if match is None or _SEVERAL.search(match["plain"] or ""):
            if text[place:].rstrip().endswith(",") and _ENTRY.fullmatch(text.rstrip()[:-1], place):
                raise ValueError("nothing stands after the last comma")
            rest = text[place:].partition(",")[0] if place else text
            raise ValueError(f"{rest!r} is not {_SHAPE}")
        quoted = match["quoted"]
        value = match["plain"] if quoted is None else quoted.replace('""', '"')
        entries.append((value.strip(), TARGETS[match["target"]]))
        place = match.end()
    return checked_map(entries)


def map_of(given: Mapping[object, object] | str) -> LabelMap:
    """Return the map of labels of a mapping from values to 1, -1, 0 and "skip", or of its text.

    Raises ValueError for what is no map.

    >>> map_of({"model_a": 1, 2: -1, "none": "skip"})
    (('model_a', 1), ('2', -1), ('none', None))
    """
    if isinstance(given, str):
        return parsed_map(given)
    entries: list[tuple[str, int | None]] = []
    for value, label in given.items():
        if value is None:
            raise ValueError("None is no value of a label: a missing label is an error")
        if isinstance(label, bool) or str(label) not in TARGETS:
            raise ValueError(f"{value!r} is mapped to {label!r}, not to 1, -1, 0 or 'skip'")
        entries.append((str(value).strip(), TARGETS[str(label)]))
    return checked_map(entries)


def checked_map(entries: list[tuple[str, int | None]]) -> LabelMap:
    """Return entries as a map. Raises ValueError for a value that is empty or stands there twice, and for no label."""
    seen: dict[str | Decimal, str] = {}
    for value, _ in entries:
        if not value:
            raise ValueError("an entry has no value before its =; a missing label is an error, and cannot be mapped")
        key = comparable(value)
        if key in seen:
            same = f" ({seen[key]!r} and {value!r} are the same value)" if seen[key] != value else ""
            raise ValueError(f"{value!r} is mapped twice{same}")
        seen[key] = value
    if not {1, -1} & {label for _, label in entries}:
        raise ValueError("no value is mapped to 1 or -1, so no pair is left")
    return tuple(entries)


def map_text(label_map: LabelMap) -> str:
    """Return a map as the option writes it.

    >>> map_text((("A=B", 0), ("a, b", 1), ("none", None)))
    'A=B=0,"a, b"=1,none=skip'
    """
    return ",".join(f"{value_text(value)}={SKIP if label is None else label}" for value, label in label_map)


def value_text(value: str) -> str:
    """Return a value as it stands in the text of a map."""
    needs_quotes = "," in value or value.startswith('"') or _SEVERAL.search(value)
    return '"' + value.replace('"', '""') + '"' if needs_quotes else value
