"""The Python interface: losses of arrays, and what the commands compute of frames; both thin over the same core."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mrl_cli.errors import MrlError, with_hint

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def value_errors() -> Iterator[None]:
    """Raise ValueError for an error of the command line."""
    try:
        yield
    except MrlError as error:
        raise ValueError(with_hint(error.message, error.hint)) from None
