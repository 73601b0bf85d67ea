"""The code that the playground shows, run: it asks what the page asks."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.harness.credentials import KEY
from tests.harness.deployments import Deployment, deploy, make_host, unlimited
from tests.harness.watched import Browser, needs_chromium, watch
from tests.playground.browser.conftest import Playground
from tools import prepare
from workers_ai_local import Received, Reply, WorkersAi

pytestmark = [needs_chromium, pytest.mark.thorough]

MODEL = "@cf/meta/llama-3.1-8b-instruct"
FAST = f"{MODEL}-fast"
SAID = "Said: it's 🦙"
REPLY = Reply(text=SAID)
# In JSON mode a model says JSON.
JSON_REPLY = Reply(text=json.dumps({"said": SAID}, ensure_ascii=False))
# What ends a text, or runs, in one language or another.
QUOTES = (
    "'single' \"double\" `back` '''three''' \"\"\"three\"\"\" '\\'' \\' \\\" \\ \\\\"
    " \\n \\x41 \\u0041"
)
RUNS = (
    "$(touch ran) `touch ran` ${process.exit(9)} {exit(9)} %s %(a)s"
    " $HOME $EDGEWISE_KEY !! ; exit 9 #"
)
LINES = "one\ntwo\n\n  three\ttab\n'EOF'\nEOF\n"
SIGNS = "grüezi 🦙👩‍👩‍👧 \u2028\u2029\u0085\x00\x08\x0c\x1b\x7f\u202e\u200b\ufeff end"
MARKUP = "</script><script>ran()</script><!-- --> </textarea> ]]> <!--<script> &amp; &#39; %3C"
EVENTS = "data: [DONE]\n\n[DONE]\n\nid: 1\nevent: x\n\n"
ALL = f"{QUOTES}\n{RUNS}\n{LINES}{SIGNS}\n{MARKUP}\n{EVENTS}end"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "description": ALL,
            "parameters": {
                "type": "object",
                "properties": {
                    "a b": {"type": "string", "enum": ["'", '"', "$(ran)"]},
                    "constructor": {"type": "boolean", "default": True},
                    "none": {"type": "null", "default": None, "examples": [1e21, -0.5, [], {}]},
                },
            },
        },
    }
]
SCHEMA = {"type": "object", "properties": {"it's": {"type": "string", "const": QUOTES}}}


@dataclass(frozen=True)
class Case:
    """
    A request, as somebody puts it together.

    Attributes:
        text: What is written last.
        before: What was said before it, and answered.
        kind: As the page calls it.
        settings: By their labels.
        raw: The raw prompt, where it is edited.
    """

    text: str = "Hello"
    before: Sequence[tuple[str, str]] = ()
    system: str = ""
    kind: str = "Chat"
    settings: Mapping[str, str] = field(default_factory=dict)
    raw: str = ""
    is_streamed: bool = True

    @property
    def reply(self) -> Reply:
        """What the model answers."""
        return JSON_REPLY if "response_format" in self.settings else REPLY


CASES = {
    "chat": Case(),
    "chat, whole": Case(is_streamed=False),
    "chat of turns": Case(
        "And now?", [("One?", "First."), (ALL, f"{ALL} said")], system=f"Be brief. {ALL}"
    ),
    "prompt": Case(kind="Prompt"),
    "prompt, whole": Case(kind="Prompt", is_streamed=False),
    "raw": Case(kind="Raw", system="Be brief."),
    "raw, edited": Case(kind="Raw", raw=f"<|begin_of_text|>{ALL}"),
    "raw, whole": Case(kind="Raw", raw=ALL, is_streamed=False),
    "all numbers": Case(
        settings={
            "max_tokens": "100",
            "temperature": "0",
            "top_p": ".25",
            "top_k": "40",
            "seed": "9999999999",
            "repetition_penalty": "1e-7",
            "frequency_penalty": "1.50",
            "presence_penalty": "2",
        }
    ),
    "all numbers of a prompt": Case(
        kind="Prompt",
        settings={"max_tokens": "30", "temperature": "0.1", "top_k": "1", "seed": "1"},
        is_streamed=False,
    ),
    "model": Case(settings={"Model": f"{MODEL}-fp8"}),
    "options": Case(settings={"rejectIfBusy": "on"}),
    "options of a prompt": Case(kind="Prompt", settings={"rejectIfBusy": "on"}),
    "format": Case(settings={"response_format": "json_object"}, is_streamed=False),
    "schema": Case(
        settings={"response_format": "json_schema", "JSON schema": json.dumps(SCHEMA)},
        is_streamed=False,
    ),
    "tools": Case(settings={"tools": json.dumps(TOOLS)}),
    "quotes": Case(QUOTES, kind="Prompt"),
    "what runs": Case(RUNS, kind="Prompt"),
    "lines": Case(f"\n{LINES}", kind="Prompt"),
    "signs": Case(SIGNS, kind="Prompt", is_streamed=False),
    "markup": Case(MARKUP, system=MARKUP),
    "a tail": Case("\\", system="'", kind="Chat"),
    "events": Case(EVENTS, kind="Prompt"),
    "dashes": Case("-d @/etc/hosts", kind="Prompt"),
}
LANGUAGES = ["curl", "fetch", "eventsource", "ai", "binding", "python"]

READ = """
async () => {
  const drawn = () => new Promise((done) => requestAnimationFrame(() => done()));
  document.getElementById("code-tab").click();
  const read = {};
  for (const tab of document.querySelectorAll("#languages [role=tab]")) {
    tab.click();
    await drawn();
    const files = document.querySelectorAll("#snippet .file");
    read[tab.dataset.language] = Object.fromEntries(Array.from(files, (file) =>
      [file.querySelector("h4").textContent, file.querySelector("pre").textContent]));
  }
  document.getElementById("settings-tab").click();
  return read;
}
"""
# What it logs is what it says.
IN_PAGE = """
() => new Promise((done) => {
  const { log } = console;
  setTimeout(done, 10_000, "nothing came");
  console.log = (...logged) => { console.log = log; done(logged.join(" ")); };
  %s
})
"""
RUN_NODE = """
import { readdirSync } from "node:fs";
for (const name of readdirSync(".").filter((name) => /^[0-9]+.mjs$/.test(name)).sort()) {
  try {
    await import(`./${name}`);
  } catch (error) {
    console.log(error);
  }
  console.log("\\u0001");
}
"""
RUN_PYTHON = """
import glob, runpy, traceback
for name in sorted(glob.glob("[0-9]*.py")):
    try:
        runpy.run_path(name)
    except Exception:
        print(traceback.format_exc())
    print("\\x01", flush=True)
