"""Answers that are in memory already, on their way into the store like any download."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tasks.adapters.fetch.protocol import Listed, Query


class Answers:
    """Fetcher of what was received before, by file name."""

    def __init__(self, source_id: str, host: str, contents: Mapping[str, bytes]) -> None:
        self.source_ids: tuple[str, ...] = (source_id,)
        self.host = host
        self.tells_changes = False
        self._contents = contents

    def listed(self, query: Query) -> Iterator[Listed]:
        """Nothing: who holds the answers knows what they are."""
        yield from ()

    @contextmanager
    def open(self, listed: Listed, offset: int = 0) -> Iterator[AnswerBody]:
        yield AnswerBody(self._contents[listed.name], offset)


class AnswerBody:
    """The content of an answer (a :class:`~tasks.adapters.fetch.protocol.Body`)."""

    def __init__(self, content: bytes, offset: int) -> None:
        self.offset = offset if offset <= len(content) else 0
        self.size: int | None = len(content)
        self._content = content

    def blocks(self) -> Iterator[bytes]:
        """The content in one piece."""
        yield self._content[self.offset:]
