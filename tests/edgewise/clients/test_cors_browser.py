"""fetch() in Chromium, from pages of other origins: one that is allowed, and one that is not."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.harness.conversation import FAST, TEXT
from tests.harness.credentials import API_KEYS, KEY
from tests.harness.deployments import Deployment, deploy_alone
from tests.harness.servers import serve_app
from tests.harness.watched import Browser, Page, needs_chromium
from workers_ai_local import Reply

pytestmark = [needs_chromium, pytest.mark.thorough]

# What a page may know of an answer; nothing but that it failed, where it may not.
ASK = """
async ([url, headers, body]) => {
  try {
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    const pieces = [];
    const decoder = new TextDecoder();
    for await (const piece of response.body) {
      pieces.push(decoder.decode(piece, { stream: true }));
    }
    return {
      status: response.status,
      id: response.headers.get("x-request-id"),
      retry: response.headers.get("x-should-retry"),
      timing: response.headers.get("server-timing"),
      nosniff: response.headers.get("x-content-type-options"),
      text: pieces.join(""),
      pieces: pieces.length,
    };
  } catch (error) {
    return { failed: error.name };
  }
}
"""
CHAT = {"model": FAST, "messages": [{"role": "user", "content": "Hello"}]}
# As openai for browsers sends them.
HEADERS = {
    "authorization": f"Bearer {KEY}",
    "content-type": "application/json",
    "x-stainless-arch": "unknown",
    "x-stainless-lang": "js",
    "x-stainless-os": "Unknown",
    "x-stainless-package-version": "6.9.1",
    "x-stainless-retry-count": "0",
    "x-stainless-runtime": "browser:chrome",
    "x-stainless-runtime-version": "140.0.0",
    "x-stainless-timeout": "600",
}


@dataclass(frozen=True)
class Web:
    """
    The Worker, and pages that would like to use it.

    Attributes:
        friend: A page in the Worker's list of origins.
        stranger: One that is not.
    """

    worker: Deployment
    friend: Page
    stranger: Page


def blank(_request: Request) -> HTMLResponse:
    """A page with nothing on it."""
    return HTMLResponse("<!doctype html><title>A page</title>")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Web]:
    """Two pages that differ in their port alone, and the Worker at another one."""
    with ExitStack() as stack:
        sites = [
            stack.enter_context(serve_app(Starlette(routes=[Route("/", blank)]))) for _ in range(2)
        ]
        settings = {"API_KEYS": API_KEYS, "ALLOW_ANONYMOUS": "false", "ALLOWED_ORIGINS": sites[0]}
        worker = stack.enter_context(deploy_alone(tmp_path_factory.mktemp("web"), settings))
        pages = [chromium.new_page() for _ in sites]
        for page, site in zip(pages, sites, strict=True):
            page.goto(site)
        yield Web(worker, *pages)
        for page in pages:
            page.close()


def test_page_of_an_allowed_origin_reads_the_answer_and_its_id(web: Web) -> None:
    web.worker.ai.reset()
    web.worker.ai.script(Reply(text=TEXT), model=FAST)

    found = web.friend.evaluate(ASK, [f"{web.worker.address}/v1/chat/completions", HEADERS, CHAT])

    assert found["status"] == 200
    assert "Grüezi!" in found["text"]
    assert web.worker.record(found["id"])["caller"] == "shop"
    assert "model;dur=" in found["timing"]
    assert found["nosniff"] is None, "it is not told to pages"


def test_page_of_an_allowed_origin_reads_a_stream_as_it_comes(web: Web) -> None:
    web.worker.ai.reset()
    web.worker.ai.script(Reply(text="one two three four", tokens_per_second=10), model=FAST)
    body = CHAT | {"stream": True}

    found = web.friend.evaluate(ASK, [f"{web.worker.address}/v1/chat/completions", HEADERS, body])

    assert found["text"].endswith("data: [DONE]\n\n")
    assert found["pieces"] > 2


def test_page_of_an_allowed_origin_reads_why_it_is_refused(web: Web) -> None:
    headers = HEADERS | {"authorization": "Bearer a-key-of-somebody-else"}

    found = web.friend.evaluate(ASK, [f"{web.worker.address}/run", headers, CHAT])

    assert (found["status"], found["retry"]) == (401, "false")
    assert '"code":"unauthorized"' in found["text"]


@pytest.mark.parametrize("headers", [HEADERS, {"content-type": "text/plain"}, {}])
def test_page_of_another_origin_reads_nothing_and_spends_nothing(
    web: Web, headers: dict[str, str]
) -> None:
    web.worker.ai.reset()

    found = web.stranger.evaluate(ASK, [f"{web.worker.address}/run", headers, CHAT])

    assert found == {"failed": "TypeError"}
    assert not web.worker.ai.received
