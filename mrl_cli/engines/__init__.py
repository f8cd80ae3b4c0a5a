"""Engines: who computes which shard. Because states merge exactly, engines cannot disagree.

`ENGINES` is where one is entered, by its module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mrl_cli.engines.base import Job, Part
    from mrl_cli.inputs import Source

ENGINES = {"local": "threads"}


def engine_named(name: str) -> Callable[[Sequence[Source], Job, int], Iterator[Part]]:
    """Return the engine of that name."""
    engine: Callable[[Sequence[Source], Job, int], Iterator[Part]]
    engine = getattr(import_module(f"mrl_cli.engines.{ENGINES[name]}"), name)
    return engine