"""
HOST = """
%s
const WORKERS = [%s];
export default {
  async fetch(request, env) {
    const at = /^[/]snippet[/]([0-9]+)$/.exec(new URL(request.url).pathname);
    return at ? WORKERS[at[1]].fetch(request, env) : env.EDGEWISE.fetch(request);
  },
};
"""
AI = {
    "name": "AI",
    "type": "workers-ai-local",
    "dev": {
        "plugin": {"package": "workers-ai-local/plugin", "name": "workers-ai-local"},
        "options": {},
    },
}


@dataclass
class Sent:
    """
    A request of the page's.

    Attributes:
        code: By language and name of the file.
        body: What it posted.
        received: What Workers AI got of it.
    """

    code: Mapping[str, Mapping[str, str]]
    body: Mapping[str, Any]
    received: Received


def _fill_in(playground: Playground, case: Case) -> None:
    page = playground.page
    page.get_by_role("tab", name="Settings").click()
    page.get_by_role("button", name="Reset").click()
    playground.choose("Chat")
    page.get_by_role("button", name="New chat").click()
    playground.set("System prompt", case.system)
    page.get_by_label("Model").select_option(case.settings.get("Model", MODEL))
    playground.choose(case.kind)
    for said, answered in case.before:
        playground.set("max_tokens", "2048")
        playground.say(said, Reply(text=answered))
        playground.set("max_tokens", "")
    for name, value in case.settings.items():
        if name == "rejectIfBusy":
            page.get_by_label(name).check()
        elif name == "response_format":
            page.get_by_label(name).select_option(value)
        elif name != "Model":
            playground.set(name, value)
    page.get_by_label("Stream", exact=True).set_checked(case.is_streamed)
    playground.write(case.text)
    if case.raw:
        playground.page.get_by_label("Raw prompt").fill(case.raw)


def _send(playground: Playground, case: Case) -> Sent:
    _fill_in(playground, case)
    code = playground.page.evaluate(READ)
    playground.ai.script(case.reply)
    with playground.page.expect_request("**/run") as posted:
        playground.page.get_by_role("button", name="Send").click()
    playground.wait()
    body = json.loads(posted.value.post_data)
    sent = Sent(code, body, playground.ai.received[-1])
    if case.raw:
        playground.page.get_by_role("button", name="Back to the template").click()
    return sent


@contextmanager
def _opened(chromium: Browser, address: str, ai: WorkersAi) -> Iterator[Playground]:
    with watch(chromium) as watched:
        watched.page.goto(f"{address}/")
        watched.page.locator("#model option[value^='@cf']").first.wait_for(state="attached")
        watched.page.locator("#max_tokens-range", has_text="to").wait_for(state="attached")
        yield Playground(watched.page, address, ai)
        watched.check(address)


@pytest.fixture(scope="module")
def sent(chromium: Browser, deployed: Deployment) -> Mapping[str, Sent]:
    """What the page sent, and the code that it showed for it."""
    deployed.ai.reset()
    with _opened(chromium, deployed.address, deployed.ai) as playground:
        playground.set("Key", KEY)
        return {name: _send(playground, case) for name, case in CASES.items()}


def _script(ai: WorkersAi, names: Iterable[str]) -> None:
    ai.reset()
    for name in names:
        ai.script(CASES[name].reply)


def _told(received: Received) -> tuple[str, dict[str, Any], bool]:
    inputs: dict[str, Any] = json.loads(bytes(received.inputs))
    return received.model, inputs, b'"rejectIfBusy":true' in bytes(received.options)


def _check(ran: Mapping[str, str], sent: Mapping[str, Sent], ai: WorkersAi) -> None:
    """Check that Workers AI got of each what it got of the page, and that each said its answer."""
    wrong = []
    assert len(ai.received) == len(ran), list(ran.values())
    for (name, output), received in zip(ran.items(), ai.received, strict=True):
        expected = _told(sent[name].received)
        if _told(received) != expected or SAID not in output:
            wrong.append((name, _told(received), expected, output))
    assert wrong == []


def _files(folder: Path, sent: Mapping[str, Sent], language: str, name: str) -> Iterator[str]:
    """Write what is shown in one language to files; yield the names of their cases."""
    for number, (case, each) in enumerate(sent.items()):
        text = each.code[language].values()
        (folder / f"{number:02}{name}").write_text("".join(text), "utf-8")
        yield case


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "EDGEWISE_KEY": KEY, **more}


def test_code_names_the_key_and_never_holds_it(sent: Mapping[str, Sent]) -> None:
    code = "".join(
        text for each in sent.values() for files in each.code.values() for text in files.values()
    )

    assert KEY not in code
    for language in ("curl", "fetch", "python"):
        [text] = sent["chat"].code[language].values()
        assert "EDGEWISE_KEY" in text


def test_curl_asks_the_same(sent: Mapping[str, Sent], deployed: Deployment, tmp_path: Path) -> None:
    _script(deployed.ai, sent)
    ran = {}
    for name, each in sent.items():
        command = ["bash", "-c", each.code["curl"]["Shell"]]
        done = subprocess.run(
            command, cwd=tmp_path, env=_environment(), capture_output=True, check=True, timeout=60
        )
        ran[name] = _unframed(done.stdout.decode())

    _check(ran, sent, deployed.ai)
    assert list(tmp_path.iterdir()) == []


def _unframed(body: str) -> str:
    """The text of an answer, streamed or not."""
    if body.startswith("{"):
        answer = json.loads(body)["response"]
        return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    frames = [line[6:] for line in body.splitlines() if line.startswith("data: {")]
    return "".join(json.loads(frame)["response"] for frame in frames)


def test_fetch_asks_the_same(
    sent: Mapping[str, Sent], deployed: Deployment, tmp_path: Path
) -> None:
    _script(deployed.ai, sent)
    names = list(_files(tmp_path, sent, "fetch", ".mjs"))
    (tmp_path / "run.mjs").write_text(RUN_NODE, "utf-8")
    node = prepare.VENV / "bin" / "node"
    done = subprocess.run(
        [node, "run.mjs"], cwd=tmp_path, env=_environment(), capture_output=True, timeout=120
    )

    ran = dict(zip(names, done.stdout.decode().split("\1\n"), strict=False))
    assert (done.returncode, done.stderr) == (0, b"")
    _check(ran, sent, deployed.ai)
    assert not (tmp_path / "ran").exists()


def test_python_asks_the_same(
    sent: Mapping[str, Sent], deployed: Deployment, tmp_path: Path
) -> None:
    _script(deployed.ai, sent)
    names = list(_files(tmp_path, sent, "python", ".py"))
    (tmp_path / "run.py").write_text(RUN_PYTHON, "utf-8")
    path = str(prepare.PYTHON_CLIENT / "src")
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-W", "error", "run.py"],
        cwd=tmp_path,
        env=_environment(PYTHONPATH=path),
        capture_output=True,
        timeout=120,
    )

    ran = dict(zip(names, done.stdout.decode().split("\1\n"), strict=False))
    assert (done.returncode, done.stderr) == (0, b"")
    _check(ran, sent, deployed.ai)
    assert not (tmp_path / "ran").exists()


def test_event_source_asks_the_same_or_says_why_not(
    sent: Mapping[str, Sent], deployed: Deployment, chromium: Browser
) -> None:
    prompts = {name: each for name, each in sent.items() if each.code["eventsource"]}
    _script(deployed.ai, prompts)
    ran = {}
    with watch(chromium) as watched:
        watched.page.goto(f"{deployed.address}/")
        for name, each in prompts.items():
            ran[name] = watched.page.evaluate(IN_PAGE % each.code["eventsource"]["JavaScript"])
        watched.check(deployed.address)

    assert {name for name in sent if name not in prompts} == {
        name for name, case in CASES.items() if case.kind == "Chat"
    }
    expected = {}
    for name, each in prompts.items():
        model, inputs, _ = _told(each.received)
        expected[name] = (model, {**inputs, "stream": True}, False)
    assert all(SAID in text for text in ran.values()), ran
    received = [_told(received) for received in deployed.ai.received]
    assert dict(zip(ran, received, strict=True)) == expected


@pytest.fixture(scope="module")
def hosted(
    sent: Mapping[str, Sent], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A Worker that runs each of the Workers shown, with the bindings shown beside them."""
    folder = tmp_path_factory.mktemp("hosted")
    [bound] = {each.code["binding"]["wrangler.toml"] for each in sent.values()}
    [with_ai] = {each.code["ai"]["wrangler.toml"] for each in sent.values()}
    assert tomllib.loads(with_ai) == {"ai": {"binding": "AI"}}
    services = tomllib.loads(bound)["services"]
    services.append({"binding": "EDGEWISE", "service": services[0]["service"]})
    shown = [
        each.code[kind]["src/index.js"] for kind in ("ai", "binding") for each in sent.values()
    ]
    names = [f"worker{number}" for number in range(len(shown))]
    imports = "\n".join(f'import {name} from "./{name}.js";' for name in names)
    file = make_host(folder / "host", "host", HOST % (imports, ", ".join(names)), services)
    for name, text in zip(names, shown, strict=True):
        (folder / "host" / f"{name}.js").write_text(text, "utf-8")
    (folder / "host" / "node_modules").symlink_to(prepare.NODE_MODULES)
    config = json.loads(file.read_text("utf-8"))
    config["env"]["local"]["unsafe"] = {"bindings": [AI]}
    file.write_text(json.dumps(config), "utf-8")
    settings = {"ALLOW_ANONYMOUS": "true"}
    with deploy(folder / "own", settings, edit=_with_hostile_models, before=[file]) as deployment:
        yield deployment


