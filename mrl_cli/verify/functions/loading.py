"""Importing MODULE:NAME, a function of the user's."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import UsageError
from mrl_cli.words import closest, harmless, listed

if TYPE_CHECKING:
    from types import ModuleType

HINT = "for example --function losses:my_loss, or --function path/to/losses.py:my_loss"


def loaded(reference: str) -> Any:
    """Return what MODULE:NAME names; MODULE may also be the path of a .py file, and NAME have dots.

    The current folder can be imported from. Raises UsageError for what cannot be imported, is not there or cannot be
    called.
    """
    module_name, colon, name = reference.rpartition(":")
    if not (colon and module_name and name):
        raise UsageError(f"--function {harmless(reference, 200)}: MODULE:NAME names a function", hint=HINT)
    found: Any = _module(module_name)
    for part in name.split("."):
        if not hasattr(found, part):
            raise _missing(found, part, reference)
        found = getattr(found, part)
    if not callable(found):
        kind = type(found).__name__
        what = f"an {kind}" if kind[0].lower() in "aeiou" else f"a {kind}"
        raise UsageError(f"--function {harmless(reference, 200)} is {what}, which cannot be called", hint=HINT)
    return found


def _module(name: str) -> ModuleType:
    is_path = name.endswith(".py") or os.sep in name
    if is_path and not os.path.isfile(name):
        raise UsageError(f"--function: there is no file {harmless(name, 200)}", hint=HINT)
    folder = os.path.dirname(os.path.abspath(name)) if is_path else os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return _module_of_file(name) if is_path else importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            msg = f"--function: there is no module {harmless(name, 200)}, here or installed"
            is_file = os.path.isfile(f"{name}.py") or os.path.isfile(name)
            raise UsageError(msg, hint=None if is_file else HINT) from None
        raise _not_imported(name, error) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _not_imported(name, error) from error


def _module_of_file(path: str) -> ModuleType:
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pickling and dataclasses look it up there
    spec.loader.exec_module(module)
    return module


def _not_imported(name: str, error: BaseException) -> UsageError:
    msg = f"--function: cannot import {harmless(name, 200)}: {described(error)}"
    return UsageError(msg, hint="it must be possible to import the module: python -c 'import …' shows the traceback")


def _missing(found: Any, part: str, reference: str) -> UsageError:
    names = [name for name, value in vars(found).items() if callable(value) and not name.startswith("_")]
    own = [name for name in names if getattr(getattr(found, name), "__module__", None) == getattr(found, "__name__", 0)]
    near = closest(part, names)
    hint = f"did you mean {near}?" if near else f"it has {listed(own)}" if own else None
    return UsageError(f"--function {harmless(reference, 200)}: there is no {harmless(part)} in it", hint=hint)


def described(error: BaseException) -> str:
    """Return an exception in one line, with the line of the user's code that raised it."""
    lines = str(error.msg if isinstance(error, SyntaxError) else error).strip().splitlines()
    text = type(error).__name__ + (f": {harmless(lines[0], 160)}" if lines else "")
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_foreign(frame.filename)]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{text} ({harmless(_shown(error.filename), 200)}, line {error.lineno})"
    return f"{text} ({harmless(_shown(own[-1].filename), 200)}, line {own[-1].lineno})" if own else text


def underlying(function: Any) -> Any:
    """Return what the user wrote: the function of a partial, and that of numpy.vectorize."""
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "pyfunc", function) if type(function).__module__ == "numpy" else function


def place_of(function: Any) -> tuple[str | None, int | None]:
    """Return file and line of what the user wrote; None for what was not written in Python."""
    code = inspect.unwrap(underlying(function))
    for candidate in (code, type(code)):
        try:
            path, line = inspect.getsourcefile(candidate), inspect.getsourcelines(candidate)[1]
        except (TypeError, OSError):
            continue
        if path is not None:
            return _shown(path), line
    return None, None


def _shown(path: str) -> str:
    """Return a path as it is called from here, where it lies in the current folder."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def _is_foreign(path: str) -> bool:
    """Return whether a file belongs to mrl, to Python or to what is installed."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    is_installed = any(part in path for part in ("site-packages", "dist-packages", f"{os.sep}lib{os.sep}python"))
    return is_installed or path.startswith((package, "<"))
