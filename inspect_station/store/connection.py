"""What readers and writers ask of a database, and how SQLite answers it; `postgres` answers the same otherwise.

Statements are written once, as SQLite understands them; what the two databases cannot say in one way is a member here.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol


class Row(Protocol):
    """A row of an answer, by the names of its columns or by their numbers."""

    def keys(self) -> list[str]: ...

    def __getitem__(self, key: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


class Answer(Protocol):
    """What a statement comes to."""

    @property
    def rowcount(self) -> int: ...

    def fetchall(self) -> list[Any]: ...

    def fetchone(self) -> Any: ...


class Taken(sqlite3.IntegrityError):
    """A row that was to be put in is there already."""


class Connection(Protocol):
    """A connection inside one transaction. A constraint that is violated raises sqlite3.IntegrityError on both."""

    next_change: str
    """The number of the next change of the feed, as an expression."""
    transaction: str
    """The number of this transaction, as an expression: what commits later may have a smaller one."""
    horizon: str
    """Every transaction below this number has ended, as an expression."""

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Answer: ...

    def executemany(self, sql: str, rows: Iterable[Sequence[object]], /) -> object: ...

    def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Put in those rows that are not there yet; how many. All name the same columns, in one order."""

    def add(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Put in all these rows, of which none is there yet. All name the same columns, in one order. Raises Taken."""

    def records(self, table: str, names: Iterable[str]) -> str:
        """A subquery: the rows of a JSON array, its one parameter, with these columns of a table."""

    def searched(self, table: str, signs: Sequence[str], newest: int) -> tuple[str, tuple[str, ...]]:
        """A subquery with its parameters: the ``candidate`` rows that may hold all these runs of three signs, the
        newest first; without any, the ``newest`` ones."""

    def hold(self, keys: Iterable[str]) -> None:
        """Until the end of the transaction, nobody else comes past here with any of these keys."""


class Sqlite(sqlite3.Connection):
    """SQLite, where whoever writes is alone."""

    next_change = "(SELECT coalesce(max(seq), 0) + 1 FROM hub_change)"
    transaction = "0"
    horizon = "1"

    def __init__(self, *how: Any, **named: Any) -> None:
        super().__init__(*how, **named)
        self.row_factory = sqlite3.Row

    def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> int:
        names = tuple(rows[0])
        sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) ON CONFLICT DO NOTHING"
        return self.executemany(sql, [tuple(row.values()) for row in rows]).rowcount

    def add(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        if self.insert(table, rows) != len(rows):
            raise Taken(table)

    def records(self, table: str, names: Iterable[str]) -> str:
        columns = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in names)
        return f"(SELECT {columns} FROM json_each(?))"

    def searched(self, table: str, signs: Sequence[str], newest: int) -> tuple[str, tuple[str, ...]]:
        those, match = table, []
        if signs:
            those, match = f"{table}_find WHERE {table}_find MATCH ?", [" AND ".join(map(_quoted, signs))]
        return f"SELECT rowid AS candidate FROM {those} ORDER BY rowid DESC LIMIT {newest}", tuple(match)

    def hold(self, keys: Iterable[str]) -> None:
        """Nothing to do."""


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
