"""
A page in the browser, where Pyodide runs Python: no sockets, but XMLHttpRequest.

The package pyodide-http makes urllib use it. What cannot be helped there: an answer arrives when it
is whole, a stream too; there is no timeout; the browser follows redirects by itself.
"""

import http.client
import sys

from .errors import EdgewiseError

Failures = tuple[type[Exception], ...]
_FAILURES: Failures = (OSError, http.client.HTTPException)


def enter_browser() -> Failures | None:
    """
    Make urllib work where this is a page.

    Returns:
        What urllib raises there when no answer comes; None where this is not a page.

    Raises:
        EdgewiseError: The package for it is not installed.
    """
    if sys.platform != "emscripten":
        return None
    return _enter()


def _enter() -> Failures | None:
    import js  # noqa: TID251  # the browser's side of Pyodide

    if not hasattr(js, "XMLHttpRequest"):  # Node or a Worker, which have sockets
        return None
    from pyodide.ffi import JsException  # noqa: TID251  # likewise

    try:
        import pyodide_http  # type: ignore[import-not-found]  # installed in pages alone
    except ImportError as error:
        raise EdgewiseError(
            "in a page urllib needs the package pyodide-http:"
            " install edgewise-client[browser], or pyodide-http beside it"
        ) from error
    pyodide_http.patch_urllib()
    return (*_FAILURES, JsException)


def mend(response: http.client.HTTPResponse) -> None:
    """
    Have a response read as what it is there: whole, and put together again.

    It may still say that it comes in chunks, as over HTTP/1.1.

    Source: github.com/koenvo/pyodide-http/issues/45
    """
    response.chunked = False
    response.length = None
