"""The playground makes of every answer what the corpus says: its modules, run in Node."""

import base64
import json
import re
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from tests.harness import corpus
from tests.harness.corpus import Case, Heard
from tools import prepare

MODULES = prepare.ROOT / "public" / "playground"
# Each answer is asked for as the page does, and put together as a turn does it.
READ_ALL = """
import { readFileSync } from "node:fs";
const folder = process.argv[1];
const { Sender } = await import(`${folder}/request.js`);
const { Calls } = await import(`${folder}/turns.js`);

async function read({ kind, limit, chunks }) {
  const bytes = chunks.map((chunk) => Buffer.from(chunk, "base64"));
  const headers = { "content-type": kind, "x-max-tokens": limit, "x-model": "@cf/m" };
  globalThis.fetch = async () => new Response(ReadableStream.from(bytes), { headers });
  const calls = new Calls();
  let [text, reasoning] = ["", ""];
  const figures = await new Sender().send(null, { stream: true }, "", (piece) => {
    text += piece.text;
    reasoning += piece.reasoning;
    for (const call of piece.calls) calls.add(call);
  });
  const called = calls.gathered.map(({ name, args }) => [name, args.toWellFormed()]);
  return { text: text.toWellFormed(), reasoning: reasoning.toWellFormed(), called, ...figures };
}

const answers = [];
for (const sent of JSON.parse(readFileSync(0, "utf-8"))) answers.push(await read(sent));
process.stdout.write(JSON.stringify(answers));
"""
CODE = re.compile(r" \((\d+)\)$")


def read_all(cases: Sequence[tuple[Case, Sequence[bytes], str]]) -> list[Heard]:
    """Have the playground read answers: each case in chunks, and of a media type."""
    sent = [
        {
            "kind": kind,
            "limit": str(case.max_tokens),
            "chunks": [base64.b64encode(chunk).decode() for chunk in chunks],
        }
        for case, chunks, kind in cases
    ]
    command = [str(prepare.node()), "--input-type=module", "--eval", READ_ALL, "--", str(MODULES)]
    ran = subprocess.run(
        command, input=json.dumps(sent).encode(), stdout=subprocess.PIPE, check=True
    )
    return [understand(answer) for answer in json.loads(ran.stdout)]


def understand(answer: dict[str, Any]) -> Heard:
    """Read what a turn shows in the end; the code of a failure is at its message's end."""
    has_failed = answer["ending"] == "broken"
    code = CODE.search(answer["failure"])
    return Heard(
        answer["text"],
        answer["reasoning"],
        [corpus.call(name, arguments) for name, arguments in answer["called"]],
        answer["reason"] or None,
        {} if has_failed else corpus.usage(**(answer["usage"] or dict.fromkeys(COUNTS))),
        has_failed,
        int(code[1]) if code else None,
    )


COUNTS = ("prompt", "completion", "total")


@pytest.fixture(scope="module")
def whole() -> dict[str, Heard]:
    """What is made of each whole answer."""
    sent = [(case, [(case.whole or "").encode()], "application/json") for case in corpus.WHOLE]
    return dict(zip((case.name for case in corpus.WHOLE), read_all(sent), strict=True))


@pytest.fixture(scope="module")
def streamed() -> dict[tuple[str, int], Heard]:
    """What is made of each stream, by the size of its chunks."""
    cut = [(case, size) for case in corpus.STREAMED for size in corpus.SIZES]
    sent = [(case, [*case.chunks(size)], "text/event-stream") for case, size in cut]
    names = [(case.name, size) for case, size in cut]
    return dict(zip(names, read_all(sent), strict=True))


@pytest.mark.parametrize("case", corpus.WHOLE, ids=lambda case: case.name)
def test_whole_answer_is_read(whole: dict[str, Heard], case: Case) -> None:
    assert whole[case.name] == case.heard


@pytest.mark.parametrize("size", corpus.SIZES)
@pytest.mark.parametrize("case", corpus.STREAMED, ids=lambda case: case.name)
def test_stream_is_read_however_it_is_cut(
    streamed: dict[tuple[str, int], Heard], case: Case, size: int
) -> None:
    assert streamed[case.name, size] == case.heard
