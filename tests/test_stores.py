"""Inputs in object stores and behind https: the same bytes as local files, few requests, and a line for each fault."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import pickle
import re
import shlex
import sys
from functools import cache, partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli.engines import tasks
from mrl_cli.errors import MrlError
from mrl_cli.inputs import listing, remote, stores
from mrl_cli.inputs.remote import Remote
from tests.each import crossed, mostly_slow
from tests.running import Mrl, Ran
from tests.serving import Fault, Files, Proxy, file_server, proxy_before, s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any


ROWS = 30_000


def _table(rows: int = ROWS) -> pa.Table:
    draw = np.random.default_rng(14)
    names = ("x1", "other", "x2")
    columns: dict[str, Any] = {name: np.round(draw.normal(size=rows), 9) for name in names}
    return pa.table({**columns, "y": draw.choice([1, -1], rows), "g": draw.choice(["a", "b"], rows)})


def _csv(table: pa.Table, delimiter: str = ",", quote: str = "") -> bytes:
    columns = [table.column(name).to_pylist() for name in table.column_names]
    rows = (delimiter.join((*map(repr, row[:-1]), f"{quote}{row[-1]}{quote}")) for row in zip(*columns, strict=True))
    return "\n".join([delimiter.join(table.column_names), *rows, ""]).encode()


def _parquet(table: pa.Table, rows_a_group: int = ROWS) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=rows_a_group, compression="none", use_dictionary=["g"])
    return sink.getvalue()


def _arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=10_000)
    return sink.getvalue()


@cache
def _objects() -> dict[str, bytes]:
    table, small = _table(), _table(50)
    lists = "".join(f"{row % 2} qid:{row // 4} 1:0.5 # d{row}\n" for row in range(40))
    return {
        "pairs.parquet": _parquet(table),
        "groups.parquet": _parquet(table, 5_000),
        "pairs.csv": _csv(table),
        "quoted.csv": _csv(small, quote='"'),
        "pairs.tsv": _csv(small, "\t"),
        "pairs.csv.gz": gzip.compress(_csv(table), 1),
        "pairs.jsonl.bz2": bz2.compress(b"".join(json.dumps(row).encode() + b"\n" for row in small.to_pylist())),
        "pairs.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in table.slice(0, 5000).to_pylist()),
        "pairs.json": json.dumps(small.to_pylist()).encode(),
        "pairs.arrow": _arrow(table),
        "lists.letor": lists.encode(),
        "scores.txt": "".join(f"{row % 3}\n" for row in range(40)).encode(),
        "lists.run": b"1 Q0 a 1 0.5 r\n1 Q0 b 2 0.25 r\n2 Q0 c 1 2 r\n2 Q0 d 2 1 r\n",
        "judged.txt": b"1 0 a 1\n1 0 b 0\n2 0 c 0\n2 0 d 1\n",
        "below/model=m/part-0.csv": _csv(small),
        "below/model=n/part-1.csv.gz": gzip.compress(_csv(small)),
        "below/_SUCCESS": b"",
        "below/.hidden.csv": b"a",
        "below/dataset_info.json": b"{}",
        "no suffix": _csv(small),
        "bad.csv": b"x1,x2,y\n1,oops,1\n",
        "wrong.csv": _parquet(small),
        "torn.parquet": _parquet(table)[:-9],
        "a b+c%20ü.csv": _csv(small),
    }


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Serve S3 with the objects in the bucket `data`, and in `open` a public one."""
    with s3_server() as (url, client):
        for bucket in ("data", "open"):
            client.create_bucket(Bucket=bucket)
        for key, data in _objects().items():
            client.put_object(Bucket="data", Key=key, Body=data)
        client.put_object(Bucket="open", Key="p.csv", Body=b"x1,x2,y\n1,3,1\n", ACL="public-read")
        yield url


@pytest.fixture(scope="module")
def _proxy(moto: str) -> Iterator[Proxy]:
    with proxy_before(moto) as proxy:
        yield proxy


@pytest.fixture
def s3(_proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Let `mrl` find S3 behind the proxy, which has no faults yet."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SECRETKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRETVALUE")
    monkeypatch.setenv("AWS_ENDPOINT_URL", _proxy.url)
    monkeypatch.setenv(stores.SECONDS_VARIABLE, "2")
    _forget()
    _proxy.faults, _proxy.seen, _proxy.before = [], {}, lambda line: None
    _proxy.asked.clear()
    yield _proxy
    _proxy.faults = []
    _forget()


