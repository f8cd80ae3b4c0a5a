"""What the values of options are: from text on the command line to a name, a number and so on."""

from __future__ import annotations

import math
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from mrl_cli import runtime
from mrl_cli.errors import UsageError
from mrl_cli.model import LEAST_CONFIDENCE, MOST_CONFIDENCE
from mrl_cli.words import closest, harmless, is_float

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mrl_cli.model.labels import LabelMap


class Registered(click.ParamType[str]):
    """A name in a registry, or in one of several, which are imported only when a name is given, not for help.

    `elsewhere` says of other registries what their names are good for.
    """

    name = "name"

    def __init__(self, module: str, *registries: str, elsewhere: Mapping[str, str] | None = None) -> None:
        self._module, self._registries, self._elsewhere = module, registries, elsewhere or {}

    def names(self) -> list[str]:
        """Return the names there are."""
        module = import_module(self._module)
        return [name for registry in self._registries for name in getattr(module, registry)]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with the names there are."""
        runtime.import_numpy()  # which registries need; this is the first of them that a run imports
        module = import_module(self._module)
        if any(value in getattr(module, registry) for registry in self._registries):
            return str(value)
        for registry, what in self._elsewhere.items():
            if value in getattr(module, registry):
                option, reader = param.opts[0] if param else "", what[what.index("mrl ") :]
                raise UsageError(f"{option}: {value} is {what}", hint=f"use {reader} {option} {value}")
        return self.by_another_name(value, param, ctx)

    def by_another_name(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Fail with the names there are."""
        names = self.names()
        near = closest(value, names)
        hint = f" Did you mean {near}?" if near else ""
        self.fail(f"{value!r} is not one of {', '.join(names)}.{hint}", param, ctx)

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
        """Complete from the registry."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in self.names() if name.startswith(incomplete)]


class LossName(Registered):
    """The name of a loss, its own or one that it goes by elsewhere, which is kept: it may say more than the loss."""

    def __init__(self, *registries: str, elsewhere: Mapping[str, str] | None = None) -> None:
        super().__init__("mrl_cli.losses", *registries, elsewhere=elsewhere)

    def by_another_name(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name in its usual spelling. Raises UsageError for one of no loss, or of several."""
        from mrl_cli.losses.names import alias_of  # few runs name a loss so

        alias = alias_of(value, Registered.names(self))
        self.convert(alias.loss, param, ctx)
        return alias.name

    def names(self) -> list[str]:
        """Return the names there are."""
        from mrl_cli.losses.names import names_of

        own = super().names()
        return own + [alias.name for loss in own for alias in names_of(loss)]


# Types of options; help calls one by the name of its function, where it has no metavar.


def number(text: str, lowest: float = -math.inf, highest: float = math.inf, expected: str = "a finite number") -> float:
    """Return a finite number within bounds; what is none is refused as not what was expected."""
    value = float(text) if is_float(text) else math.nan
    if not (math.isfinite(value) and lowest <= value <= highest):
        raise click.BadParameter(f"{text!r} is not {expected}.")
    return value + 0.0  # -0.0 becomes 0.0: a loss is never the negative zero


def share(text: str) -> float:
    """Return the confidence of an interval."""
    bounds = LEAST_CONFIDENCE, MOST_CONFIDENCE
    return number(text, *bounds, f"from {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}, such as 0.95")


def assignment(text: str) -> tuple[str, float]:
    """Return name and number of NAME=VALUE."""
    name, sign, value = text.partition("=")
    if not (sign and name.strip()):
        raise click.BadParameter(f"{text!r} is not NAME=VALUE.")
    return name.strip(), number(value)


def named(text: str) -> str:
    """Return a name that is not empty: an empty one would be none, as if it were not given."""
    if not text.strip():
        raise click.BadParameter("the name is empty.")
    return text


def assigned_word(text: str) -> tuple[str, float | str]:
    """Return name and value of NAME=VALUE: a number, or else a word."""
    name, _, value = text.partition("=")
    if is_float(value) or not value.strip():
        return assignment(text)
    return name.strip(), value.strip()


def label_map(text: str) -> LabelMap:
    """Return the map of labels of VALUE=1,VALUE=-1,VALUE=0,VALUE=skip."""
    from mrl_cli.model.labels import parsed_map  # few runs have one

    try:
        return parsed_map(text)
    except ValueError as error:
        raise click.BadParameter(f"{harmless(error, 300)}.") from None


def size(text: str) -> int:
    """Return a number of bytes, such as 500MB or 4GB: units are powers of 1024."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", text.strip().lower())
    count = 0.0 if match is None else float(match[1]) * 1024 ** " kmgt".index(match[2] or " ")
    if not 0 < count < 1 << 63:
        raise click.BadParameter(f"{harmless(text)!r} is not a size such as 500MB or 4GB.")
    return int(count)


def char(text: str) -> str:
    r"""Return a delimiter or decimal point: one ASCII character; \t and "tab" are a tab."""
    character = {"\\t": "\t", "tab": "\t"}.get(text, text)
    if len(character) != 1 or not character.isascii() or character in '"\r\n':
        raise click.BadParameter(f"{text!r} is not one ASCII character.")
    return character
