"""What SQLite is asked, counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING
from unittest.mock import patch

from flowrunner.store import database

if TYPE_CHECKING:
    import sqlite3


class Statements(list[str]):
    """Every statement of the connections that were opened meanwhile, triggers left out."""

    @property
    def commits(self) -> int:
        """Transactions that were made durable."""
        return self.count("COMMIT")

    def in_order(self, *beginnings: str) -> list[str]:
        """Those that begin so, each by its beginning; one that sets off triggers is told again for each of them."""
        once = [sql for sql, _ in groupby(self)]
        return [begins for sql in once for begins in beginnings if sql.startswith(begins)]

    def beginning(self, word: str) -> int:
        return sum(one.lstrip().startswith(word) for one in self)


@contextmanager
def counted() -> Iterator[Statements]:
    """Of all connections that are opened from now on."""
    found = Statements()
    real = database._connected

    def connected(uri: str) -> "sqlite3.Connection":
        connection = real(uri)
        connection.set_trace_callback(lambda sql: None if sql.startswith("--") else found.append(sql))
        return connection

    with patch.object(database, "_connected", connected):
        yield found
