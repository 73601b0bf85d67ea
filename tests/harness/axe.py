"""axe, which finds what keeps people from using a page."""

from typing import Any

from tests.harness.watched import Page
from tools import prepare

AXE = prepare.TEST_NODE_MODULES / "axe-core" / "axe.min.js"


def find(page: Page) -> list[tuple[str, str]]:
    """Find what is wrong in a page as it is now: rules, and where each is broken."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    assert len(found["passes"]) > 10, "it has looked at something"
    return [
        (violation["id"], node["html"][:200])
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
