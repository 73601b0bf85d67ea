"""curl as people type it: a body without a content type, read by nobody's library."""

import json
import shutil
import subprocess

import pytest

from tests.harness.conversation import ACCOUNT, FAST, QUESTION, TEXT
from tests.harness.shared import Worker
from workers_ai_local import Reply

CURL = shutil.which("curl")
pytestmark = pytest.mark.skipif(CURL is None, reason="needs curl")

CHAT = {"messages": [QUESTION]}
NAMED = {"model": FAST, **CHAT}
IN_CLOUDFLARE = f"/client/v4/accounts/{ACCOUNT}/ai"
ROUTES = [
    pytest.param(f"/run/{FAST}", CHAT, id="native"),
    pytest.param(f"{IN_CLOUDFLARE}/run/{FAST}", CHAT, id="Cloudflare"),
    pytest.param("/v1/chat/completions", NAMED, id="OpenAI"),
    pytest.param(f"{IN_CLOUDFLARE}/v1/chat/completions", NAMED, id="OpenAI in Cloudflare"),
]


def curl(*arguments: str) -> str:
    """What curl prints."""
    assert CURL is not None
    return subprocess.run(
        [CURL, "--silent", "--show-error", "--noproxy", "*", "--max-time", "60", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def text_of(document: str) -> str:
    """The text in an answer or in a frame of a stream, in any dialect."""
    match json.loads(document):
        case {"response": str(text)} | {"result": {"response": str(text)}}:
            return text
        case {"choices": [{"message": {"content": str(text)}}]}:
            return text
        case {"choices": [{"delta": {"content": str(text)}}]}:
            return text
    return ""


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded"],
    ids=["no type", "text", "form"],
)
@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_body_is_understood_whatever_it_calls_itself(
    worker: Worker, path: str, body: dict[str, object], content_type: str
) -> None:
    worker.ai.script(Reply(text=TEXT), model=FAST)
    header = f"content-type: {content_type}".strip()

    printed = curl("-H", header, "-d", json.dumps(body), worker.address + path)

    assert text_of(printed) == TEXT


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_stream_is_printed(worker: Worker, path: str, body: dict[str, object]) -> None:
    worker.ai.script(Reply(text=TEXT), model=FAST)
    streamed = json.dumps({**body, "stream": True})

    printed = curl("-N", "-H", "content-type:", "-d", streamed, worker.address + path)

    *frames, done, end = printed.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    assert "".join(text_of(frame.removeprefix("data: ")) for frame in frames) == TEXT
