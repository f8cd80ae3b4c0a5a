"""Run the shell commands of pages as written, from the repository's root: `readme_commands.py [--update] PAGE...`.

An indented line that runs mrl must end with exit code 0; one that goes on to a tool that is not installed here is named
and left out. In a block marked `console`, the lines after `$ mrl ...` are
what it prints on a terminal of 100 columns; `...` stands for all further lines. --update writes them into the page. The
install and test lines are left to the caller. Exits 1 naming the commands that did otherwise.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = re.compile(r"^    ((?:(?:cat|printf) .*\| )?mrl .*)$", re.MULTILINE)
BLOCK = re.compile(r"^```console\n\$ (.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
ON_A_TERMINAL = {"COLUMNS": "100", "MRL_FORMAT": "table"}
REST = "..."


def commands_in(text: str) -> list[str]:
    """Return the indented command lines that run mrl, installs left out."""
    return COMMAND.findall(FENCED.sub("", text))


def missing_tool(command: str) -> str | None:
    """Return the first tool that mrl's output goes to and that is not installed.

    >>> missing_tool("mrl compute a.csv | head -3 | no-such-tool -e '.value'")
    'no-such-tool'
    """
    tools = re.findall(r"\| ([\w-]+)", command.partition("mrl ")[2])
    return next((tool for tool in tools if shutil.which(tool) is None), None)


def run(command: str, folder: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell; what it prints on stderr stands among the rest, as on a terminal."""
    where = {"cwd": folder, "env": os.environ | env, "stdin": subprocess.DEVNULL}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(["bash", "-c", command], check=False, text=True, **where, **streams)  # type: ignore[call-overload,no-any-return]


def shown(command: str, before: str, folder: str) -> str:
    """Return what a command prints, cut where the lines that stood there were."""
    printed = [f"{line.rstrip()}\n" for line in run(command, folder, **ON_A_TERMINAL).stdout.splitlines()]
    lines = before.splitlines()
    return "".join(printed if REST not in lines else [*printed[: lines.index(REST)], f"{REST}\n"])


def main(*args: str) -> int:
    """Run the commands of the pages."""
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("sample_data", "tests"):
            Path(folder, name).symlink_to(Path(name).resolve())
        for page in (Path(arg) for arg in args if arg != "--update"):
            text = page.read_text(encoding="utf-8")
            for command in commands_in(text):
                tool = missing_tool(command)
                print(f"$ {command}" + (f"  # left out: {tool} is not installed" if tool else ""), flush=True)
                if tool:
                    continue
                # A command may end in `| head`, so the pipe's last exit code is the one that counts.
                done = run(command, folder)
                if done.returncode:
                    failed.append(f"{page}: {command}\n{done.stdout}")
            for command, before in BLOCK.findall(text):
                print(f"$ {command}", flush=True)
                after = shown(command, before, folder)
                if after != before and "--update" not in args:
                    failed.append(f"{page}: {command} prints\n{after}")
                text = text.replace(f"$ {command}\n{before}```", f"$ {command}\n{after}```")
            if "--update" in args:
                page.write_text(text, encoding="utf-8")
    print("".join(f"failed: {one}\n" for one in failed), end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
