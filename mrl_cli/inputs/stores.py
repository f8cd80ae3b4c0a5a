"""The stores behind URLs: which one a URL names, whose credentials it gets, how often it is asked, what its faults are.

Every request goes through `asked`. Credentials are those of the process that reads; none is handed on or printed.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

from mrl_cli.errors import MachineError, UsageError
from mrl_cli.records import NamedTuple
from mrl_cli.words import harmless, how_to_install, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    # Asks the client of a store for something, given the key of an object.
    Action = Callable[[Any, str], "Answer"]

Answer = TypeVar("Answer")

# The kinds of stores, and what the URLs of each begin with.
_SCHEMES = {"s3": "s3 s3a", "gs": "gs gcs", "az": "az azure abfs abfss", "http": "https http", "hf": "hf"}
KINDS = {scheme: kind for kind, schemes in _SCHEMES.items() for scheme in schemes.split()}
SECONDS_VARIABLE, SECONDS = "MRL_STORE_SECONDS", 60.0  # within which a request is repeated
THREADS = 32  # of requests under way; each waits for the network
_WAITS = 0.1, 5.0  # before the second try, and the longest before one
REGION_URL = "https://s3.amazonaws.com/{bucket}"
_KEYS_IN_ENVIRONMENT = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE")

MISSING, FORBIDDEN, CHANGED, NO_RANGES, NO_CREDENTIALS = "missing", "forbidden", "changed", "no ranges", "credentials"
TIMED_OUT, UNREACHABLE, CUT, BUSY, REFUSED = "timed out", "unreachable", "cut", "busy", "refused"
WRONG_RANGE = "wrong range"
_REPEATED = {TIMED_OUT, UNREACHABLE, CUT, BUSY}
_CREDENTIALS = {
    "s3": "credentials come from AWS_ACCESS_KEY_ID, the machine's role, or AWS_PROFILE where boto3 is installed",
    "gs": "credentials come from GOOGLE_APPLICATION_CREDENTIALS or `gcloud auth application-default login`",
    "az": "credentials come from AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or the machine's identity",
    "hf": "a token comes from HF_TOKEN",
    "http": "does the URL need a user and password, or a signature that has expired?",
}


class Address(NamedTuple):
    """Where an object is: the kind of its store, what a client of that is made for, and its key there."""

    kind: str
    store: str
    key: str


class Fault(NamedTuple):
    """Why a request failed: its kind, the HTTP status if there was one, and the host that was asked."""

    kind: str
    status: int = 0
    host: str = ""


class FaultError(Exception):
    """Signal: an answer is not what was asked for; `kind` is that of a Fault."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class NoRangesError(MachineError):
    """A server sends objects as a whole only."""


def address_of(url: str) -> Address:
    """Return the address that a URL names.

    Raises UsageError for one of no kind of store, or that names no bucket.

    >>> address_of("s3://bucket/a b.csv")
    Address(kind='s3', store='bucket', key='a b.csv')
    >>> address_of("abfss://files@account.dfs.core.windows.net/x.csv")
    Address(kind='az', store='account/files', key='x.csv')
    >>> address_of("https://example.org/a%20b.csv")
    Address(kind='http', store='https://example.org', key='a b.csv')
    """
    scheme, _, rest = url.partition("://")
    kind = KINDS.get(scheme.lower())
    if kind is None:
        known = "mrl reads s3://, gs://, az://, https:// and hf:// URLs"
        raise UsageError(f"cannot read {harmless(without_secrets(url), 200)}: {known}", hint="download the file first")
    if kind == "hf":
        return _http_address(hf_url(url), kind)
    if kind == "http":
        return _http_address(url, kind)
    place, _, key = rest.partition("/")
    if kind == "az":
        container, _, host = place.rpartition("@") if scheme.startswith("abfs") else ("", "", place)
        if ".core.windows.net" in host:
            container, key = (container, key) if container else (key.partition("/")[0], key.partition("/")[2])
            return Address(kind, f"{host.partition('.')[0]}/{_named(container, url)}", key)
        return Address(kind, f"/{_named(container or place, url)}", key)
    return Address(kind, _named(place.rpartition("@")[2], url), key)


