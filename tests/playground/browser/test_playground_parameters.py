"""The table of parameters, from which the page makes its fields and what they send."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.harness.deployments import Deployment
from tests.harness.processes import wait_until
from tests.harness.watched import Locator, Route, Watched, expect, needs_chromium
from tests.playground.browser.conftest import MODULES, Playground, run_module

pytestmark = needs_chromium
TABLE = MODULES / "parameters.js"
READ = """
const { PARAMETERS } = await import(process.argv[1]);
process.stdout.write(JSON.stringify(PARAMETERS));
"""
# What is written elsewhere on the page, or in code alone.
ELSEWHERE = {"functions", "messages", "model", "prompt", "raw"}
NEW = {
    "name": "min_p",
    "section": "format",
    "control": "decimal",
    "hint": "a parameter of tomorrow",
    "kinds": ["raw"],
}
PAINTED = "performance.getEntriesByName('first-contentful-paint').length > 0"
WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const { sources } of list.getEntries()) {
    shifts.push(...sources.map(({ node }) => node?.outerHTML ?? node?.textContent));
  }
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def table() -> Mapping[str, Mapping[str, Any]]:
    """The entries by their names, without their functions."""
    return {entry["name"]: entry for entry in json.loads(run_module(READ, b"", str(TABLE)))}


def answer(route: Route) -> None:
    """Answer in the Worker's place, which refuses some of what is sent here."""
    route.fulfill(json={"response": "Hi."})


def send(playground: Playground) -> dict[str, Any]:
    """Send a message in a conversation of nothing else, and read the body of the request."""
    page = playground.page
    page.get_by_role("button", name="New chat").click()
    with page.expect_request("**/run") as request:
        playground.say("Hello")
    body: dict[str, Any] = request.value.post_data_json
    return body


def find_field(playground: Playground, parameter: Mapping[str, Any]) -> Locator:
    """Find the field of a parameter by what it is labelled with."""
    section = playground.page.locator(f"#{parameter['section']}-fields")
    return section.get_by_label(parameter.get("label", parameter["name"]), exact=True)


def set_field(field: Locator, parameter: Mapping[str, Any]) -> None:
    """Set a parameter to something that it is not at first."""
    match parameter["control"]:
        case "checkbox":
            field.click()
        case "choice":
            field.select_option(parameter["choices"][0])
        case "json":
            field.fill(parameter["placeholder"])
        case _:
            field.fill("1")


def choose_what_has_it(playground: Playground, parameter: Mapping[str, Any]) -> None:
    """Choose a kind of prompt and a model for which there is a parameter."""
    playground.choose(parameter.get("kinds", ["chat"])[0].title())
    models = playground.page.get_by_label("Model")
    for index in range(models.locator("option").count()):
        models.select_option(index=index)
        if find_field(playground, parameter).is_enabled():
            return


def check_parameter(
    playground: Playground, parameter: Mapping[str, Any], table: Mapping[str, Mapping[str, Any]]
) -> None:
    """Check that a parameter has a field, and that what is set there is sent until it is reset."""
    choose_what_has_it(playground, parameter)
    field = find_field(playground, parameter)
    unset = send(playground)
    if needed_for := parameter.get("neededFor"):
        expect(field).to_be_hidden()
        other = find_field(playground, table[needed_for["name"]])
        other.select_option(needed_for["choice"])
    if sent_with := parameter.get("sentWith"):
        set_field(find_field(playground, table[sent_with]), table[sent_with])
    expect(field).to_be_visible()
    if parameter.get("hint"):
        expect(field).to_have_accessible_description(parameter["hint"])
    set_field(field, parameter)
    name = parameter.get("sentAs", parameter["name"])

    assert send(playground).get(name) != unset.get(name), parameter
    playground.page.get_by_role("button", name="Reset").click()
    assert send(playground) == unset, parameter


def test_every_parameter_is_shown_sent_and_reset(
    playground: Playground, table: Mapping[str, Mapping[str, Any]]
) -> None:
    playground.page.route("**/run", answer)
    for parameter in table.values():
        check_parameter(playground, parameter, table)


@pytest.mark.thorough
def test_parameter_that_is_new_is_one_entry(
    watched: Watched, deployed: Deployment, table: Mapping[str, Mapping[str, Any]]
) -> None:
    page = watched.page
    source = TABLE.read_text("utf-8")
    opening = "export const PARAMETERS = ["
    changed = source.replace(opening, f"{opening} {{ ...{json.dumps(NEW)}, read: Number }},")
    page.route(
        "**/playground/parameters.js",
        lambda route: route.fulfill(body=changed, content_type="text/javascript"),
    )
    page.route("**/run", answer)
    page.goto(f"{deployed.address}/")
    playground = Playground(page, deployed.address, deployed.ai)
    expect(find_field(playground, NEW)).to_have_accessible_description("in a raw prompt only")

    check_parameter(playground, NEW, table)


@pytest.mark.thorough
def test_every_parameter_of_the_api_has_its_entry(
    deployed: Deployment, table: Mapping[str, Mapping[str, Any]]
) -> None:
    described = deployed.client.get("/openapi.json").json()
    properties = described["components"]["schemas"]["Inputs"]["properties"]
    sent = {entry.get("sentAs", entry["name"]) for entry in table.values()}

    assert sent == set(properties) - ELSEWHERE


@pytest.mark.thorough
def test_fields_that_come_late_move_nothing(watched: Watched, deployed: Deployment) -> None:
    page = watched.page
    page.add_init_script(WATCH)
    held: list[Route] = []
    page.route("**/playground/app.js", lambda route: held.append(route))
    page.goto(f"{deployed.address}/", wait_until="commit")
    page.get_by_label("Key", exact=True).wait_for()
    wait_until(lambda: page.evaluate(PAINTED) and bool(held))
    held[0].continue_()
    page.locator("#max_tokens-range", has_text="to").wait_for()

    assert page.evaluate("shifts") == []
