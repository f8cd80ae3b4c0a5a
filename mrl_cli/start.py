"""Where the command `mrl` begins: an interrupt while it loads is as silent as one later.

Imported before anything else, and importing nothing that takes time.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from mrl_cli.errors import INTERRUPTED, MachineError


def _end(number: int, frame: object) -> NoReturn:
    del number, frame
    os._exit(INTERRUPTED)


def _fill_closed_descriptors() -> None:
    """Open the null device in place of a standard stream that is closed, the way in which it cannot be used.

    The next file would get its number: a result written to a file would hold what a library prints on stderr.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)


def process() -> NoReturn:
    """Be the process `mrl`."""
    try:
        in_large_frame()
    except MemoryError:  # for the frame itself; of what comes after it, most errors are reported there
        os.write(2, b"error: out of memory\nhint: give mrl more memory\n")
        os._exit(MachineError.exit_code)


def in_large_frame() -> NoReturn:
    """Be the process, with room for the frames of all calls."""
    signal.signal(signal.SIGINT, _end)
    _fill_closed_descriptors()
    from mrl_cli import runtime

    runtime.defer_unused()
    from mrl_cli import cli

    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.process()


# CPython 3.11 and later keep the frames of calls in pieces of 16 KB: a call across the end of one maps the next, and
# its return unmaps it. NumPy's imports, deep within click, did so 1,900 times, a tenth of a run on a small file. A
# frame of so many words gets a piece of 2 MB with room for all further calls; what is not used of it is never touched.
in_large_frame.__code__ = in_large_frame.__code__.replace(co_stacksize=1 << 17)