def _named(bucket: str, url: str) -> str:
    if not bucket:
        raise UsageError(f"{harmless(without_secrets(url), 200)} names no bucket")
    return bucket


def _http_address(url: str, kind: str) -> Address:
    parts = urlsplit(url)
    if not parts.hostname:
        raise UsageError(f"{harmless(without_secrets(url), 200)} names no host")
    url = url.partition("#")[0]
    if parts.query or "//" in parts.path or "%2f" in parts.path.lower():  # what no key says goes with the client
        return Address(kind, url, "")
    return Address(kind, f"{parts.scheme}://{parts.netloc}", unquote(parts.path).strip("/"))


def hf_url(url: str) -> str:
    """Return the https URL of a file on the Hugging Face Hub, which HF_ENDPOINT may put elsewhere.

    >>> hf_url("hf://datasets/owner/name@~parquet/default/train/0.parquet")
    'https://huggingface.co/datasets/owner/name/resolve/refs%2Fconvert%2Fparquet/default/train/0.parquet'
    """
    place, revision, path = hf_parts(url)
    return f"{hf_endpoint()}/{place}/resolve/{quote(revision, safe='')}/{quote(path)}"


def hf_endpoint() -> str:
    """Return where the Hugging Face Hub is."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def hf_parts(url: str) -> tuple[str, str, str]:
    """Return what stands before `/resolve/` in the address of a repository on the Hub, the revision, and the path.

    >>> hf_parts("hf://datasets/owner/name@refs/pr/3/data/x.csv"), hf_parts("hf://owner/model/x.csv")
    (('datasets/owner/name', 'refs/pr/3', 'data/x.csv'), ('owner/model', 'main', 'x.csv'))
    """
    rest = url.partition("://")[2]
    head = (
        r"((?:datasets/|spaces/|(?!datasets/|spaces/))[^/@]+/[^/@]+)(?:@(refs/(?:convert|pr)/[^/]+|[^/]+))?(?:/(.*))?"
    )
    found = re.fullmatch(head, rest, re.DOTALL)
    if found is None:
        hint = "for example hf://datasets/OWNER/NAME/data/x.csv, or hf://datasets/OWNER/NAME@REVISION/..."
        raise UsageError(f"{harmless(url, 200)} names no repository of the Hugging Face Hub", hint=hint)
    place, revision, path = found.groups(default="")
    return place, {"": "main", "~parquet": "refs/convert/parquet"}.get(revision, revision), path


def seconds() -> float:
    """Return within how many seconds a request is repeated. Raises UsageError where the environment names no number."""
    text = os.environ.get(SECONDS_VARIABLE, "")
    try:
        number = float(text or SECONDS)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UsageError(f"{SECONDS_VARIABLE} is {harmless(text)!r}, not a number of seconds")
    return number


@cache
def pool() -> Executor:
    """Return the threads that wait for stores. None of them waits for another."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(THREADS, thread_name_prefix="mrl-store")


def asked(url: str, action: Action[Answer], *, is_known: bool = False, doing: str = "read") -> Answer:
    """Return what a store answers; `is_known` says that the object was there before, `doing` what is done with it.

    What may pass is asked for again, for no more than `seconds()`. Raises UsageError for an object that is not there,
    MachineError for what else fails, NoRangesError among it.
    """
    if threading.current_thread() is threading.main_thread():  # which an interrupt must reach
        return pool().submit(_asked, url, action, is_known, doing).result()
    return _asked(url, action, is_known, doing)


_anonymous: set[str] = set()  # stores for which there are no credentials: what they hold may be public


def _asked(url: str, action: Action[Answer], is_known: bool, doing: str) -> Answer:
    exceptions: Any = import_module("obstore.exceptions")
    address, started, (wait, longest), total = address_of(url), time.monotonic(), _WAITS, seconds()
    while True:
        try:
            client = _client(address.kind, address.store, address.store in _anonymous, total)
            return action(client, address.key)
        except (exceptions.BaseError, FaultError, OSError, ValueError) as error:
            fault = _fault_of(error)
            if fault.kind == NO_CREDENTIALS and address.store not in _anonymous:
                _anonymous.add(address.store)
                continue
            # The last try may take a quarter; a host that is not there hardly comes.
            limit = total / 6 if fault.kind == UNREACHABLE else total * 3 / 4
            if fault.kind not in _REPEATED or time.monotonic() - started + wait > limit:
                raise _told(url, fault, error, is_known=is_known, doing=doing) from None
        time.sleep(wait * random.uniform(0.5, 1.0))
        wait = min(2 * wait, longest)


