"""The objects that a URL stands for: one, those below a folder, or those that a glob matches."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import UsageError
from mrl_cli.inputs import stores
from mrl_cli.inputs.base import MANIFEST
from mrl_cli.inputs.formats import FORMAT_OF_SUFFIX, named
from mrl_cli.inputs.remote import Remote, object_of, opened, whole
from mrl_cli.words import closest, harmless, shell_line, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mrl_cli.inputs.streams import Stream

    # The names in a folder, which is called so, that are of data.
    DataNames = Callable[[str, Sequence[str]], Sequence[str]]

MAGIC = re.compile(r"[*?[]")


class Listed(str):
    """The URL of an object that is known already; whose `is_alone` was named itself, not by a folder or a glob."""

    __slots__ = ("is_alone", "place")

    place: Remote
    is_alone: bool

    @classmethod
    def of(cls, place: Remote, *, is_alone: bool) -> Listed:
        """Return the URL of an object."""
        url = cls(place.url)
        url.place, url.is_alone = place, is_alone
        return url

    @property
    def is_looked_at(self) -> bool:
        """Whether the first bytes are to be asked for, to see what they are; Parquet is read from its end."""
        return self.is_alone and named(self.place.name)[0] != "parquet"

    def found(self) -> Remote | Stream:
        """Return the object, as a stream where its server sends no ranges."""
        if not self.is_alone or not self.place.size_bytes:
            return self.place
        try:
            self.place.probe()
        except stores.NoRangesError:
            return whole(self.place)
        return self.place


def urls_of(url: str, data_names: DataNames) -> list[str]:
    """Return the URLs that a URL stands for, sorted: itself, those of data below a folder, or those that match a glob.

    `data_names` chooses, of the names in a folder, those of data. Raises UsageError where there is none.
    """
    shown = harmless(without_secrets(url), 200)
    if isinstance(url, Listed):
        return [url]
    path = url.partition("://")[2]
    kind = stores.address_of(url).kind
    stores.require_extra(url)
    if kind == "http":
        if MAGIC.search(path.partition("?")[0]):
            hint = "name each file, or write a * of a name as %2A"
            raise UsageError(f"{shown} is a glob, and a web server lists no files", hint=hint)
        return [Listed.of(opened(url), is_alone=True)]
    if MAGIC.search(path):
        return _matches(url, shown)
    missing = None
    if stores.address_of(url).key and not url.endswith("/"):
        try:
            return [Listed.of(opened(url), is_alone=True)]
        except UsageError as error:
            missing = error
    folder = url.rstrip("/") + "/"
    try:
        listed = list(_below(folder, is_deep=True))
    except UsageError as error:  # there is no such bucket
        raise missing or error from None
    places = [place for place in listed if _is_data(place.url.removeprefix(folder).rpartition("/")[0])]
    found = _data(places, data_names)
    if not found and (missing is None or places):
        hint = "known suffixes: " + " ".join(FORMAT_OF_SUFFIX)
        raise UsageError(f"no file of a known format below {shown}", hint=hint)
    if not found and missing is not None:
        raise _near(missing, url)
    return _sorted(found)


def _near(missing: UsageError, url: str) -> UsageError:
    """Return the error of a missing object with the name that was meant, where one is near."""
    folder, _, name = url.rpartition("/")
    if folder.endswith(":/"):
        return missing
    near = closest(name, [place.url.rpartition("/")[2] for place in _below(f"{folder}/", is_deep=False)])
    hint = f"did you mean {shell_line([without_secrets(f'{folder}/{near}')])}?" if near else missing.hint
    return UsageError(missing.message, hint=hint)


def _sorted(places: Iterable[Remote]) -> list[str]:
    return sorted(Listed.of(place, is_alone=False) for place in places)


def _is_data(path: str) -> bool:
    """Return whether no folder of a path begins with a dot or underscore."""
    return not any(name.startswith((".", "_")) for name in path.split("/"))


def _data(places: Iterable[Remote], data_names: DataNames) -> list[Remote]:
    """Return the objects of data, folder by folder."""
    folders: dict[str, dict[str, Remote]] = {}
    for place in places:
        folder, _, name = place.url.rpartition("/")
        folders.setdefault(folder, {})[name] = place
    found = ((names, data_names(folder, list(names))) for folder, names in folders.items())
    return [names[name] for names, data in found for name in data if named(name)[0]]


def _matches(url: str, shown: str) -> list[str]:
    """Return the objects that a glob matches; one that is called just so is the only one."""
    fixed = MAGIC.split(url, maxsplit=1)[0]
    folder = fixed[: fixed.rindex("/") + 1]
    if folder.endswith("://"):
        raise UsageError(f"{shown}: the name of a bucket is no glob")
    places = list(_below(folder, is_deep="/" in url[len(folder) :] or "**" in url[len(folder) :]))
    named_so = [place for place in places if place.url == url]
    pattern = re.compile(_pattern(url[len(folder) :]))
    matching = (place for place in places if pattern.fullmatch(place.url[len(folder) :]))
    found = named_so or [place for place in matching if not place.url.endswith(f"/{MANIFEST}")]
    if not found:
        raise UsageError(f"no object matches {shown}")
    return _sorted(found)


def _pattern(glob: str) -> str:
    """Return a glob as a regular expression: * and ? stand for no slash, and for no dot that begins a name.

    >>> pattern = re.compile(_pattern("**/part-[0-3]*.csv"))
    >>> [bool(pattern.fullmatch(name)) for name in ("part-1.csv", "a/b/part-22.csv", "part-4.csv", ".a/part-1.csv")]
    [True, True, False, False]
    """
    parts = []
    for part in glob.split("/"):
        if part == "**":
            parts.append(r"(?:(?!\.)[^/]+/)*")
            continue
        tokens = re.findall(r"\*+|\?|\[!?\]?[^]]*\]|.", part, re.DOTALL)
        parts.append(("" if part.startswith(".") else r"(?!\.)") + "".join(map(_of_token, tokens)) + "/")
    return "".join(parts).removesuffix("/") + ("[^/]*" if glob.endswith("**") else "")


def _of_token(token: str) -> str:
    if token[0] == "*":
        return "[^/]*"
    if token == "?":
        return "[^/]"
    if token[0] == "[" and len(token) > 2:
        inner = re.sub(r"([\\\[\]^&~|])", r"\\\1", token[1:-1].removeprefix("!"))
        return f"[{'^/' if token[1] == '!' else ''}{inner}]"
    return re.escape(token)


def _below(folder: str, *, is_deep: bool) -> Iterator[Remote]:
    """Yield the objects below the URL of a folder, which ends with a slash; those in its folders too if `is_deep`."""
    if stores.address_of(folder).kind == "hf":
        yield from _below_on_hub(folder, is_deep=is_deep)
        return
    prefix = stores.address_of(folder).key
    base = folder.removesuffix(prefix)

    def listed(client: Any, key: str) -> list[Any]:
        import obstore

        if not is_deep:
            return list(obstore.list_with_delimiter(client, key or None)["objects"])
        return [meta for chunk in obstore.list(client, key or None) for meta in chunk]

    metas = stores.asked(folder, listed)
    folders = {meta["path"].rpartition("/")[0] for meta in metas}
    for meta in metas:
        if meta["path"] not in folders:  # an empty object may stand for a folder
            yield object_of(f"{base}{meta['path']}", meta)


def sizes_below(folder: str, most: int | None = None) -> dict[str, int]:
    """Return the paths below the URL of a folder, which ends with a slash, and the sizes; `most` of them at most."""
    prefix = stores.address_of(folder).key

    def listed(client: Any, key: str) -> list[Any]:
        import obstore

        metas = (meta for chunk in obstore.list(client, key or None) for meta in chunk)
        return list(islice((meta for meta in metas if meta["path"] != prefix.rstrip("/")), most))

    metas = stores.asked(folder, listed, doing="write")
    return {meta["path"].removeprefix(prefix): meta["size"] for meta in metas}


def _below_on_hub(folder: str, *, is_deep: bool) -> Iterator[Remote]:
    """Yield the files below a folder of a repository on the Hugging Face Hub, whose ETags come from the files."""
    path = stores.hf_parts(folder)[2]
    base = folder.removesuffix(path)
    urls = [f"{base}{name}" for name in _hub_files(folder, is_deep=is_deep)]
    yield from stores.pool().map(opened, urls)


def _hub_files(folder: str, *, is_deep: bool) -> list[str]:
    """Return the paths of the files below a folder of a repository on the Hub, which lists them page by page."""
    import json
    from urllib.parse import quote
    from urllib.request import Request, urlopen

    place, revision, path = stores.hf_parts(folder)
    tree = place if place.startswith(("datasets/", "spaces/")) else f"models/{place}"
    first = f"{stores.hf_endpoint()}/api/{tree}/tree/{quote(revision, safe='')}/{quote(path.rstrip('/'))}"
    headers = stores.http_headers("hf", "")

    def listed(_client: Any, _key: str) -> list[str]:
        names, page = [], f"{first}?recursive={str(is_deep).lower()}"
        while page:
            with urlopen(Request(page, headers=headers), timeout=stores.seconds() / 4) as answer:
                names += [entry["path"] for entry in json.load(answer) if entry["type"] == "file"]
                following = re.search(r'<([^>]+)>;\s*rel="next"', answer.headers.get("Link") or "")
            page = following[1] if following else ""
        return names

    return stores.asked(folder, listed)
