"""
Reading the lines of Workers AI's streams, however they are cut up.

Each frame is one line of data. Lines end in LF or CRLF, some lack the space after the colon, and
some streams end in a bare `[DONE]`. Everything else is ignored: comments, other fields, empty
lines.
Source: the reader of Cloudflare's own provider, workers-ai-provider.
"""

DONE = b"[DONE]"


class Lines:
    """Puts the data of a stream together. A character cut in two is never looked at."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """
        Take some bytes.

        Returns:
            The data of each frame that they complete.
        """
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        return _data(lines)

    def close(self) -> list[bytes]:
        """Take what follows the last end of a line."""
        line, self._rest = self._rest, b""
        return _data([line])


_STARTS = (b"data:", DONE)


def _data(lines: list[bytes]) -> list[bytes]:
    found = [line.removeprefix(b"data:").strip() for line in lines if line.startswith(_STARTS)]
    return [data for data in found if data]
