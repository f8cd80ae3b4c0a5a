"""Where the command `mrl` begins: an interrupt while it loads is as silent as one later.

Imported before anything else, and importing nothing that takes time.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from mrl_cli.errors import INTERRUPTED


def _end(number: int, frame: object) -> NoReturn:
    del number, frame
    os._exit(INTERRUPTED)


def process() -> NoReturn:
    """Be the process `mrl`."""
    signal.signal(signal.SIGINT, _end)
    from mrl_cli import cli

    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.process()
