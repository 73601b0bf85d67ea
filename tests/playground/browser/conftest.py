"""The playground in Chromium, over the real Worker under the real `wrangler dev`."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.credentials import API_KEYS
from tests.harness.deployments import Deployment, deploy, unlimited
from tools import prepare
from workers_ai_local import Reply, WorkersAi

if TYPE_CHECKING:  # modules of tests that need it are skipped where Playwright is missing
    from tests.harness.watched import Browser, Page, Watched

MODULES = prepare.ROOT / "public" / "playground"
# Chromium's own note on an answer that is an error or broke, which no page can keep it from making.
_NOTE = "Failed to load resource: "
# One model has what the others lack, and lacks what they have.
_LAST = 'capabilities = ["tools"]'


def run_module(source: str, given: bytes, *arguments: str) -> str:
    """Run JavaScript in Node."""
    command = [str(prepare.node()), "--input-type=module", "--eval", source, "--", *arguments]
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True).stdout.decode()


@dataclass(frozen=True)
class Playground:
    """
    The playground, opened.

    Attributes:
        page: What is shown.
        address: The Worker's.
        ai: The Workers AI behind it.
    """

    page: "Page"
    address: str
    ai: WorkersAi

    def choose(self, kind: str) -> None:
        """Choose the kind of prompt: Chat, Prompt or Raw."""
        self.page.get_by_text(kind, exact=True).click()

    def write(self, text: str) -> None:
        """Write into the box."""
        self.page.get_by_role("textbox", name="Message").fill(text)

    def start(self, text: str) -> None:
        """Send a message, and wait for no more than that."""
        self.write(text)
        self.page.get_by_role("textbox", name="Message").press("Enter")

    def wait(self) -> None:
        """Wait until nothing is generated."""
        self.page.get_by_role("button", name="Send").wait_for()

    def say(self, text: str, reply: Reply | None = None) -> None:
        """Send a message, and wait for the answer to end."""
        if reply is not None:
            self.ai.script(reply)
        self.start(text)
        self.wait()

    def turns(self) -> list[str]:
        """Read what is said."""
        texts: list[str] = self.page.locator(".turn > .text").all_text_contents()
        return texts

    def press(self, turn: int, name: str) -> None:
        """Press a button of a turn; counted from 0."""
        self.page.locator(".turn").nth(turn).get_by_role("button", name=name, exact=True).click()

    def set(self, name: str, value: str) -> None:
        """Fill in a setting."""
        self.page.get_by_label(name, exact=True).fill(value)

    def open_code(self, language: str) -> str:
        """Show the code for the request on screen, and read it."""
        self.page.get_by_role("tab", name="Code").click()
        self.page.get_by_role("tab", name=language, exact=True).click()
        return self.read_code()

    def read_code(self) -> str:
        """Read the code that is shown, once it is drawn."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")
        return "\n".join(self.page.locator("#snippet pre").all_text_contents())

    def asked(self, at: int = -1) -> dict[str, Any]:
        """What Workers AI was asked; the last by default."""
        inputs: dict[str, Any] = json.loads(bytes(self.ai.received[at].inputs))
        return inputs


def _with_another_model(config: str) -> str:
    return unlimited(config).replace(_LAST, 'capabilities = ["lora"]')


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker that needs no key, and refuses wrong ones."""
    settings = {"API_KEYS": API_KEYS, "ALLOW_ANONYMOUS": "true"}
    folder = tmp_path_factory.mktemp("playground")
    with deploy(folder, settings, edit=_with_another_model) as worker:
        yield worker


@pytest.fixture
def watched(
    chromium: "Browser", deployed: Deployment, request: pytest.FixtureRequest
) -> Iterator["Watched"]:
    """A page that is seen to break no rule; a parameter holds options of its context."""
    from tests.harness.watched import watch

    deployed.ai.reset()
    with watch(chromium, **getattr(request, "param", {})) as watched:
        yield watched
        watched.complaints[:] = [text for text in watched.complaints if not text.startswith(_NOTE)]
        watched.check(deployed.address)


@pytest.fixture
def playground(watched: "Watched", deployed: Deployment) -> Playground:
    """The playground, once it has learnt what the deployment serves."""
    watched.page.goto(f"{deployed.address}/")
    watched.page.locator("#model option[value^='@cf']").first.wait_for(state="attached")
    watched.page.locator("#max_tokens-range", has_text="to").wait_for(state="attached")
    return Playground(watched.page, deployed.address, deployed.ai)
