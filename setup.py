"""Builds the compiled reader of CSV; pyproject.toml holds all other settings.

MRL_NATIVE=0 leaves it out, MRL_NATIVE=1 demands it; else it is left out where it cannot be compiled.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

LEAST_POWER, MOST_POWER = -342, 308  # of ten: below and above, 64 bits times it are no double
LEAST_EXACT_RECIPROCAL = -27  # as long as 5**27 fits 64 bits

WISH = os.environ.get("MRL_NATIVE", "")
if WISH not in ("", "0", "1"):
    sys.exit(f"MRL_NATIVE is {WISH!r}, which is neither 0 nor 1")
# The limited interface, so that one wheel is for all versions; an interpreter without a global lock does not have it.
IS_LIMITED = not sysconfig.get_config_var("Py_GIL_DISABLED")


def power_of_five(exponent: int) -> int:
    """Return 5**exponent times the power of two that makes it 128 bits long, without the bits after these.

    Reciprocals that can end halfway between doubles are rounded up, so that a product shows where it is exact.
    """
    power: int = 5 ** abs(exponent)
    if exponent >= 0:
        return power << 128 >> power.bit_length()
    return (1 << 127 + power.bit_length()) // power + (exponent >= LEAST_EXACT_RECIPROCAL)


def table_of_powers() -> str:
    """Return the table of powers of five that _fields.c includes: the upper and the lower half of each."""
    halves = (divmod(power_of_five(exponent), 1 << 64) for exponent in range(LEAST_POWER, MOST_POWER + 1))
    rows = "\n".join(f"    {{0x{upper:016X}, 0x{lower:016X}}}," for upper, lower in halves)
    return (
        f"enum {{ LEAST_POWER = {LEAST_POWER}, MOST_POWER = {MOST_POWER} }};\n"
        f"static const uint64_t POWERS_OF_FIVE[][2] = {{\n{rows}\n}};\n"
    )


class BuildWithTable(build_ext):
    """Makes the table, then compiles."""

    def build_extension(self, ext: Extension) -> None:
        """Compile the extension with the folder of the table among those of headers."""
        folder = Path(self.build_temp)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "powers_of_five.h").write_text(table_of_powers())
        ext.include_dirs.append(str(folder))
        super().build_extension(ext)


fields = Extension(
    "mrl_cli.native._fields",
    ["mrl_cli/native/_fields.c"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")] if IS_LIMITED else [],
    py_limited_api=IS_LIMITED,
    optional=WISH != "1",
)
# Not in the folder `build`, from which setuptools would take modules that are no longer there.
with tempfile.TemporaryDirectory() as build_folder:
    options: dict[str, dict[str, str]] = {"build": {"build_base": build_folder}}
    if IS_LIMITED and WISH != "0":
        options["bdist_wheel"] = {"py_limited_api": "cp311"}
    setup(ext_modules=[] if WISH == "0" else [fields], cmdclass={"build_ext": BuildWithTable}, options=options)
