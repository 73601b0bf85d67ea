"""types/edgewise.d.ts: what TypeScript's compiler makes of it, and whether it tells the truth."""

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest

from edgewise import rpc as calls
from edgewise.asked import inputs, tools
from edgewise.dialects import cloudflare
from edgewise.dialects.native import CompletionBody
from edgewise.errors import MEANINGS, UNKNOWN, EdgewiseError
from edgewise.heard.events import FinishReason
from tests.harness.typescript import COMPILER, needs_typescript
from tools import prepare

pytestmark = [needs_typescript, pytest.mark.thorough]

TYPES = prepare.ROOT / "types" / "edgewise.d.ts"
USES = Path(__file__).parent / "types"
EXAMPLE = prepare.EXAMPLES / "typescript"
_FOUND = re.compile(r"^(\S+)\((\d+),\d+\): error (TS\d+): ", re.MULTILINE)
_HTTP_ONLY = {
    *("Unauthorized", "Closed", "ForeignOrigin", "ForeignHost", "NotFound", "MethodNotAllowed"),
    "AccessUnavailable",
}
_KINDS = {kind.__name__: kind for kind in EdgewiseError.__subclasses__()}

# TypeScript's name of a type -> what the texts of that type are, or the names of its fields.
FACTS = {
    "Keys<E.GenerateInputs>": inputs.FIELDS,
    "Keys<E.RunInputs>": inputs.FIELDS - {"model", "options"},
    "Keys<E.Options>": inputs.Options.__struct_fields__,
    "Keys<E.RunOptions>": calls.Options.__struct_fields__,
    "Keys<E.Message>": inputs.Message.__struct_fields__,
    "Keys<E.TextPart>": inputs.TextPart.__struct_fields__,
    "Keys<E.FunctionCall | E.FlatCall>": inputs.ToolCall.__struct_fields__,
    "Keys<E.CalledFunction>": inputs.CalledFunction.__struct_fields__,
    "Keys<E.CodeFunction>": inputs.CodeFunction.__struct_fields__,
    "Keys<E.ResponseFormat>": inputs.ResponseFormat.__struct_fields__,
    "Keys<E.FunctionTool | E.FlatTool>": tools.Tool.__struct_fields__,
    "Keys<E.ToolFunction>": tools.Function.__struct_fields__,
    "Keys<E.Generated>": [*CompletionBody.__struct_fields__, "ignored_fields"],
    "Keys<E.Usage>": {"prompt_tokens", "completion_tokens", "total_tokens"},
    "Keys<E.Search>": cloudflare.Search.__struct_fields__,
    "Keys<E.Model>": cloudflare.ListedModel.__struct_fields__,
    "Keys<E.Model['task']>": cloudflare.Task.__struct_fields__,
    "Keys<E.Model['properties'][0]>": cloudflare.Property.__struct_fields__,
    "E.Role": get_args(get_args(inputs.Role)[0]),
    "E.ResponseFormat['type']": get_args(
        get_args(inputs.ResponseFormat.__annotations__["type"])[0]
    ),
    "Extract<E.ToolChoice, string>": get_args(get_args(get_args(tools.ToolChoice)[0])[0]),
    "E.FinishReason": get_args(FinishReason),
    "E.ErrorName": _KINDS.keys() - _HTTP_ONLY,
    "E.ErrorCode": {
        *(kind.code for kind in _KINDS.values()),
        *(meaning.code for meaning in (UNKNOWN, *MEANINGS.values())),
    },
}
_AGREEMENT = """\
import type * as E from "./edgewise";
type Keys<T> = T extends unknown ? keyof T : never; // of each member of a union
type Same<A, B> = [A, B] extends [B, A] ? true : false;
"""


def compile_with(config: Path) -> dict[tuple[str, int], str]:
    """
    Run the compiler.

    Returns:
        What it refuses: file name and line to the error's number.
    """
    result = subprocess.run(
        [prepare.node(), COMPILER, "--project", config, "--pretty", "false"],
        stdout=subprocess.PIPE,
        text=True,
    )
    found = {
        (Path(file).name, int(line)): code for file, line, code in _FOUND.findall(result.stdout)
    }
    assert bool(found) == bool(result.returncode), result.stdout
    return found


def word_fact(kind: str, names: Iterable[str]) -> str:
    """Word as a line that compiles only when it is so."""
    texts = " | ".join(json.dumps(name) for name in sorted(names))
    return f"true satisfies Same<{kind}, {texts}>;\n"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], str]:
    """What the compiler refuses of the uses and of the facts, all in one run."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "edgewise.d.ts").symlink_to(TYPES)
    facts = "".join(word_fact(kind, names) for kind, names in FACTS.items())
    (folder / "agreement.ts").write_text(_AGREEMENT + facts, "utf-8")
    config = json.loads((EXAMPLE / "tsconfig.json").read_text("utf-8"))
    config["compilerOptions"] |= {
        "types": [str(EXAMPLE / "node_modules" / "@cloudflare" / "workers-types")],
        "skipLibCheck": False,
    }
    config["include"] = [str(USES), str(folder)]
    (folder / "tsconfig.json").write_text(json.dumps(config), "utf-8")
    return compile_with(folder / "tsconfig.json")


def test_compiler_refuses_what_is_wrong_and_nothing_else(
    found: dict[tuple[str, int], str],
) -> None:
    lines = (USES / "wrong.ts").read_text("utf-8").splitlines()
    wrong = {
        ("wrong.ts", number): line.rpartition(" // ")[2]
        for number, line in enumerate(lines, 1)
        if re.search(r"; // TS\d+$", line)
    }

    refused = {place: code for place, code in found.items() if place[0] != "agreement.ts"}

    assert refused == wrong
    assert len(wrong) > 25


@pytest.mark.parametrize("kind", FACTS)
def test_types_say_what_the_worker_takes_and_answers(
    found: dict[tuple[str, int], str], kind: str
) -> None:
    line = _AGREEMENT.count("\n") + [*FACTS].index(kind) + 1

    assert ("agreement.ts", line) not in found, word_fact(kind, FACTS[kind])


def test_compiler_sees_a_fact_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "edgewise.d.ts").write_text('export type Role = "user" | "tool";\n', "utf-8")
    facts = [word_fact("E.Role", names) for names in (["user", "tool"], ["user"], ["user", "x"])]
    (tmp_path / "agreement.ts").write_text(_AGREEMENT + "".join(facts), "utf-8")
    (tmp_path / "tsconfig.json").write_text('{"compilerOptions":{"noEmit":true}}', "utf-8")

    assert compile_with(tmp_path / "tsconfig.json") == {
        ("agreement.ts", 5): "TS1360",
        ("agreement.ts", 6): "TS1360",
    }


def test_example_compiles() -> None:
    assert compile_with(EXAMPLE / "tsconfig.json") == {}