def require_extra(url: str, doing: str = "read") -> None:
    """Raise UsageError where what reads URLs is not installed."""
    try:
        import_module("obstore")
    except ImportError:
        message = f"cannot {doing} {harmless(without_secrets(url), 200)}: URLs need the extra `remote`"
        raise UsageError(message, hint=how_to_install("remote")) from None


def _fault_of(error: Exception) -> Fault:
    """Return what a failure comes to: obstore says it in its text, with all that it was told."""
    text = str(error)
    said = re.search(r"status code: (\d{3})", text)
    status = int(said[1]) if said else int(getattr(error, "code", 0))
    asked_of = re.search(r"performing \w+ \w+://(?:[^/\s@]*@)?([^/\s?]+)", text)
    host = asked_of[1] if asked_of else ""
    name = type(error).__name__
    tests = {
        NO_CREDENTIALS: "/latest/api/token" in text or "169.254." in text or "token request" in text,
        NO_RANGES: "RangeNotSupported" in text,
        WRONG_RANGE: "UnexpectedRange" in text,
        CHANGED: status in (412, 416) or name == "PreconditionError",
        REFUSED: status in (400, 405, 501),
        FORBIDDEN: status in (401, 403) or name in ("PermissionDeniedError", "UnauthenticatedError"),
        MISSING: status in (404, 410) or isinstance(error, FileNotFoundError),
        BUSY: status in (408, 429) or status >= 500,
        TIMED_OUT: "kind: Timeout" in text or "TimedOut" in text or isinstance(error, TimeoutError),
        UNREACHABLE: "kind: Connect," in text or name == "URLError",
        CUT: re.search(r"kind: (Interrupted|Request|Decode|Unknown)", text) is not None and not status,
    }
    if isinstance(error, FaultError):
        return Fault(error.kind)
    return Fault(next((kind for kind, holds in tests.items() if holds), REFUSED), status, host)


def _told(url: str, fault: Fault, error: Exception, *, is_known: bool, doing: str) -> Exception:
    """Return the error for the user: one line that names object and host, without what obstore prints of itself."""
    name, kind = harmless(without_secrets(url), 200), KINDS.get(url.partition("://")[0].lower(), "")
    at = f" ({harmless(fault.host)})" if fault.host and fault.host not in name else ""
    cannot = f"cannot {doing} {name}{at}"
    if fault.kind == MISSING and not is_known:
        is_reading = doing == "read"
        return UsageError(f"no such object: {name}{at}") if is_reading else MachineError(f"{cannot}: no such bucket")
    if fault.kind == NO_RANGES:
        return NoRangesError(f"{cannot}: the server sends no ranges", hint="download the file first")
    again = f"after {seconds():g} seconds of trying"
    reason = harmless(re.sub(r"\S+://\S*", "…", str(error).partition("\n")[0]), 120)
    server = "the server" if kind in ("http", "hf") else "the store"
    what, hint = {
        MISSING: ("it vanished while it was read", "run again once it is there"),
        CHANGED: ("it changed while it was read", "run again once it is written"),
        FORBIDDEN: (f"{server} forbids it", _CREDENTIALS.get(kind)),
        NO_CREDENTIALS: ("there are no credentials", _CREDENTIALS.get(kind)),
        TIMED_OUT: (f"timed out {again}", "is the network slow? run again later"),
        CUT: (f"the connection was cut {again}", "run again later"),
        WRONG_RANGE: (f"{server} sent another range than was asked for", "download the file first"),
        BUSY: (f"{server} answered {fault.status} {again}", "run again later"),
        UNREACHABLE: ("its host cannot be reached", "check the name of the host, its certificate, and the network"),
        REFUSED: (f"{server} answered {fault.status}" if fault.status else reason, None),
    }[fault.kind]
    return MachineError(f"{cannot}: {what}", hint=hint)


