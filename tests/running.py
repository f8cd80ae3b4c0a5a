"""Running `mrl` in tests: as a real process, or inside this one where many runs must be quick."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from mrl_cli.cli import main
from mrl_cli.native import VARIABLE
from tests.schemas import errors_in_text, hold_to_schemas

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# What decides on colours, the pager and the size of a terminal.
DECIDING = {"NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "TERM", "PAGER", "LESS", "COLUMNS", "LINES"}


class Ran(NamedTuple):
    """The result of a run: exit code, and stdout and stderr as text."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The one JSON object on stdout, after a run with `--format json` that must have gone well."""
        assert self.code == 0, self.err
        record: dict[str, Any] = json.loads(self.out)
        return record

    def must_fail(self, code: int, *messages: str) -> None:
        """Fail unless the run ended so, with nothing on stdout, and an error that can be read and says all of this."""
        assert (self.code, self.out) == (code, ""), self
        assert re.match("(note: .*\n)*error: ", self.err), self
        assert "Traceback" not in self.err
        assert self.err.count("\nhint: ") <= 1
        assert all(character.isprintable() or character == "\n" for character in self.err)
        assert max(map(len, self.err.splitlines())) < 1000
        for message in messages:
            assert message in self.err


Mrl = Callable[..., Ran]  # what the fixture `mrl` gives, with the files or the command that a file of tests adds


@contextmanager
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stay in a folder, whose modules are forgotten afterwards: another test may have one of the same name."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", None)).startswith(str(folder)):
            del sys.modules[name]


def inherited() -> dict[str, str]:
    """Return the environment without what is mrl's, but for what says by which reader the whole suite is run."""
    return {name: value for name, value in os.environ.items() if name == VARIABLE or not name.startswith("MRL_")}


def run(
    args: Sequence[str | Path],
    stdin: bytes | str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
) -> Ran:
    """Run `mrl` as a process of its own; `stdin` goes through a pipe, None is /dev/null; `env` is added."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    process = subprocess.Popen(
        [sys.executable, "-m", "mrl_cli", *map(str, args)],
        stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=inherited() | dict(env or {}),
        cwd=cwd,
    )
    out, err = (data.decode() for data in process.communicate(data, timeout=120))
    hold_to_schemas([*map(str, args)], out)
    return Ran(process.returncode, out, errors_in_text(err))


def run_on_terminal(
    args: Sequence[str | Path], env: Mapping[str, str], cwd: str | Path | None = None
) -> tuple[int, bytes, bytes]:
    """Run `mrl` as a process whose stdin and stdout are a terminal; return its exit code, what is on it, and stderr."""
    ours, theirs = pty.openpty()
    call = [sys.executable, "-m", "mrl_cli", *map(str, args)]
    with subprocess.Popen(call, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=env, cwd=cwd) as process:
        os.close(theirs)
        screen = what_is_on(ours)
        err = process.communicate(timeout=120)[1]
    return process.returncode, screen, err


def what_is_on(terminal: int) -> bytes:
    """Return all that is written to a terminal until its other side is closed, and close this one."""
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # how Linux reports that the other side was closed
        pass
    os.close(terminal)
    return b"".join(parts)


def run_on_terminal_inside(
    args: Sequence[str | Path], env: Mapping[str, str] | None = None, size: tuple[int, int] = (24, 80)
) -> tuple[int, str]:
    """Run `mrl` in this process with all of its streams on a terminal of so many lines and columns.

    Return its exit code and the screen. Of the environment it has what decides nothing there, and `env`.
    """
    given = {"TERM": "xterm"} | dict(env or {})
    encoding = given.get("PYTHONIOENCODING", "utf-8")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    usual = [os.dup(number) for number in range(3)]
    with ThreadPoolExecutor(1) as reader, pytest.MonkeyPatch.context() as patches:
        screen = reader.submit(what_is_on, ours)
        for name in [*os.environ]:
            if name in DECIDING or (name.startswith("MRL_") and name != VARIABLE):
                patches.delenv(name)
        for name, value in given.items():
            patches.setenv(name, value)
        try:
            with ExitStack() as streams:
                for number, name in enumerate(("stdin", "stdout", "stderr")):
                    os.dup2(theirs, number)
                    mode = "w" if number else "r"
                    stream = streams.enter_context(open(number, mode, encoding=encoding, closefd=False))
                    patches.setattr(sys, name, stream)
                    patches.setattr(sys, f"__{name}__", stream)
                code = _exit_code(args)
        finally:
            os.close(theirs)
            for number, before in enumerate(usual):
                os.dup2(before, number)
                os.close(before)
        return code, screen.result().decode(encoding).replace("\r\n", "\n")


def is_writing(process: int, folder: Path) -> bool:
    """Return whether a process has a file in a folder that is not whole yet: hidden, or, on Linux, without a name."""
    opened = f"/proc/{process}/fd"
    links = [os.path.realpath(f"{opened}/{link}") for link in os.listdir(opened)] if os.path.exists(opened) else []
    return any(link.startswith(f"{folder}/#") for link in links) or any(folder.glob(".*.tmp"))


def run_inside(
    args: Sequence[str | Path], capfd: pytest.CaptureFixture[str], stdin: bytes = b"", *, as_it_is: bool = False
) -> Ran:
    """Run `mrl` in this process; `stdin` is a file on descriptor 0, read as a stream. A run takes milliseconds.

    JSON is held to the schema of the report; an error is returned as text in any format; unless all is wanted
    `as_it_is`.
    """
    capfd.readouterr()
    with _standard_input(stdin):
        code = _exit_code(args)
    out, err = capfd.readouterr()
    if as_it_is:
        return Ran(code, out, err)
    hold_to_schemas([*map(str, args)], out)
    return Ran(code, out, errors_in_text(err))


def _exit_code(args: Sequence[str | Path]) -> int:
    try:
        main(list(map(str, args)))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


@contextmanager
def _standard_input(data: bytes) -> Iterator[None]:
    usual = os.dup(0)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        os.dup2(file.fileno(), 0)
        try:
            yield
        finally:
            os.dup2(usual, 0)
            os.close(usual)