def _forget() -> None:
    """End the requests still under way, and forget what is held of stores and objects, as a new process does."""
    stores.pool().shutdown(cancel_futures=True)
    stores.pool.cache_clear()
    stores._client.cache_clear()
    stores._anonymous.clear()
    remote._BLOCKS._blocks.clear()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """Serve the objects over HTTP."""
    monkeypatch.setenv(stores.SECONDS_VARIABLE, "2")
    _forget()
    with file_server() as served:
        served.files = {f"/{quote(key)}": data for key, data in _objects().items()}  # compared as they stand
        yield served
    _forget()


def _local(folder: Path, *keys: str) -> None:
    for key in keys:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(_objects()[key])


# The same bytes as of local files.

CALLS = [
    "compute pairs.parquet --group-by g -f json",
    "compute groups.parquet --jobs 2 -f json",
    "compute groups.parquet --keep-columns --reduction none",
    "compute pairs.csv --group-by g --jobs 2 -f json",
    "compute quoted.csv no\\ suffix pairs.tsv -f json",
    "compute pairs.csv.gz pairs.jsonl.bz2 -f json",
    "compute pairs.jsonl pairs.json -f json",
    "compute pairs.arrow -f json",
    "compute bad.csv",
    "compute wrong.csv",
    "compute torn.parquet",
    "validate pairs.csv pairs.parquet pairs.csv.gz pairs.arrow pairs.jsonl -f json",
    "rank lists.letor --scores scores.txt -f json",
    "rank lists.run --qrels judged.txt -f json",
    "check pairs.parquet",
    "check quoted.csv -f json",
    "compute below --group-by model -f json",
    "compute 'below/*/part-?.csv*' --by-file -f json",
]


def _call(line: str, place: str) -> list[str]:
    """Return the words of a line, of which the names of objects are put in a place."""
    is_name = re.compile("|".join(map(re.escape, _objects()))).fullmatch
    words = shlex.split(line)
    return [f"{place}{word}" if is_name(word) or word.startswith("below") else word for word in words]


def _untimed(ran: Ran, place: str = "s3://data/") -> Ran:
    return Ran(ran.code, *(text.replace(place, "s3://data/") for text in ran[1:]))


@pytest.mark.parametrize("line", mostly_slow(CALLS, quick=1))
def test_objects_print_the_bytes_of_local_files(
    line: str, s3: Proxy, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _local(tmp_path, *_objects())
    here, there = mrl(*_call(line, f"{tmp_path}/")), mrl(*_call(line, "s3://data/"))
    assert here.code == (3 if re.search("bad|wrong|torn", line) else 0)
    assert _untimed(there) == _untimed(here, f"{tmp_path}/")


@pytest.mark.parametrize(
    ("key", "has_ranges"),
    crossed(["pairs.parquet", "pairs.csv", "pairs.csv.gz", "pairs.arrow", "no suffix"], [True, False]),
)
def test_web_servers_with_and_without_ranges_give_the_same_number(
    key: str, has_ranges: bool, web: Files, mrl: Mrl, tmp_path: Path
) -> None:
    web.sends_ranges = has_ranges
    _local(tmp_path, key)
    there = mrl("compute", f"{web.url}/{key.replace(' ', '%20')}", "--raw")
    assert (there.code, there.out) == (0, mrl("compute", tmp_path / key, "--raw").out), there.err
    assert {bool(asked.tag) for asked in web.asked if asked.range} == {True}
    whole = [asked for asked in web.asked if asked.sent > len(_objects()[key]) - 10]
    assert has_ranges is not bool([asked for asked in whole if not asked.range])


def test_server_without_ranges_that_cuts_is_an_error(web: Files, mrl: Mrl) -> None:
    web.sends_ranges = False
    with proxy_before(web.url) as proxy:
        proxy.faults = [Fault("GET /pairs.csv $", "cut")]
        ran = mrl("compute", f"{proxy.url}/pairs.csv")
    assert ran.code == 4
    assert "the connection was cut, and the server sends no ranges" in ran.err
    assert "run again, or download the file first" in ran.err


# Requests.


def test_three_columns_of_parquet_are_head_footer_and_their_ranges(s3: Proxy, mrl: Mrl) -> None:
    key = "pairs.parquet"
    metadata = pq.read_metadata(io.BytesIO(_objects()[key]))
    chunks = [metadata.row_group(0).column(place) for place in range(metadata.num_columns)]
    wanted = sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema in ("x1", "x2", "y"))
    assert wanted > 10 * remote.ENDS_BYTES
    assert mrl("compute", f"s3://data/{key}").code == 0
    assert [asked.method for asked in s3.asked[:1]] == ["HEAD"]
    size = len(_objects()[key])
    assert s3.asked[1].range == f"bytes={size - remote.ENDS_BYTES}-{size - 1}"
    assert len(s3.asked) == 4  # x1, and x2 with y, which stand side by side
    assert sum(asked.sent for asked in s3.asked) <= 1.1 * (wanted + remote.ENDS_BYTES)


