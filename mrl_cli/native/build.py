"""The hook that compiles the reader when a wheel is built; of the source distribution only, and imported by hatchling.

MRL_NATIVE=0 leaves it out, MRL_NATIVE=1 demands it; else it is left out where it cannot be compiled.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.wheel import WheelBuilder, WheelBuilderConfig
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

LEAST_POWER, MOST_POWER = -342, 324  # of ten: below, 64 bits times it are no double; above, no reciprocal of it is one
LEAST_EXACT_RECIPROCAL = -27  # as long as 5**27 fits 64 bits

PLACE = "mrl_cli/native"
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


def compiled_in(folder: Path, source: Path) -> Path:
    """Compile the source in a folder, with the table beside it, and return the library."""
    (folder / "powers_of_five.h").write_text(table_of_powers())
    fields = Extension(
        "_fields",
        [str(source)],
        include_dirs=[str(folder)],
        define_macros=[("Py_LIMITED_API", "0x030B0000")] if IS_LIMITED else [],
        py_limited_api=IS_LIMITED,
    )
    command = build_ext(Distribution({"ext_modules": [fields]}))
    command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "temp")
    command.ensure_finalized()
    command.run()
    return Path(command.get_ext_fullpath(fields.name))


class ReaderHook(BuildHookInterface[WheelBuilderConfig]):
    """Puts the compiled reader into a wheel, or for an editable installation into the source tree."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the reader in a folder that lasts until the wheel is written."""
        wish = os.environ.get("MRL_NATIVE", "")
        if wish not in ("", "0", "1"):
            self.app.abort(f"MRL_NATIVE is {wish!r}, which is neither 0 nor 1")
        place = Path(self.root, PLACE)
        if version == "editable":
            for earlier in place.glob("_fields*.so"):
                earlier.unlink()
        if wish == "0":
            return
        self.folder = tempfile.TemporaryDirectory()
        try:
            library = compiled_in(Path(self.folder.name), place / "_fields.c")
        except (BaseError, CCompilerError) as error:
            if wish == "1":
                self.app.abort(f"MRL_NATIVE=1, and the reader of CSV cannot be compiled: {error}")
            self.app.display_warning(f"The reader of CSV is left out, for it cannot be compiled: {error}")
            return
        if version == "editable":
            shutil.copy(library, place)
            return
        build_data["force_include"][str(library)] = f"{PLACE}/{library.name}"
        build_data["pure_python"] = False
        tag = WheelBuilder(self.root).get_best_matching_tag()
        build_data["tag"] = f"cp311-abi3-{tag.rpartition('-')[2]}" if IS_LIMITED else tag

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was compiled, and the bytecode of this module, which hatchling loads from the source tree."""
        if hasattr(self, "folder"):
            self.folder.cleanup()
        bytecode = Path(importlib.util.cache_from_source(__file__))
        bytecode.unlink(missing_ok=True)
        with suppress(OSError):  # other bytecode is in there
            bytecode.parent.rmdir()
