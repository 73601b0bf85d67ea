"""A page in Chromium of which everything is seen that it should not do."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from tests.harness.chromium import find_chromium
from tools import prepare

# At the end: what .venv has too comes from there, in the same version.
sys.path.append(str(prepare.PLAYWRIGHT))
if importlib.util.find_spec("playwright") is None:
    pytest.skip("needs Playwright, which make test-browser installs", allow_module_level=True)

from playwright.sync_api import Browser as Browser
from playwright.sync_api import ConsoleMessage, Request, sync_playwright
from playwright.sync_api import Locator as Locator
from playwright.sync_api import Page as Page
from playwright.sync_api import Response as Response
from playwright.sync_api import Route as Route
from playwright.sync_api import expect as expect

_CHROMIUM = find_chromium()
needs_chromium = pytest.mark.skipif(
    _CHROMIUM is None, reason="needs Chromium: a chromium or google-chrome on the PATH"
)

# It asks the network for nothing of its own.
_ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
_REFUSING = ("/run",)  # where tests are refused on purpose; Chromium notes that as an error
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
  violations.push(`${effectiveDirective} ${blockedURI}`));
"""


@dataclass(frozen=True)
class Watched:
    """
    A page.

    Attributes:
        complaints: Errors and warnings of its console, and what it threw.
        origins: Of all that it asked for.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    origins: set[str] = field(default_factory=set)

    def check(self, address: str) -> None:
        """Check that it asked its own origin alone, broke no rule and complained of nothing."""
        assert self.page.evaluate("violations") == []
        assert self.complaints == []
        assert self.origins <= {address, "data:"}

    def hear(self, message: ConsoleMessage) -> None:
        """Take note of what the console shows."""
        path = urlsplit(message.location["url"]).path
        is_refusal = message.text.startswith("Failed to load resource") and path in _REFUSING
        if message.type in ("error", "warning") and not is_refusal:
            self.complaints.append(message.text)

    def see(self, request: Request) -> None:
        """Take note of what is asked for."""
        url = urlsplit(request.url)
        self.origins.add("data:" if url.scheme == "data" else f"{url.scheme}://{url.netloc}")


@contextmanager
def launch() -> Iterator[Browser]:
    """Run Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def watch(browser: Browser, **options: object) -> Iterator[Watched]:
    """Open a page with nothing in it yet; options are those of a context."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.add_init_script(_WATCH)
    watched = Watched(page)
    page.on("console", lambda message: watched.hear(message))
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    context.on("request", lambda request: watched.see(request))
    yield watched
    context.close()
