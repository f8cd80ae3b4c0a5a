"""How deep JSON may nest: one limit, so that a line is read alike whoever parses it.

pyarrow's parser takes any depth, the standard library's as many levels as Python's stack has left.
"""

from __future__ import annotations

import re

import numpy as np

DEEPEST = 500  # half of Python's usual recursion limit, the other half is for the callers
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_QUOTE, _OPENING, _CLOSING = b'"{}'


def line_nested_too_deeply(text: bytes) -> int | None:
    r"""Return the number of the first line, from 1, on which brackets nest deeper than `DEEPEST`, None without one.

    >>> line_nested_too_deeply(b'{"t":\n' + b"[" * 500), line_nested_too_deeply(b'{"t": "' + b"[" * 500 + b'"}')
    (2, None)
    """
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return None
    codes = np.frombuffer(_ESCAPE.sub(b"  ", text) if b"\\" in text else text, np.uint8)
    folded = codes | 0x20  # makes braces of square brackets, and of nothing else
    marks = np.flatnonzero((codes == _QUOTE) | (folded == _OPENING) | (folded == _CLOSING))
    kinds = folded[marks]
    steps = (kinds == _OPENING).astype(np.int8) - (kinds == _CLOSING)
    # An odd number of quotes stands before what is in a string; that the count overflows does not change its parity.
    steps[np.cumsum(codes[marks] == _QUOTE, dtype=np.uint8) % 2 == 1] = 0
    places = marks[np.cumsum(steps, dtype=np.int64) > DEEPEST]
    return text.count(b"\n", 0, int(places[0])) + 1 if places.size else None


def some_line_nests_too_deeply(text: bytes, lines: int) -> bool:
    """Return whether a text of that many lines, an object each, has one that nests deeper than `DEEPEST`.

    Most texts are cleared by the number of their brackets, and most lines by that of theirs.
    """
    codes = np.frombuffer(text, np.uint8)
    is_opening = codes == ord("{")
    if b"[" in text:
        is_opening |= codes == ord("[")
    if np.count_nonzero(is_opening) - (lines - 1) <= DEEPEST:
        return False
    stops = np.append(np.flatnonzero(codes == ord("\n")), codes.size)
    counts = np.diff(np.searchsorted(np.flatnonzero(is_opening), stops), prepend=0)
    suspects = np.flatnonzero(counts > DEEPEST).tolist()
    return any(line_nested_too_deeply(text[stops[i - 1] if i else 0 : stops[i]]) is not None for i in suspects)
