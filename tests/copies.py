"""Running `mrl` as a copy of a process that has loaded it: a process of its own, but for the time to start."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.running import Ran, inherited
from tests.schemas import errors_in_text, hold_to_schemas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Each line that it reads is arguments, environment, folder, and the files for stdin, stdout and stderr.
SCRIPT = """
import json
import os
import signal
import sys
from mrl_cli import runtime
runtime.set_environment()
import pyarrow.csv
from mrl_cli import cli
from mrl_cli.commands import compute
from mrl_cli.inputs import arrowfile
from mrl_cli.render.formats import json as _, table
for line in sys.stdin:
    words, env, folder, *files = json.loads(line)
    process = os.fork()
    if process:
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
        continue
    signal.alarm(120)
    os.chdir(folder)
    for number, name in enumerate(files):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY), number)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["mrl", *words]
    cli.process()
"""


@cache
def _loaded() -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)
    return process


def run_copy(args: Sequence[str | Path], cwd: str | Path, env: Mapping[str, str] | None = None) -> Ran:
    """Run `mrl` in a folder, with nothing on stdin, and return what it printed as it is; `env` is all that it has."""
    loaded = _loaded()
    assert loaded.stdin
    assert loaded.stdout
    with tempfile.TemporaryDirectory() as place:
        files = Path(place, "out"), Path(place, "err")
        asked = [[*map(str, args)], dict(os.environ if env is None else env), str(cwd), os.devnull, *map(str, files)]
        print(json.dumps(asked), file=loaded.stdin, flush=True)
        code = int(loaded.stdout.readline())
        return Ran(code, *(file.read_text("utf-8") for file in files))


def run_copied(args: Sequence[str | Path], cwd: str | Path) -> Ran:
    """Run `mrl` in a folder as `tests.running.run` does."""
    code, out, err = run_copy(args, cwd, inherited())
    hold_to_schemas([*map(str, args)], out)
    return Ran(code, out, errors_in_text(err))