def test_text_is_read_once_in_blocks(s3: Proxy, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FIRST_BYTES", remote.ENDS_BYTES + (1 << 18))
    monkeypatch.setattr(remote, "BLOCK_BYTES", 1 << 19)
    monkeypatch.setattr("mrl_cli.inputs.text.BLOCK_BYTES", 300_000)
    for key in ("pairs.csv", "pairs.csv.gz"):
        s3.asked.clear()
        assert mrl("compute", f"s3://data/{key}", "--jobs", "2").code == 0
        assert s3.asked[0].method == "HEAD"
        assert sum(asked.sent for asked in s3.asked) == len(_objects()[key])
        assert len(s3.asked) == 3 + -(-(len(_objects()[key]) - remote.FIRST_BYTES) // (1 << 19))


def test_check_reads_the_head_alone(s3: Proxy, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FIRST_BYTES", remote.ENDS_BYTES + (1 << 19))
    monkeypatch.setattr("mrl_cli.inputs.heads.HEAD_BYTES", 1 << 19)
    monkeypatch.setattr("mrl_cli.inputs.text.BLOCK_BYTES", 300_000)
    assert mrl("check", "s3://data/pairs.csv").code == 0
    assert [asked.method for asked in s3.asked] == ["HEAD", "GET", "GET"]
    assert sum(asked.sent for asked in s3.asked) == remote.FIRST_BYTES < len(_objects()["pairs.csv"]) // 2


def test_objects_of_a_listing_are_not_looked_at_one_by_one(s3: Proxy, mrl: Mrl) -> None:
    assert mrl("compute", "s3://data/below/*/*.csv").code == 0
    assert [asked.method for asked in s3.asked] == ["GET", "GET"]  # the listing, and the one object


@pytest.mark.slow
def test_range_of_many_pieces_is_read_whole_and_never_beyond(
    web: Files, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PIECES_BYTES", 1 << 17), ("LARGEST_PIECE", 1 << 15), ("SMALLEST_PIECE", 1 << 14)):
        monkeypatch.setattr(remote, name, value)
    _local(tmp_path, "pairs.parquet")
    ran = mrl("compute", f"{web.url}/pairs.parquet", "--raw")
    assert ran.out == mrl("compute", tmp_path / "pairs.parquet", "--raw").out
    ranges = [asked.range for asked in web.asked]
    assert len(ranges) == len(set(ranges)) > 20


# Faults: which pass, and which end in one line.

MEND = ["503", "429", "cut", "stall", "reset"]


@pytest.mark.parametrize("action", mostly_slow(MEND, quick=1))
def test_faults_that_pass_change_no_byte(action: str, s3: Proxy, mrl: Mrl, tmp_path: Path) -> None:
    _local(tmp_path, "groups.parquet")
    s3.faults = [Fault("HEAD", "503", 0, 0), Fault("GET .*bytes=", action, 1, 2)]
    ran = mrl("compute", "s3://data/groups.parquet", "--raw")
    assert (ran.code, ran.out) == (0, mrl("compute", tmp_path / "groups.parquet", "--raw").out), ran.err
    assert max(s3.seen.values()) > 2


ENDS = {
    "503": "the store answered 503 after 1 seconds of trying",
    "cut": "the connection was cut after 1 seconds of trying",
    "reset": "the connection was cut after 1 seconds of trying",
    "stall": "timed out after 1 seconds of trying",
    "403": "the store forbids it",
    "404": "it vanished while it was read",
    "412": "it changed while it was read",
    "416": "it changed while it was read",
    "400": "the store answered 400",
}


@pytest.mark.parametrize(("action", "key"), crossed(ENDS, ["pairs.csv", "groups.parquet"]))
def test_faults_that_stay_are_one_line(
    key: str, action: str, s3: Proxy, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(stores.SECONDS_VARIABLE, "1")
    s3.faults = [Fault("GET .*bytes=", action, 1)]
    ran = mrl("compute", f"s3://data/{key}")
    host = s3.url.removeprefix("http://")
    assert (ran.code, ran.out) == (4, "")
    said = ran.err.splitlines()[0]
    assert said in {f"error: cannot read s3://data/{key}{at}: {ENDS[action]}" for at in ("", f" ({host})")}
    assert len(ran.err.splitlines()) <= 2
    assert "SECRET" not in ran.err


def _retag(web: Files, tag: str, line: str) -> None:
    if "bytes=65536" in line:
        web.tags["/pairs.csv"] = tag


def test_object_that_changes_between_two_ranges_is_named(web: Files, mrl: Mrl) -> None:
    for tag in ('"new"', 'W/"new"'):  # a weak tag is not matched by the server, but compared here
        web.tags["/pairs.csv"] = tag.replace("new", "old")
        with proxy_before(web.url) as proxy:
            proxy.before = partial(_retag, web, tag)
            ran = mrl("compute", f"{proxy.url}/pairs.csv")
        assert ran.code == 4
        assert "/pairs.csv: it changed while it was read\nhint: run again once it is written" in ran.err
        _forget()


def test_wrong_range_is_refused(web: Files, mrl: Mrl) -> None:
    body = _objects()["pairs.tsv"]
    web.pages["/pairs.tsv"] = 206, body, {"Content-Range": f"bytes 1-{len(body)}/{len(body)}"}
    mrl("compute", f"{web.url}/pairs.tsv").must_fail(4, "/pairs.tsv: the server sent another range than was asked for")


def test_server_that_stops_sending_ranges_is_an_error(web: Files, mrl: Mrl) -> None:
    for key in ("pairs.csv", "groups.parquet"):
        web.sends_ranges = True
        place = remote.opened(f"{web.url}/{key}")
        place.probe()
        web.sends_ranges = False
        with pytest.raises(MrlError, match=f"/{key}: the server sends no ranges"), place.seekable() as file:
            file.read()


def test_server_that_knows_neither_head_nor_ranges_is_read_as_a_stream(web: Files, mrl: Mrl) -> None:
    web.sends_ranges = web.has_head = False
    assert mrl("compute", f"{web.url}/pairs.tsv").code == 0


def test_host_that_is_not_there_is_one_line(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stores.SECONDS_VARIABLE, "1")
    ran = mrl("compute", "http://me:SECRET@127.0.0.1:9/p.csv?SECRET=1")
    assert ran.code == 4
    assert ran.err.startswith("error: cannot read http://127.0.0.1:9/p.csv: its host cannot be reached\nhint: check")
    assert "SECRET" not in ran.err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("s3://data/pairs.cvs", "did you mean s3://data/pairs.csv?"),
        ("s3://nobucket/p.csv", "no such object: s3://nobucket/p.csv"),
        ("s3://nobucket/", "no such object: s3://nobucket/"),
        ("s3://data/no*.csv", "no object matches s3://data/no*.csv"),
        ("s3://data/below/_", "no such object"),
        ("s3:///p.csv", "names no bucket"),
        ("s3://*/p.csv", "the name of a bucket is no glob"),
        ("https://example.org/*.csv", "name each file, or write a * of a name as %2A"),
        ("ftp://example.org/p.csv", "mrl reads s3://, gs://, az://, https:// and hf:// URLs"),
        (
            "hf://datasets/owner",
            "for example hf://datasets/OWNER/NAME/data/x.csv, or hf://datasets/OWNER/NAME@REVISION/...",
        ),
        (
            "az://container/p.csv",
            "set AZURE_STORAGE_ACCOUNT_NAME, or write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/...",
        ),
    ],
)
def test_names_of_nothing_are_usage_errors(name: str, message: str, s3: Proxy, mrl: Mrl) -> None:
    mrl("compute", name).must_fail(2, message)


def test_no_seconds_are_a_usage_error(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stores.SECONDS_VARIABLE, "soon")
    mrl("compute", "s3://data/p.csv").must_fail(2, "MRL_STORE_SECONDS is 'soon', not a number of seconds")


# Names.


def test_names_with_every_sign_are_read(s3: Proxy, web: Files, mrl: Mrl) -> None:
    assert mrl("compute", "s3://data/a b+c%20ü.csv").code == 0
    web.files["/a%20b+c%2520%C3%BC.csv"] = _objects()["a b+c%20ü.csv"]
    assert mrl("compute", f"{web.url}/a%20b+c%2520%C3%BC.csv").code == 0


def test_secrets_of_urls_are_used_and_not_printed(web: Files, mrl: Mrl, tmp_path: Path) -> None:
    web.headers = {"Authorization": "Basic bWU6U0VDUkVUIQ=="}  # me:SECRET!
    web.has_head = False  # a signature may be for GET alone
    url = web.url.replace("http://", "http://me:SECRET%21@") + "/quoted.csv?sig=SECRET%2B1"
    for args in (["compute", "-f", "json", "--by-file"], ["check", "-f", "json"], ["compute", "--x1", "z"]):
        ran = mrl(*args[:1], url, *args[1:])
        assert ran.code == (2 if "z" in args else 0), ran.err
        assert f"{web.url}/quoted.csv" in ran.out + ran.err
        assert "SECRET" not in ran.out + ran.err
    assert {asked.path for asked in web.asked} == {"/quoted.csv?sig=SECRET%2B1"}


def test_object_pickles_to_url_size_and_tag(s3: Proxy) -> None:
    place = remote.opened("s3://data/pairs.csv")
    place.first(10)
    copy = pickle.loads(pickle.dumps(place))
    assert copy == place
    assert copy.__reduce__() == (Remote, ("s3://data/pairs.csv", len(_objects()["pairs.csv"]), place.tag))
    assert b"SECRET" not in pickle.dumps(place)
    assert copy.read(5, 20) == _objects()["pairs.csv"][5:25]
    with pytest.raises(MrlError, match="changed while it was read"):
        Remote(place.url, place.size_bytes, '"other"').read(0, 9)


def test_files_of_the_hub_are_listed_and_read(web: Files, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    monkeypatch.setenv("HF_TOKEN", "SECRET")
    web.headers = {"Authorization": "Bearer SECRET"}
    base, tree = "/datasets/o/n/resolve/v1", "/api/datasets/o/n/tree/v1/data?recursive="
    web.files = {f"{base}/data/{name}": b"x1,x2,y\n1,3,1\n" for name in ("a.csv", "b.csv", "c.txt")}
    entry = '{{"type": "file", "path": "data/{}"}}'.format
    for deep in ("true", "false"):
        following = {"Link": f'<{web.url}/page2>; rel="next"'}
        web.pages[f"{tree}{deep}"] = (
            200,
            f'[{entry("a.csv")}, {{"type": "directory", "path": "x"}}]'.encode(),
            following,
        )
    web.pages["/page2"] = 200, f"[{entry('b.csv')}, {entry('c.txt')}]".encode(), {}
    ran = mrl("compute", "hf://datasets/o/n@v1/data/a.csv", "--raw")
    assert (ran.code, ran.out) == (0, "2.0\n"), ran.err
    for name in ("hf://datasets/o/n@v1/data", "hf://datasets/o/n@v1/data/*.csv"):
        result = mrl("compute", name, "-f", "json").result
        assert result["inputs"] == [f"hf://datasets/o/n@v1/data/{x}.csv" for x in "ab"]
    monkeypatch.setenv("HF_TOKEN", "wrong")
    _forget()
    mrl("compute", "hf://datasets/o/n@v1/data/a.csv").must_fail(
        4, "the server forbids it\nhint: a token comes from HF_TOKEN"
    )


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("*.csv", ["a.csv"], ["b/a.csv", ".a.csv", "a.csvx"]),
        ("[!a-b]?.csv", ["cx.csv"], ["ax.csv", "c.csv", "c/.csv"]),
        ("**/x.csv", ["x.csv", "a/b/x.csv"], ["ax.csv", ".a/x.csv"]),
        ("a/**", ["a/b", "a/b/c.csv"], ["a", "b/a/c"]),
        ("a.c+", ["a.c+"], ["abc+", "a.cc"]),
    ],
)
def test_globs_match_as_those_of_files(pattern: str, matches: list[str], others: list[str]) -> None:
    regular = re.compile(listing._pattern(pattern))
    assert [name for name in [*matches, *others] if regular.fullmatch(name)] == matches


# Credentials.


def test_public_bucket_needs_no_credentials(s3: Proxy, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    for _ in range(2):
        assert mrl("compute", "s3://open/p.csv", "--raw").out == "2.0\n"
        monkeypatch.setitem(sys.modules, "boto3", None)  # then the store's client asks the machine, in vain
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
        _forget()
    mrl("compute", "s3://data/pairs.csv").must_fail(4, "the store forbids it\nhint: credentials come from")


def test_profile_is_read_by_boto3(s3: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mrl: Mrl) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    file.write_text("[mine]\naws_access_key_id = k\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert mrl("compute", "s3://data/pairs.tsv").code == 0
    monkeypatch.setenv("AWS_PROFILE", "other")
    _forget()
    ran = mrl("compute", "s3://data/pairs.tsv")
    assert ran.code == 4
    assert re.search(r"cannot get AWS credentials: .*other.*\nhint: check AWS_PROFILE and ~/.aws\n", ran.err)


def test_region_is_what_amazon_says(web: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "REGION_URL", web.url + "/{bucket}")
    web.pages["/there"] = 200, b"", {"x-amz-bucket-region": "eu-north-1"}
    assert stores._region_of("there") == "eu-north-1"
    assert stores._region_of("elsewhere") is None


# What is written.


def _written(s3: Proxy, key: str) -> bytes:
    place = remote.opened(f"s3://data/{key}")
    return place.read(0, place.size_bytes)


@pytest.mark.parametrize(
    "line",
    [
        "pairs.tsv -o {}/out.json",
        pytest.param("wide.csv --reduction none --keep-columns -o {}/out.jsonl", marks=pytest.mark.slow),
    ],
)
def test_results_are_written_into_a_bucket(line: str, s3: Proxy, mrl: Mrl, tmp_path: Path) -> None:
    _local(tmp_path, "pairs.tsv")
    (tmp_path / "wide.csv").write_text("x1,x2,y,note\n" + f"0.5,1,1,{'a' * 5000}\n" * 1100)
    words = _call(f"compute {line}", f"{tmp_path}/")
    assert mrl(*(word.format("s3://data/new") for word in words)) == mrl(*(word.format(tmp_path) for word in words))
    name = words[-1].removeprefix("{}/")
    here, there = (tmp_path / name).read_bytes(), _written(s3, f"new/{name}")
    assert there == here
    assert (len(here) > 5 << 20) is any(asked.method == "POST" for asked in s3.asked)  # in parts


def test_rejects_are_written_into_a_bucket_and_a_failed_run_writes_nothing(
    s3: Proxy, mrl: Mrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(stores.SECONDS_VARIABLE, "1")
    assert mrl("compute", "s3://data/bad.csv", "-o", "s3://data/failed.json").code == 3
    names = ["s3://data/bad.csv", "s3://data/pairs.tsv"]
    ran = mrl("compute", *names, "--on-error", "skip", "--rejects", "s3://data/rejects.csv")
    assert ran.code == 0
    assert b"s3://data/bad.csv" in _written(s3, "rejects.csv")
    s3.faults = [Fault("PUT", "503")]
    mrl("compute", "s3://data/pairs.tsv", "-o", "s3://data/failed.json").must_fail(
        4, "error: cannot write s3://data/failed.json", "the store answered 503 after 1 seconds of trying"
    )
    s3.faults = []
    with pytest.raises(MrlError, match="no such object"):
        remote.opened("s3://data/failed.json")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("pairs.csv -f csv", marks=pytest.mark.slow),
        pytest.param("groups.parquet -o {}/parts.parquet/", marks=pytest.mark.slow),
        "quoted.csv --keep-columns",
    ],
)
def test_parts_are_written_into_a_bucket(
    line: str, s3: Proxy, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "LEAST_SPAN_BYTES", 600_000)
    monkeypatch.setenv(stores.SECONDS_VARIABLE, "60")
    _local(tmp_path, *_objects())
    more = [] if "-o" in line else ["-o", "{}/parts/"]
    words = [*_call(f"compute {line}", f"{tmp_path}/"), *more, "--reduction", "none"]
    folder = words[words.index("-o") + 1].removeprefix("{}/").rstrip("/")
    assert mrl(*(word.format("s3://data") for word in words)) == mrl(*(word.format(tmp_path) for word in words))
    here = {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
    assert {name: _written(s3, f"{folder}/{name}") for name in here} == here
    assert set(listing.sizes_below(f"s3://data/{folder}/")) == set(here)
    assert len(here) > 2 or "quoted" in line
    if "--keep-columns" in line:
        for name in (f"s3://data/{folder}/", f"s3://data/{folder}/*"):
            assert mrl("compute", name, "--raw").out == mrl("compute", tmp_path / "quoted.csv", "--raw").out
    assert mrl(*(word.format("s3://data") for word in words)).err.startswith(f"error: -o s3://data/{folder}/: there is")
    remote.remove(f"s3://data/{folder}/", here)


@pytest.mark.slow
def test_failed_run_leaves_no_part_in_a_bucket(s3: Proxy, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LEAST_SPAN_BYTES", 600_000)
    monkeypatch.setenv(stores.SECONDS_VARIABLE, "60")
    words = ["--reduction", "none", "-f", "csv", "-o", "s3://data/parts/"]
    assert mrl("compute", "s3://data/pairs.csv", "s3://data/bad.csv", *words).code == 3
    assert listing.sizes_below("s3://data/parts/") == {}
    s3.faults = [Fault("PUT", "403")]
    ran = mrl("compute", "s3://data/pairs.csv", *words)
    assert re.match(r"error: cannot write s3://data/parts/ \([0-9.:]+\): the store forbids it\n", ran.err)
    s3.faults = [Fault("PUT .*part-00001", "403")]
    ran = mrl("compute", "s3://data/pairs.csv", *words)
    assert (ran.code, ran.err.partition(" (")[0]) == (4, "error: cannot write s3://data/parts/part-00001.csv")
    assert listing.sizes_below("s3://data/parts/") == {}
    s3.faults = [Fault("PUT .*part-00001", "403"), Fault("(DELETE|POST .*delete)", "403")]
    ran = mrl("compute", "s3://data/pairs.csv", *words)
    assert "; s3://data/parts/ has parts of a run that failed, and no _mrl_manifest.json\n" in ran.err
    s3.faults = []
    assert mrl("compute", "s3://data/parts/").err.startswith("error: s3://data/parts is not whole: mrl writes there")
    remote.remove("s3://data/parts/", listing.sizes_below("s3://data/parts/"))


@pytest.mark.parametrize("name", ["https://example.org/out.json", "s3://data", "s3://data/pairs.tsv", "ftp://a/b.json"])
def test_urls_that_cannot_be_written_are_usage_errors(name: str, s3: Proxy, mrl: Mrl) -> None:
    ran = mrl("compute", "s3://data/pairs.tsv", "-o", name)
    assert (ran.code, ran.out) == (2, "")
    said = ("names no object in a bucket\nhint: for example -o s3://bucket/name.json", "is an input", "mrl reads s3://")
    assert any(text in ran.err for text in said)


def test_bucket_to_write_to_that_is_not_there_is_the_machines_error(s3: Proxy, mrl: Mrl) -> None:
    ran = mrl("compute", "s3://data/pairs.tsv", "-o", "s3://nobucket/out.json")
    assert (ran.code, ran.out) == (4, "")
    assert re.match(r"error: cannot write s3://nobucket/out.json \([0-9.:]+\): no such bucket\n", ran.err)


# What is loaded.


def test_extra_that_is_not_installed_is_named(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    for name in ("s3://data/p.csv", "https://example.org/p.csv", "hf://datasets/o/n/p.csv", "gs://b/", "s3://b/*.csv"):
        error = f"error: cannot read {name}: URLs need the extra `remote`\nhint: pip install 'obstore>=0.12'\n"
        assert mrl("compute", name) == Ran(2, "", error)


def test_check_lists_what_a_url_would_read(mrl: Mrl, s3: Proxy) -> None:
    entries = mrl("check", "s3://data/below/", "-f", "json").result["inputs"]
    listed = {name: size for entry in entries for name, size in zip(entry["files"], entry["bytes"], strict=True)}
    below = ("below/model=m/part-0.csv", "below/model=n/part-1.csv.gz")
    assert listed == {f"s3://data/{name}": len(_objects()[name]) for name in below}