@cache
def _client(kind: str, store: str, is_anonymous: bool, total: float) -> Any:
    """Return the client of a store, which asks once, and gives up when nothing comes for a quarter of the time.

    Raises UsageError for a container of Azure without an account.
    """
    stores: Any = import_module("obstore.store")
    pause, a_day = f"{max(1, round(total * 250))}ms", "24h"
    options: dict[str, Any] = {"connect_timeout": pause, "read_timeout": pause, "timeout": a_day}
    config: dict[str, Any] = {"skip_signature": True} if is_anonymous else {}
    if kind in ("http", "hf"):
        options |= {"allow_http": store.startswith("http://"), "default_headers": http_headers(kind, store)}
        parts = urlsplit(store)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return stores.HTTPStore(bare, client_options=options, retry_config={"max_retries": 0})
    if kind == "s3":
        config |= _s3_config(store, is_anonymous=is_anonymous)
        options["allow_http"] = config.get("endpoint", "").startswith("http://")
        return stores.S3Store(store, client_options=options, retry_config={"max_retries": 0}, **config)
    if kind == "gs":
        return stores.GCSStore(store, client_options=options, retry_config={"max_retries": 0}, **config)
    account, _, container = store.partition("/")
    if not (account or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")):
        hint = "set AZURE_STORAGE_ACCOUNT_NAME, or write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/..."
        raise UsageError(f"az://{harmless(container)} is a container of no account", hint=hint)
    config |= {"account_name": account} if account else {}
    return stores.AzureStore(container, client_options=options, retry_config={"max_retries": 0}, **config)


def http_headers(kind: str, store: str) -> dict[str, str]:
    """Return the headers that say who asks: of the user and password in a URL, or of the Hub's token."""
    if kind == "hf":
        return {"Authorization": f"Bearer {os.environ['HF_TOKEN']}"} if os.environ.get("HF_TOKEN") else {}
    user = urlsplit(store).netloc.rpartition("@")[0]
    if not user:
        return {}
    from base64 import b64encode

    return {"Authorization": f"Basic {b64encode(unquote(user).encode()).decode()}"}


def _s3_config(bucket: str, *, is_anonymous: bool) -> dict[str, Any]:
    """Return endpoint, region and credentials of a bucket; those that are not here obstore takes from the environment.

    boto3, where it is installed, knows profiles and single sign-on. Amazon says in which region a bucket is.
    """
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    endpoint = next((os.environ[name] for name in names if os.environ.get(name)), None)
    config: dict[str, Any] = {} if endpoint is None else {"endpoint": endpoint}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not is_anonymous and not any(os.environ.get(name) for name in _KEYS_IN_ENVIRONMENT):
        found = _boto3_credentials()
        if found is not None:
            provider, region_of_profile = found
            config |= {"credential_provider": provider} if provider else {"skip_signature": True}
            region = region or region_of_profile
    region = (_region_of(bucket) if endpoint is None else None) or region or "us-east-1"
    return config | {"region": region}


def _boto3_credentials() -> tuple[Any, str | None] | None:
    """Return what gives the credentials of the profile, None where there are none, and its region; None without boto3.

    Raises MachineError for a profile that there is not.
    """
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        return None
    try:
        session = boto3.Session()
        provider = None if session.get_credentials() is None else Boto3CredentialProvider(session)
    except Exception as error:  # noqa: BLE001 (botocore has some 50 kinds, and its configuration files any content)
        message = f"cannot get AWS credentials: {harmless(str(error).partition(chr(10))[0], 120)}"
        raise MachineError(message, hint="check AWS_PROFILE and ~/.aws") from None
    return provider, session.region_name


def _region_of(bucket: str) -> str | None:
    """Return the region that a bucket is in, as Amazon says without asking who asks, None where it does not."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(REGION_URL.format(bucket=bucket), method="HEAD"), timeout=5) as answer:
            headers = answer.headers
    except HTTPError as error:  # forbidden, or moved: the header is there
        headers = error.headers
    except (OSError, ValueError):
        return None
    return str(headers["x-amz-bucket-region"]) if headers["x-amz-bucket-region"] else None
