"""Long tables on a terminal: handed to the pager that the environment names."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

_NOT_STARTED = (126, 127)  # how a shell reports that
_NONE = ("", "cat")


def paged(text: str, height: int) -> bool:
    """Show text in MRL_PAGER, else PAGER, where it has more lines than the screen; return whether it was shown.

    As git does it: the shell runs what is named, less gets -FRX unless LESS says otherwise, and no name or `cat` is no
    pager. A pager that cannot be started has shown nothing.
    """
    name = os.environ.get("MRL_PAGER", os.environ.get("PAGER", "")).strip()
    if name in _NONE or text.count("\n") < height:
        return False
    with subprocess.Popen(
        name, shell=True, stdin=subprocess.PIPE, env={"LESS": "FRX", "LV": "-c"} | dict(os.environ)
    ) as pager:
        usual = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pager
        try:
            with suppress(BrokenPipeError):  # who quits has seen enough
                pager.communicate(text.encode())
        finally:
            signal.signal(signal.SIGINT, usual)
    return pager.returncode not in _NOT_STARTED