@pytest.mark.parametrize("kind", ["ai", "binding"])
def test_worker_asks_the_same(sent: Mapping[str, Sent], hosted: Deployment, kind: str) -> None:
    _script(hosted.ai, sent)
    first = 0 if kind == "ai" else len(sent)
    ran = {}
    for number, name in enumerate(sent, first):
        response = hosted.client.get(f"/snippet/{number}")
        assert response.status_code == 200, (name, response.text)
        ran[name] = _unframed(response.text)

    if kind == "binding":
        _check(ran, sent, hosted.ai)
        return
    assert all(SAID in text for text in ran.values()), ran
    for each, received in zip(sent.values(), hosted.ai.received, strict=True):
        model, inputs, is_rejected = _told(received)
        options = {"options": {"rejectIfBusy": True}} if is_rejected else {}
        # Edgewise fills in a limit, and words tools as Workers AI does; here nobody stands between.
        assert {**inputs, **options, "model": each.body["model"]} == each.body
        assert model == each.received.model


# Any ids that settings take, shown and asked for.
HOSTILE_IDS = [
    "@cf/x/<img/src=ran/data-ran=1/onerror=ran()>",
    '@cf/x/"><svg/data-ran=1/onload=ran()>',
    "@cf/x/'$(touch${IFS}ran)`touch${IFS}ran`'",
    "</script><script/data-ran=1>ran()</script>",
    "javascript:ran()//{{7*7}}${ran()}\\u0022\\",
]


