"""One request over urllib: no redirects, no second try, and the key for one address alone."""

import http.client
import ipaddress
import re
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from .browser import enter_browser, mend
from .errors import ConnectionFailed
from .version import VERSION

# What a header can hold, and an address: no spaces, nothing beyond ASCII.
_VISIBLE = re.compile(r"[!-~]+")
_CHUNK_BYTES = 65_536
_LONGEST_TIMEOUT_S = 86_400  # sockets can wait for 2 ** 31 ms, and not much longer


class Transport:
    """Sends requests to one Worker."""

    def __init__(self, base_url: str, key: str | None, timeout: float | None) -> None:
        """
        Args:
            timeout: Seconds that may pass without a byte, at most a day; None for any number.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument cannot be used.
            EdgewiseError: This is a page, and lacks what urllib needs there.
        """
        host, self.base_url = _read_base_url(base_url)
        self._headers = {"User-Agent": f"edgewise-client/{VERSION}"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {_read_key(key)}"
        self._timeout = _read_timeout(timeout)
        in_browser = enter_browser()
        self._is_in_browser = in_browser is not None
        self.failures = in_browser or (OSError, http.client.HTTPException)
        # Bare: nothing in it follows a redirect, which would take the key along.
        self._opener = urllib.request.OpenerDirector()
        if not self._is_in_browser:
            is_loopback = _is_loopback(host)
            self._opener.add_handler(urllib.request.ProxyHandler({} if is_loopback else None))
            self._opener.add_handler(urllib.request.HTTPHandler())
            if not (is_loopback and base_url.startswith("http:")):  # 20 ms, for all certificates
                import ssl  # Pyodide has it apart, and a page needs none

                context = ssl.create_default_context()
                self._opener.add_handler(urllib.request.HTTPSHandler(context=context))

    def send(self, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        """
        Send a request: POST with a body, GET without.

        Returns:
            The answer, whatever its status; it is to be closed.

        Raises:
            ConnectionFailed: None came.
        """
        headers = {**self._headers, **({"Content-Type": "application/json"} if body else {})}
        request = urllib.request.Request(self.base_url + path, body, headers)
        try:
            response = self._opener.open(request, timeout=self._timeout)
        except self.failures as error:
            raise ConnectionFailed(
                f"{self.base_url} does not answer: {self.word(error)}"
            ) from error
        assert isinstance(response, http.client.HTTPResponse)
        if self._is_in_browser:
            mend(response)
        return response

    def read(self, response: http.client.HTTPResponse, size: int | None = None) -> bytes:
        """
        Read a whole body, or so many bytes of it.

        Raises:
            ConnectionFailed: It broke off.
        """
        try:
            with response:
                return response.read(size)
        except self.failures as error:
            raise ConnectionFailed(f"the answer broke off: {self.word(error)}") from error

    def read_some(self, response: http.client.HTTPResponse) -> bytes:
        """
        Read what of a body has come, or wait for more.

        Returns:
            Nothing at its end.

        Raises:
            Exception: One of `failures`: it broke off.
        """
        return response.read1(_CHUNK_BYTES)

    def word(self, error: Exception) -> str:
        """Say what went wrong. Nothing that urllib says holds a header."""
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError) and reason.errno is None:  # ours, not the system's
            return f"nothing came within {self._timeout:g} s"
        if isinstance(reason, http.client.IncompleteRead):
            return "the connection ended in the middle"
        return str(reason) or type(reason).__name__


def _read_base_url(base_url: str) -> tuple[str, str]:
    """
    Read the address of a Worker.

    Returns:
        Its host, and the address without a slash at its end.
    """
    if not isinstance(base_url, str):
        raise TypeError(f"base_url: expected a str, got {type(base_url).__name__}")
    expected = "base_url: expected an address such as https://edgewise.example.com"
    if not _VISIBLE.fullmatch(base_url):
        raise ValueError(f"{expected}, of visible ASCII characters only")
    try:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        host.encode("idna")
        is_port = parts.port != 0
    except ValueError as error:
        raise ValueError(f"{expected}: {error}") from error
    if parts.username is not None or parts.password is not None:  # may be a secret: not repeated
        raise ValueError("base_url: expected no user and no password; a key is an argument")
    if parts.scheme not in ("http", "https") or not host or not is_port:
        raise ValueError(f"{expected}, got {base_url}")
    if "?" in base_url or "#" in base_url:
        raise ValueError("base_url: expected neither a query nor a fragment")
    return host, base_url.rstrip("/")


def _read_key(key: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"key: expected a str, got {type(key).__name__}")
    if not _VISIBLE.fullmatch(key):
        raise ValueError("key: expected visible ASCII characters only, and at least one")
    return key


def _read_timeout(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout: expected a number of seconds, got {type(timeout).__name__}")
    if not timeout > 0:
        raise ValueError(f"timeout: expected more than 0 seconds, got {timeout}")
    if timeout > _LONGEST_TIMEOUT_S:
        expected = f"at most {_LONGEST_TIMEOUT_S} seconds, or None"
        raise ValueError(f"timeout: expected {expected}, got {timeout}")
    return float(timeout)


def _is_loopback(host: str) -> bool:
    """Check whether a host is this machine, where no proxy leads."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
