"""Engines: who computes which shard. Because states merge exactly, engines cannot disagree.

An engine is a module here, and in it the function of its name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mrl_cli import modules_in

if TYPE_CHECKING:
    from mrl_cli.engines.base import Engine

ENGINES = tuple(name for name in modules_in(__path__[0]) if name != "base")


def engine_named(name: str) -> Engine:
    """Return the engine of that name."""
    engine: Engine = getattr(import_module(f"mrl_cli.engines.{name}"), name)
    return engine
