"""The API reference at /docs, in Chromium, over the real Worker that lets in whoever has a key."""

import json
from collections.abc import Iterator

import pytest

from tests.harness.credentials import API_KEYS, KEY
from tests.harness.deployments import Deployment, deploy
from tests.harness.watched import Browser, Watched, needs_chromium, watch
from tools import prepare
from workers_ai_local import Reply

pytestmark = [needs_chromium, pytest.mark.thorough]
FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
HOSTILE = "<img src=x onerror=violations.push('ran')><script>violations.push('ran')</script>"
DARK = {"color_scheme": "dark"}
PHONE = {"viewport": {"width": 375, "height": 750}}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker that asks for keys."""
    settings = {"API_KEYS": API_KEYS, "ALLOW_ANONYMOUS": "false"}
    with deploy(tmp_path_factory.mktemp("reference"), settings) as worker:
        yield worker


@pytest.fixture
def reference(
    chromium: Browser, worker: Deployment, request: pytest.FixtureRequest
) -> Iterator[Watched]:
    """The page, opened; seen to break no rule until it is closed."""
    worker.ai.reset()
    with watch(chromium, **getattr(request, "param", {})) as watched:
        watched.page.goto(f"{worker.address}/docs")
        watched.page.locator(".opblock").first.wait_for()
        yield watched
        watched.check(worker.address)


def authorize(reference: Watched, key: str = KEY) -> None:
    """Type a key, as people do."""
    page = reference.page
    page.get_by_role("button", name="Authorize").click()
    page.locator(".modal-ux input").first.fill(key)
    page.get_by_role("button", name="Apply credentials").first.click()
    page.locator(".modal-ux").get_by_role("button", name="Close").last.click()


def try_run(reference: Watched, body: object) -> None:
    """Open POST /run, and send a body."""
    operation = reference.page.locator("[id$=-run]").first
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.locator("textarea").fill(json.dumps(body))
    operation.get_by_role("button", name="Execute").click()


def answered(reference: Watched) -> tuple[str, str]:
    """Read the status and the body of the answer that the page shows."""
    shown = reference.page.locator(".live-responses-table .response")
    shown.wait_for()
    status, body = shown.locator(".response-col_status"), shown.locator(".highlight-code pre")
    return status.inner_text().strip(), body.inner_text()


def test_page_is_served_without_python_and_with_rules_of_its_own(worker: Deployment) -> None:
    page = worker.client.get("/docs")
    script = worker.client.get("/docs/reference.js")
    last = worker.client.get("/health").headers["x-request-id"]

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.content == (prepare.ROOT / "public/docs.html").read_bytes()
    rules = page.headers["content-security-policy"]
    assert "default-src 'self'" in rules
    assert "unsafe" not in rules
    assert "trusted-types 'none'" in script.headers["content-security-policy"]
    assert worker.record(last)
    assert [record["id"] for record in worker.records()] == [last]


def test_files_of_the_set_up_are_not_served(worker: Deployment) -> None:
    for path in ("/docs/viewer/.edgewise-stamp", "/.assetsignore", "/_headers"):
        assert worker.client.get(path).status_code == 404


def test_every_path_and_method_of_the_description_is_shown(
    reference: Watched, worker: Deployment
) -> None:
    described = worker.client.get("/openapi.json").json()["paths"]
    methods = reference.page.locator(".opblock-summary-method").all_text_contents()
    paths = reference.page.locator(".opblock-summary-path").all_text_contents()
    shown = {
        (method, path.replace(_BREAK, "")) for method, path in zip(methods, paths, strict=True)
    }

    assert shown == {
        (method.upper(), path)
        for path, parts in described.items()
        for method in parts.keys() - {"parameters"}
    }
    assert reference.page.title() == "Edgewise API reference"


_BREAK = "\N{ZERO WIDTH SPACE}"  # where a long path may go on in the next line


@pytest.mark.parametrize(
    "reference", [{}, DARK, PHONE], ids=["light", "dark", "phone"], indirect=True
)
def test_page_opens_what_it_shows(reference: Watched) -> None:
    page = reference.page
    page.locator("[id$=-run] .opblock-summary-control").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.locator("section.models .json-schema-2020-12-accordion").last.click()

    page.locator(".opblock-body textarea").wait_for()
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert background == ("rgb(28, 32, 34)" if is_dark else "rgb(255, 255, 255)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_run_is_tried_with_a_key(reference: Watched, worker: Deployment) -> None:
    worker.ai.script(Reply(text="Hello from a script."), model=FAST)
    authorize(reference)

    try_run(reference, {"prompt": "Hello"})

    status, body = answered(reference)
    assert status == "200"
    assert json.loads(body)["response"] == "Hello from a script."


def test_stream_is_tried_with_a_key(reference: Watched, worker: Deployment) -> None:
    worker.ai.script(Reply(text="Hello from a script."), model=FAST)
    authorize(reference)

    try_run(reference, {"prompt": "Hello", "stream": True})

    status, body = answered(reference)
    assert status == "200"
    assert '"response":"Hello"' in body
    assert "data: [DONE]" in body


def test_markup_of_a_model_is_text(reference: Watched, worker: Deployment) -> None:
    worker.ai.script(Reply(text=HOSTILE), model=FAST)
    authorize(reference)

    try_run(reference, {"prompt": "Hello"})

    assert json.loads(answered(reference)[1])["response"] == HOSTILE


def test_key_is_forgotten_with_the_page(reference: Watched) -> None:
    authorize(reference)
    stored = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"

    assert reference.page.evaluate(stored) == '[{},{},""]'
