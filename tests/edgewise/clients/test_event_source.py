"""EventSource in Chromium: GET only, without headers, and it connects again when a stream ends."""

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.harness.conversation import FAST, TEXT, asked
from tests.harness.shared import Worker
from tests.harness.watched import Browser, Page, Response, needs_chromium
from workers_ai_local import Reply

pytestmark = needs_chromium

# Nobody closes the source: it closes itself when it is told not to connect again.
COLLECT = """
([url, patience]) => new Promise((resolve) => {
  const source = new EventSource(url);
  const found = { data: [], ids: [], states: [] };
  source.onmessage = ({ data, lastEventId }) => {
    found.data.push(data);
    found.ids.push(lastEventId);
  };
  source.onerror = () => {
    found.states.push(source.readyState);
    if (source.readyState === EventSource.CLOSED) {
      resolve(found);
    }
  };
  setTimeout(() => resolve(found), patience);
})
"""
PATIENCE_MS = 30_000
CONNECTING, CLOSED = 0, 2


@pytest.fixture
def page(chromium: Browser, worker: Worker) -> Iterator[Page]:
    """A page of the Worker's own."""
    page = chromium.new_page()
    page.goto(f"{worker.address}/health")
    yield page
    page.close()


def path(**query: object) -> str:
    """Where a prompt is answered, for this model alone."""
    return "/run?" + urlencode({"prompt": "Hello, Zürich & co?", "model": FAST} | query)


def text_of(data: list[str]) -> str:
    """The text that events make up."""
    return "".join(json.loads(each)["response"] for each in data)


def test_stream_is_whole_and_its_reconnect_asks_workers_ai_for_nothing(
    page: Page, worker: Worker
) -> None:
    worker.ai.script(Reply(text=TEXT), model=FAST)
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))

    found = page.evaluate(COLLECT, [path(), PATIENCE_MS])

    *data, done = found["data"]
    assert (text_of(data), done) == (TEXT, "[DONE]")
    assert found["states"] == [CONNECTING, CLOSED]
    assert [response.status for response in responses] == [200, 204]
    [event_id] = set(found["ids"])
    assert event_id
    assert responses[1].request.all_headers()["last-event-id"] == event_id
    assert [inputs["prompt"] for inputs in asked(worker)] == ["Hello, Zürich & co?"]


@pytest.mark.thorough
def test_stream_that_breaks_is_not_asked_for_again(page: Page, worker: Worker) -> None:
    worker.ai.script(Reply(text=TEXT, break_after=3), model=FAST)

    found = page.evaluate(COLLECT, [path(), PATIENCE_MS])

    assert text_of(found["data"]) == "Grüezi! In"
    assert found["states"] == [CONNECTING, CLOSED]
    assert len(asked(worker)) == 1


@pytest.mark.thorough
def test_limit_in_the_query_is_kept(page: Page, worker: Worker) -> None:
    worker.ai.script(Reply(text=TEXT), model=FAST)

    found = page.evaluate(COLLECT, [path(max_tokens=3), PATIENCE_MS])

    assert [inputs["max_tokens"] for inputs in asked(worker)] == [3]
    assert text_of(found["data"][:-1]) == "Grüezi! In"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("error", [3036, 5016])
def test_failure_closes_the_source_at_once(page: Page, worker: Worker, error: int) -> None:
    worker.ai.script(Reply(error=error, times="always"), model=FAST)

    found = page.evaluate(COLLECT, [path(), PATIENCE_MS])

    assert (found["data"], found["states"]) == ([], [CLOSED])
    assert len(asked(worker)) == 1