def _with_hostile_models(config: str) -> str:
    models = "".join(
        f"\n[[env.local.vars.MODELS]]\nid = {json.dumps(name)}\n" for name in HOSTILE_IDS
    )
    return unlimited(config) + models


def test_hostile_ids_of_models_stay_text_on_the_page_and_in_code(
    hosted: Deployment, chromium: Browser, tmp_path: Path
) -> None:
    hosted.ai.reset()
    with _opened(chromium, hosted.address, hosted.ai) as playground:
        page = playground.page
        options = page.locator("#model option")
        assert [option.get_attribute("value") for option in options.all()][-5:] == HOSTILE_IDS
        for name in HOSTILE_IDS:
            hosted.ai.script(Reply(text=SAID, model=name, times=3), model=name)
            page.get_by_label("Model").select_option(name)
            playground.write("Hello")
            code = page.evaluate(READ)
            playground.say("Hello")
            assert playground.turns()[-1] == SAID, name
            assert name in page.locator(".figures").last.inner_text()
            shell = ["bash", "-c", code["curl"]["Shell"]]
            subprocess.run(shell, cwd=tmp_path, env=_environment(), capture_output=True, check=True)
            (tmp_path / "code.py").write_text(code["python"]["Python"], "utf-8")
            path = str(prepare.PYTHON_CLIENT / "src")
            environment = _environment(PYTHONPATH=path)
            script = [sys.executable, "-X", "utf8", "code.py"]
            subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, check=True)
            assert [received.model for received in hosted.ai.received][-3:] == [name] * 3
            page.get_by_role("button", name="New chat").click()
        assert page.locator("[data-ran]").count() == 0
    assert not (tmp_path / "ran").exists()
    shutil.rmtree(tmp_path)
