"""Who sees every answer and every line of a log, and remembers nothing but what nobody may read."""

import json
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import h11

# Is in every text and in every name that is not to be told; no answer may hold it.
CANARY = "c4n4ry"

_LONGEST_HEAD_BYTES = 1_048_576
_OF_WRANGLER = "[wrangler:"  # its own line for each request, with the path


class Witness:
    """
    Looks for texts where they are not to be read.

    Attributes:
        answers: How many it saw.
        answered_bytes: Of their bodies.
        lines: How many lines of the log it saw.
        records: How many of them were JSON.
        disclosures: What was found where, and in which test; the text itself is not repeated.
    """

    def __init__(self, secrets: Iterable[str], prompts: Iterable[str]) -> None:
        """
        Args:
            secrets: What may appear nowhere at all.
            prompts: What may appear in a model's own words alone, the body of a good answer.
        """
        self.secrets: Final = [secret.encode() for secret in secrets]
        self.secrets_and_prompts: Final = [*self.secrets, *(prompt.encode() for prompt in prompts)]
        self.answers = 0
        self.answered_bytes = 0
        self.lines = 0
        self.records = 0
        self.disclosures: list[str] = []

    def watch(self) -> "Connection":
        """Look at a connection, as relay's Watcher."""
        return Connection(self)

    def read_line(self, line: str) -> None:
        """Look at a line of the log."""
        self.lines += 1
        texts = self.secrets if line.startswith(_OF_WRANGLER) else self.secrets_and_prompts
        self.search(line.encode(), texts, "a line of the log")
        if line.startswith("{"):
            self.records += 1
            try:
                json.loads(line)
            except ValueError:
                self.tell("a line of the log is no JSON")

    def search(self, document: bytes, texts: Sequence[bytes], place: str) -> None:
        """Look for texts."""
        for text in texts:
            if text in document:
                self.tell(f"text {self.secrets_and_prompts.index(text)} in {place}")

    def tell(self, disclosure: str) -> None:
        """Remember what was seen."""
        self.disclosures.append(f"{disclosure}, {os.environ.get('PYTEST_CURRENT_TEST')}")


class Connection:
    """Takes the answers of a connection apart as they pass."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._answer: _Answer | None = None

    def asked(self, data: bytes) -> None:
        """Take note of a request. No client of the tests sends the next before it is answered."""
        if self._answer is None:
            self._answer = _Answer(self._witness, is_head=data.startswith(b"HEAD "))

    def answered(self, data: bytes) -> None:
        """Look at what of an answer came."""
        if self._answer is None:
            self._answer = _Answer(self._witness, is_head=False)
        try:
            is_whole = self._answer.feed(data)
        except h11.RemoteProtocolError as error:
            self._witness.tell(f"an answer that is not HTTP: {error}")
            is_whole = True
        if is_whole:
            self._answer = None


class _Answer:
    def __init__(self, witness: Witness, *, is_head: bool) -> None:
        self._witness = witness
        # What is asked decides of an answer only whether it has a body.
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD_BYTES)
        method = "HEAD" if is_head else "GET"
        self._http.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        self._http.send(h11.EndOfMessage())
        self._unpack: Callable[[bytes], bytes] = bytes
        self._texts: Sequence[bytes] = ()
        self._place = ""
        self._tail = b""  # of the body so far: a text may come in two pieces

    def feed(self, data: bytes) -> bool:
        """
        Look at a piece.

        Returns:
            Whether it was the last.

        Raises:
            h11.RemoteProtocolError: It is not HTTP.
        """
        self._http.receive_data(data)
        while True:
            match self._http.next_event():
                case h11.InformationalResponse() | h11.Response() as head:
                    self._read_head(head)
                case h11.Data(data=body):
                    self._read_body(bytes(body))
                case h11.EndOfMessage():
                    return True
                case _:
                    return False

    def _read_head(self, head: h11.InformationalResponse | h11.Response) -> None:
        witness = self._witness
        place = f"an answer {head.status_code}"
        lines = b"\n".join(b": ".join(header) for header in head.headers)
        witness.search(lines, witness.secrets_and_prompts, f"the head of {place}")
        witness.answers += isinstance(head, h11.Response)
        is_good = 200 <= head.status_code < 300
        self._texts = witness.secrets if is_good else witness.secrets_and_prompts
        self._place = f"the body of {place}"
        encoding = dict(head.headers).get(b"content-encoding", b"identity")
        if encoding == b"gzip":
            self._unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress
        elif encoding != b"identity":
            witness.tell(f"{place} in {encoding.decode()}, which nobody reads here")

    def _read_body(self, piece: bytes) -> None:
        self._witness.answered_bytes += len(piece)
        if not self._texts:  # a model's own words, and no key to look for
            return
        body = self._tail + self._unpack(piece)
        self._witness.search(body, self._texts, self._place)
        longest = max(map(len, self._texts))
        self._tail = body[1 - longest :]
