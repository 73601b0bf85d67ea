"""The pages where docs/embedding.md has them copied to, below a path of an app."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.deployments import Deployment, deploy, unlimited
from tests.harness.watched import Browser, Watched, needs_chromium, watch
from tests.playground.browser.conftest import Playground
from tools import prepare
from workers_ai_local import Reply

pytestmark = [needs_chromium, pytest.mark.thorough]
EMBEDDING = (prepare.ROOT / "docs" / "embedding.md").read_text("utf-8")


def copy_pages(folder: Path) -> None:
    """Copy the pages below /ai, as the page says."""
    commands = re.findall(r"^    ((?:mkdir|cp|mv) .+)$", EMBEDDING, re.MULTILINE)
    assert len(commands) == 3
    subprocess.run(["sh", "-ec", "\n".join(commands)], cwd=folder, check=True)
    headers = folder / "site" / "_headers"
    headers.write_text(headers.read_text("utf-8").replace("\n/docs\n", "\n/ai/docs\n"), "utf-8")


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker whose paths begin with /ai."""
    folder = tmp_path_factory.mktemp("below")

    def edit(config: str) -> str:
        copy_pages(folder)
        return unlimited(config).replace('directory = "public"', 'directory = "site"')

    with deploy(folder, {"PATH_PREFIX": "/ai"}, edit=edit) as worker:
        yield worker


@pytest.fixture
def page(chromium: Browser, worker: Deployment) -> Iterator[Watched]:
    """A page that is seen to break no rule."""
    with watch(chromium) as watched:
        yield watched
        watched.check(worker.address)


def test_playground_below_a_path_asks_the_api_there(page: Watched, worker: Deployment) -> None:
    page.page.goto(f"{worker.address}/ai/")
    playground = Playground(page.page, worker.address, worker.ai)
    page.page.locator("#model option[value^='@cf']").first.wait_for(state="attached")

    playground.say("Hello", Reply(text="Hello from below."))

    assert playground.turns() == ["Hello", "Hello from below."]
    assert f"{worker.address}/ai/run" in playground.open_code("curl")
    assert f'Client("{worker.address}/ai"' in playground.open_code("Python")


def test_reference_below_a_path_shows_the_api_there(page: Watched, worker: Deployment) -> None:
    page.page.goto(f"{worker.address}/ai/")
    page.page.get_by_role("link", name="API reference").click()

    page.page.locator(".opblock").first.wait_for()
    assert page.page.url == f"{worker.address}/ai/docs"
    assert page.page.locator("option", has_text="/ai").count() == 1


def test_nothing_else_is_served(worker: Deployment) -> None:
    for path in ("/", "/docs", "/run"):
        assert worker.client.get(path).status_code == 404
