"""
Server-sent events, from bytes that are cut anywhere.

Source: html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6
"""

import codecs
import re
from dataclasses import dataclass

_END_OF_LINE = re.compile(r"\r\n|\n|\r")
_MILLISECONDS = re.compile(r"[0-9]{1,18}")
_BARE_DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Event:
    """
    An event.

    Attributes:
        data: Its lines, joined by line feeds.
        type: `message` unless the stream says another.
        id: The last one that the stream told until then.
    """

    data: str
    type: str = "message"
    id: str = ""


class EventReader:
    """
    Puts the events of a stream together.

    Attributes:
        retry_ms: Milliseconds after which the stream asks to be opened again; None when it does
            not ask. Nobody here obeys it: an answer that was opened again would be another one.
    """

    def __init__(self) -> None:
        self.retry_ms: int | None = None
        # It takes one byte order mark away, and puts a sign where there is no character.
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._rest = ""
        self._is_after_cr = False
        self._data: list[str] = []
        self._type = ""
        self._id = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """
        Take some bytes.

        Returns:
            The events that they complete.
        """
        return self._take(self._decoder.decode(chunk))

    def close(self) -> Event | None:
        """
        Take the end of the stream.

        Returns:
            The event that it left without its empty line, if there is one. By the standard it is
            thrown away: that is for the caller to decide.
        """
        line = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        if line:
            self._read(line)
        return self._dispatch()

    def _take(self, text: str) -> list[Event]:
        if not text:
            return []
        if self._is_after_cr:  # its end of a line was taken at once, without waiting for an LF
            text = text.removeprefix("\n")
        self._is_after_cr = text.endswith("\r")
        *lines, self._rest = _END_OF_LINE.split(self._rest + text)
        events = []
        for line in lines:
            if line:
                self._read(line)
            elif (event := self._dispatch()) is not None:
                events.append(event)
        return events

    def _read(self, line: str) -> None:
        """Take a line that is not empty. A comment is a field without a name."""
        if line == _BARE_DONE:  # not of the standard: so some models end
            self._data.append(line)
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._type = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if _MILLISECONDS.fullmatch(value):
                self.retry_ms = int(value)

    def _dispatch(self) -> Event | None:
        data, self._data = self._data, []
        kind, self._type = self._type, ""
        return Event("\n".join(data), kind or "message", self._id) if data else None
