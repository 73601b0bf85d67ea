"""
Reading the lines of Workers AI's streams, however they are cut up.

Each frame is one line of data. Lines end in LF or CRLF, some lack the space after the colon, and
some streams end in a bare `[DONE]`. All else is for nobody: comments, other fields, empty lines.
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
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return _data(lines)

    def close(self) -> list[bytes]:
        """Take what stands behind the last end of a line."""
        line, self._rest = self._rest, b""
        return _data([line])


def _data(lines: list[bytes]) -> list[bytes]:
    found = []
    for line in lines:
        if line.startswith(b"data:"):
            found.append(line[5:].strip())
        elif line.startswith(DONE):
            found.append(line.strip())
    return [data for data in found if data]
