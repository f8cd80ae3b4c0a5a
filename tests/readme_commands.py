"""Run the README's shell commands as written, from the repository's root: `readme_commands.py README.md`.

The install and test lines are left to the caller. Exits 1 naming the first command that does not exit 0.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

COMMAND = re.compile(r"^    ((?:cat .*\| )?mrl .*)$", re.MULTILINE)


def commands_in(text: str) -> list[str]:
    """Return the indented command lines that run mrl, installs left out."""
    return COMMAND.findall(text)


def main(path: str) -> int:
    commands = commands_in(Path(path).read_text(encoding="utf-8"))
    if not commands:
        print("no commands found")
        return 1
    for command in commands:
        print(f"$ {command}", flush=True)
        # A command may end in `| head`, so the pipe's last exit code is the one that counts.
        if subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, check=False).returncode:
            print(f"failed: {command}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
