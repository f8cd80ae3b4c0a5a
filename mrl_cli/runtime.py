"""The process that mrl runs in: its environment, memory, garbage and cores. None of this changes a result."""

from __future__ import annotations

import gc
import os
import sys
import threading
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.machinery import PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_UNUSED_OF_NUMPY = ("_core._add_newdocs", "_core._add_newdocs_scalars", "_typing")
_HARDLY_USED = ("ast", "inspect", "pickle", "textwrap")
_KNOWN_NUMPY = tuple(f'version = "2.{minor}.' for minor in range(5))
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h numbers them


def set_environment() -> None:
    """Set what libraries look up when they are imported, where the user has not set it."""
    # NumPy's BLAS starts threads when it is imported; nothing here uses them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Arrow's allocator would give memory back between blocks, for the kernel to clear and hand out again.
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "-1")


class _Unused(ModuleType):
    """Stands for a module of which nothing is used, whatever is imported from it: types may be made of that."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything


class _Anything:
    def __class_getitem__(cls, item: object) -> type[_Anything]:
        return cls


def import_numpy() -> None:
    """Import NumPy without the help of its functions and the types for annotations: a tenth of a run on a small file.

    Whoever asks for these types afterwards gets them. Versions of NumPy that were not tried are imported as they are.
    """
    if "numpy" in sys.modules or not _is_known_numpy():
        return
    unused = {f"numpy.{name}": _Unused(f"numpy.{name}") for name in _UNUSED_OF_NUMPY}
    sys.modules.update(unused)
    inspect = sys.modules.get("inspect")
    if isinstance(inspect, _Deferred):
        vars(inspect)["signature"] = _Signature
    try:
        import numpy  # noqa: F401, ICN001 (the import is all)
    finally:
        if isinstance(inspect, _Deferred):
            vars(inspect).pop("signature")
        for name, module in unused.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


class _Deferred(ModuleType):
    """Stands for a module until something of it is used that is not here, and from then on has all of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and (name, self.__name__) != ("__path__", "numpy"):  # which has modules of its own
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = import_module(self.__name__)
        vars(self).update(vars(module))
        if self.__name__ == "inspect":
            _give_signatures(module.signature)
        return getattr(module, name)


class _Signature:
    """Stands for the signature of a function of NumPy, that of `dispatcher`, until `inspect` is imported."""

    def __init__(self, dispatcher: Any) -> None:
        self.dispatcher = dispatcher


def _give_signatures(signature: Any) -> None:
    overrides = sys.modules.get("numpy._core.overrides")
    for function in getattr(overrides, "ARRAY_FUNCTIONS", ()):
        later = vars(function).get("__signature__")
        if isinstance(later, _Signature):
            function.__signature__ = signature(later.dispatcher)


def defer_numpy() -> None:
    """Let NumPy be imported when something of it is first used, for a run that may need nothing of it."""
    sys.modules.setdefault("numpy", _Deferred("numpy"))


def defer_unused() -> None:
    """Let what click and NumPy import and hardly use be imported when something of it is first used.

    Of `inspect` click calls `cleandoc` for every option.
    """
    for name in _HARDLY_USED:
        sys.modules.setdefault(name, _Deferred(name))
    if isinstance(inspect := sys.modules["inspect"], _Deferred):
        vars(inspect)["cleandoc"] = cleandoc


def cleandoc(doc: str) -> str:
    r"""Return what `inspect.cleandoc` does: a text without the indentation of its lines, nor blank ones around it.

    >>> cleandoc(" One.\n\n    Two\n      three.\n    ")
    'One.\n\nTwo\n  three.'
    """
    first, *others = doc.expandtabs().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in others if line.lstrip()), default=0)
    lines = [first.lstrip(), *(line[margin:] for line in others)]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        del lines[0]
    return "\n".join(lines)


def _is_known_numpy() -> bool:
    spec = PathFinder.find_spec("numpy")
    if spec is None or spec.origin is None:
        return False
    with suppress(OSError), open(os.path.join(os.path.dirname(spec.origin), "version.py"), encoding="utf-8") as file:
        return any(line.startswith(_KNOWN_NUMPY) for line in file)
    return False


def prepare_for_batches() -> None:
    """Keep what was imported out of the garbage collection, and freed memory for the next batch.

    A sweep spent a quarter of its time on memory that the C library gave back, and the kernel cleared and handed out
    again. mallopt(3) is glibc's: elsewhere nothing is asked.
    """
    gc.freeze()
    gc.enable()  # the imports are done; a long run may make cycles, in the tracebacks of suspect shards
    if sys.platform != "linux":
        return
    import ctypes  # NumPy brings it

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, 1 << 28)
        mallopt(_MMAP_THRESHOLD, 1 << 25)


def meanwhile(parts: Iterable[Any], work: Callable[[], object]) -> Generator[Any]:
    """Yield parts. From the second one on a thread does work that will be done again, more quickly for that.

    Imports, say: whoever needs them is told what is wrong with them, not the thread.
    """

    def done() -> None:
        is_collecting = gc.isenabled()
        gc.disable()  # what is imported is no garbage: to look for some took a fifth of the time
        try:
            with suppress(Exception):
                work()
        finally:
            if is_collecting:
                gc.freeze()
                gc.enable()

    thread = threading.Thread(target=done, name="mrl", daemon=True)
    try:
        for place, part in enumerate(parts):
            if place == 1:
                with suppress(RuntimeError):  # there may be no more threads
                    thread.start()
            yield part
    finally:
        if thread.ident is not None:
            thread.join()


def memory_bytes() -> int:
    """Return how much memory this process may have: that of the machine, or less where its container has less."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")] if hasattr(os, "sysconf") else []
    # There is no such file where cgroups limit nothing, and in it no number where it says "max".
    with suppress(OSError, ValueError), open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
        sizes.append(int(file.read()))
    return min(sizes, default=8 << 30)


def core_count() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def arithmetic() -> bytes:
    """Return what decides the last bits of exponentials: NumPy's version, and the kernels that this processor runs."""
    from zlib import crc32

    import numpy as np
    from numpy.lib.introspect import opt_func_info

    kernels = opt_func_info(func_name="exp|log|power|tanh")
    current = sorted((name, type_, of[type_]["current"]) for name, of in kernels.items() for type_ in of)
    return f"numpy-{np.__version__}-{crc32(repr(current).encode()):08x}".encode()
