from typing_extensions import Buffer  # known to type checkers for every version of Python

VERSION: int

def read(
    data: Buffer, delimiter: str, decimal: str, columns: tuple[Buffer | None, ...], /
) -> tuple[int, int, int, int, bool]: ...
def write(pieces: tuple[Buffer | tuple[Buffer, Buffer], ...], out: Buffer, /) -> int: ...
