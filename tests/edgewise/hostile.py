"""Bodies and queries that nobody means well: what a caller may send by accident or on purpose."""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

from edgewise.asked.inputs import FIELDS
from edgewise.dialects import API
from edgewise.dialects.cloudflare import CLOUDFLARE
from edgewise.dialects.native import NATIVE
from edgewise.dialects.openai.api import CHAT_FIELDS, COMPLETION_FIELDS, OPENAI
from edgewise.routes import Dialect, dialect_of
from tests.harness.witness import CANARY

MODEL = "@cf/meta/llama-3.1-8b-instruct-fast"
KNOWN = FIELDS | CHAT_FIELDS | COMPLETION_FIELDS


def _address(path: str) -> str:
    return path.replace("{account}", "account").replace("{model}", MODEL)


POSTS = [_address(path) for path, place in API.places.items() if "POST" in place]
GETS = [_address(path) for path in ("/run", "/run/{model}")]

_TEXTS = (
    *("", CANARY, f"{CANARY} \u2028\u2029\0\x7f\r\n", f"\ud83d{CANARY}", f"{CANARY}é😀" * 20),
    *(f'"{CANARY}\\', f"data: {CANARY}\n\n", f"<script>{CANARY}</script>", f"%00{CANARY}%"),
)
_NAMES = (
    *("", "type", "role", "content", "text", "name", "function", "arguments", "parameters"),
    *("properties", "description", "json_schema", "schema", "include_usage", "$ref"),
    *("__class__", "__proto__", "constructor", "a.b", "messages[0].role", "rejectIfBusy"),
    *("a" * 65, CANARY * 20, f"{CANARY},", f"\n{CANARY}", f"\u2028{CANARY}", "é"),
)
_NUMBERS = (
    *(0, 1, -1, 2, 5, 50, 256, 2049, -0.0, 0.5, 1e-300, 1e300),
    *(2**53, 2**63, -(2**64), 10**25, 10**300),
)
_ROLES = ("system", "developer", "user", "assistant", "tool")

_ASKED: Sequence[dict[str, object]] = (
    {"prompt": CANARY, "raw": True, "temperature": 0.5, "seed": 1, "lora": CANARY},
    {"messages": [{"role": "user", "content": CANARY}], "stream": True, "max_tokens": 5},
    {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": CANARY}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": CANARY, "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": CANARY, "content": CANARY},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": CANARY,
                    "parameters": {
                        "type": "object",
                        "properties": {CANARY: {"anyOf": [{"$ref": "#/$defs/a"}]}},
                        "required": [CANARY],
                        "$defs": {"a": {"enum": [CANARY, None]}},
                    },
                },
            },
            {"name": CANARY, "parameters": {"properties": {CANARY: {"type": ["null", "string"]}}}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
    },
    {
        "messages": [{"role": "user", "content": CANARY}],
        "response_format": {"type": "json_schema", "json_schema": {"name": CANARY, "schema": {}}},
        "stop": [CANARY],
        "stream": True,
        "stream_options": {"include_usage": True},
        "n": 1,
        "logit_bias": {},
        "user": CANARY,
    },
    {"prompt": [CANARY], "max_completion_tokens": 5, "stop": CANARY, "echo": False, "suffix": ""},
    {
        "messages": [{"role": "user", "content": CANARY}],
        "functions": [{"name": CANARY, "code": CANARY}],
        "options": {"rejectIfBusy": True},
    },
)
_GOOD = [json.dumps(body) for body in _ASKED]
_TOP = sorted(KNOWN)
_SCALARS = ("raw", "stream", "max_tokens", "temperature", "top_p", "top_k", "seed", "lora", "model")
_TOKENS: Sequence[bytes] = (
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"\\u", b"\\ud800", b"null", b"true", b"0"),
    *(b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"-", b".", b"e", b"\0", b"\n", b"\r", b"\x7f"),
    *(b"\xff", b"\xed\xa0\x80", b"\xf0\x9f", b"\xc0\xaf", b"\xef\xbb\xbf", b"\xe2\x80\xa8"),
    *(b"[" * 70, b'{"a":' * 70, b'"prompt":', b'"messages":[', b'"' + CANARY.encode() + b'"', b" "),
)


def _fill(before: bytes, unit: bytes, size: int, after: bytes = b"") -> bytes:
    return before + unit * (size // len(unit)) + after


def _tool(properties: bytes) -> bytes:
    """Ask with a tool that has these parameters."""
    return (
        b'{"model":"' + MODEL.encode() + b'","messages":[{"role":"user","content":"a"}],'
        b'"tools":[{"name":"f","parameters":{"properties":' + properties + b"}}]}"
    )


def corpus(limit: int) -> Mapping[str, bytes]:
    """
    Collect bodies that have brought servers down.

    Args:
        limit: Bytes, the longest body that is read. Several are about as long.
    """
    size = limit - 200
    canary = CANARY.encode()
    ask = b'{"model":"' + MODEL.encode() + b'","prompt":"' + canary + b'",'
    say = b'{"model":"' + MODEL.encode() + b'","messages":[{"role":"user","content":"a"'
    nines = b"9" * min(size, 1_000_000)
    references = [b'"p%d":{"$ref":"#/properties/z"}' % number for number in range(2_000)]
    properties = b",".join(b'"p%d":{"type":"string"}' % number for number in range(size // 30))
    return {
        "nothing": b"",
        "white space": _fill(b"", b" \n\t\r", size),
        "arrays that open": _fill(b"", b"[", size),
        "objects that open": _fill(b"", b'{"a":', size),
        "arrays": b"[" * (size // 2) + b"]" * (size // 2),
        "arrays in an unknown field": _fill(ask + b'"x":', b"[", size),
        "arrays in messages": _fill(b'{"messages":', b"[", size),
        "arrays in quotes": _fill(ask + b'"x":"', b"[", size, b'"}'),
        "an array of arrays": _fill(ask + b'"x":[', b"[],", size, b"0]}"),
        "64 levels": ask + b'"x":' + b"[" * 63 + b"]" * 63 + b"}",
        "65 levels": ask + b'"x":' + b"[" * 64 + b"]" * 64 + b"}",
        "brackets in escapes": _fill(ask + b'"x":"', b'\\"[', size, b'"}'),
        "escapes": _fill(b'{"prompt":"', b"\\u0041", size, b'"}'),
        "NUL": ask + b'"lora":"\\u0000' + canary + b'"}',
        "a bare NUL": b'{"prompt":"\0' + canary + b'"}',
        "U+2028": ask + '"lora":"\u2028\u2029"}'.encode(),
        "half a pair": b'{"prompt":"\\ud800' + canary + b'"}',
        "half a pair in an unknown field": ask + b'"x":"\\udc00"}',
        "half a pair in a name": ask + b'"\\ud800' + canary + b'":1}',
        "half a pair in a name of a message": say + b',"\\ud800":1}]}',
        "half a pair in UTF-8": b'{"prompt":"\xed\xa0\x80"}',
        "Latin-1": b'{"prompt":"\xe9' + canary + b'"}',
        "Latin-1 in an unknown field": ask + b'"x":"\xe9"}',
        "Latin-1 in a name": ask + b'"\xe9":1}',
        "Latin-1 in a name of a message": say + b',"\xe9":1}]}',
        "overlong": b'{"prompt":"\xc0\xaf"}',
        "half a character": b'{"prompt":"\xf0\x9f\x98',
        "UTF-16": json.dumps({"prompt": CANARY}).encode("utf-16"),
        "UTF-32": json.dumps({"prompt": CANARY}).encode("utf-32"),
        "a byte order mark": b"\xef\xbb\xbf" + ask + b'"x":1}',
        "gzip": b"\x1f\x8b\x08\x00" + canary,
        "a form": b"prompt=" + canary + b"&stream=true",
        "a NaN": ask + b'"temperature":NaN}',
        "an Infinity": ask + b'"temperature":-Infinity}',
        "a NaN in an unknown field": ask + b'"x":NaN}',
        "1e999": ask + b'"temperature":1e999}',
        "1e999 in an unknown field": ask + b'"x":1e999}',
        "1e999 in a schema": say + b'}],"tools":[{"name":"f","parameters":{"x":-1e999}}]}',
        "1e-999": ask + b'"temperature":1e-999}',
        "an exponent": ask + b'"temperature":1e' + nines + b"}",
        "many digits": ask + b'"max_tokens":' + nines + b"}",
        "many digits of a seed": ask + b'"seed":-' + nines + b"}",
        "many digits of a temperature": ask + b'"temperature":' + nines + b"}",
        "many digits behind the point": ask + b'"temperature":0.' + nines + b"}",
        "many digits in an unknown field": ask + b'"x":' + nines + b"}",
        "many digits in a schema": say + b'}],"tools":[{"name":"f","parameters":{"x":' + nines,
        "many digits of n": ask + b'"n":' + nines + b"}",
        "leading noughts": ask + b'"max_tokens":' + b"0" * (size // 2) + b"1}",
        "a field twice": ask + b'"prompt":5,"prompt":"' + canary + b'"}',
        "a field many times": _fill(ask, b'"prompt":"a",', size, b'"prompt":"a"}'),
        "messages many times": _fill(b"{", b'"messages":[],', size, b'"messages":[]}'),
        "unknown fields": ask
        + b",".join(b'"%d":1' % number for number in range(size // 12))
        + b"}",
        "many messages": _fill(
            b'{"messages":[', b'{"role":"user","content":"a"},', size, b'{"role":"user"}]}'
        ),
        "many good messages": _fill(
            *(say + b"},", b'{"role":"user","content":"a"},', size),
            b'{"role":"user","content":"a"}]}',
        ),
        "many tool calls": _fill(
            say + b'},{"role":"assistant","tool_calls":[',
            b'{"function":{"name":"f","arguments":{"a":1}}},',
            *(size, b'{"name":"f","arguments":"{}"}]}]}'),
        ),
        "many unknown fields of messages": _fill(
            b'{"messages":[', b'{"role":"user","content":"","x":1},', size, b"{}]}"
        ),
        "many parts": _fill(say[:-3] + b"[", b'{"type":"text","text":""},', size, b"5]}]}"),
        "many tools": _fill(say + b'}],"tools":[', b'{"name":"f"},', size, b'{"name":"f"}]}'),
        "many parameters": _tool(b"{" + properties + b"}"),
        # 120 ways at each step, of which a few steps make millions.
        "a schema that leads into itself": _tool(
            b'{"a":{"anyOf":[' + b",".join([b'{"$ref":"#/properties/a"}'] * 120) + b"]}}"
        ),
        "many parameters with the same long way": _tool(
            b'{"z":{"anyOf":['
            + b",".join([b'{"type":"null"}'] * 2_000)
            + b',{"type":"string"}]},'
            + b",".join(references)
            + b"}"
        ),
        "a long reference": _tool(_fill(b'{"a":{"$ref":"#', b"/a", size, b'"}}')),
        "a long name": ask + b'"' + canary * (size // len(canary)) + b'":1}',
        "a long name of a message": say + b',"' + canary * (size // 10) + b'":1}]}',
        "a long prompt": _fill(b'{"prompt":"', canary, size, b'"}'),
        "a long prompt of words": _fill(b'{"prompt":"', b"a ", size, b'"}'),
        "a long model": _fill(b'{"prompt":"a","model":"', canary, size, b'"}'),
        "a long role": _fill(b'{"messages":[{"content":"a","role":"', canary, size, b'"}]}'),
        "long stop texts": _fill(ask + b'"stop":"', canary, size, b'"}'),
        "as long as may be": ask + b'"x":"' + b"a" * (limit - len(ask) - 7) + b'"}',
        "too long": b" " * (limit + 1),
    }


def query_corpus(size: int) -> Mapping[str, str]:
    """
    Collect queries of the same kind.

    Args:
        size: Characters, of the longest.
    """
    return {
        "nothing": "",
        "a name alone": "prompt",
        "no name": f"={CANARY}",
        "ampersands": "&" * size,
        "equals signs": "=" * size,
        "percent signs": "%" * size,
        "half a code": f"prompt={CANARY}%f",
        "Latin-1": f"prompt={CANARY}%e9",
        "half a pair": f"prompt={CANARY}%ed%a0%80",
        "NUL": f"prompt=%00{CANARY}%00",
        "U+2028": f"prompt={CANARY}%e2%80%a8",
        "lines": f"prompt={CANARY}%0d%0adata:%20{CANARY}%0a%0a",
        "a long prompt": "prompt=" + CANARY * (size // len(CANARY) - 2),
        "a long prompt of words": "prompt=" + "a+" * (size // 2 - 4),
        "a long name": CANARY * (size // len(CANARY) - 2) + "=1",
        "a long code": "prompt=" + "%41" * (size // 3 - 4),
        "many names": "prompt=a&" + "&".join(f"{number}=1" for number in range(size // 8)),
        "a name many times": "&".join(["prompt=a"] * (size // 9)),
        "an unknown name twice": f"prompt=a&{CANARY}=1&{CANARY}=2",
        "many digits": "prompt=a&max_tokens=" + "9" * (size - 30),
        "many digits of a temperature": "prompt=a&temperature=" + "9" * (size - 30),
        "1e999": "prompt=a&temperature=1e999",
        "a NaN": "prompt=a&temperature=NaN",
        "an Infinity": "prompt=a&top_p=-Infinity",
        "digits of another script": "prompt=a&seed=%d9%a3",
        "messages": 'messages=[{"role":"user","content":"a"}]'.translate(_CODES),
        "tools": "prompt=a&tools=[]",
        "options": "prompt=a&options={}".translate(_CODES),
        "no stream": "prompt=a&stream=false",
        "brackets": "prompt=a&x=" + "[" * (size - 20),
        "semicolons": f"prompt={CANARY};stream=false;",
    }


# What a client encodes before it sends it.
_CODES = {ord(sign): quote(sign) for sign in '"{}<> '}


@dataclass(frozen=True, slots=True)
class Case:
    """
    A request.

    Attributes:
        query: Percent-encoded, without the question mark.
    """

    method: str
    path: str
    query: str = ""
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.path}?{self.query[:500]} {self.body[:500]!r}"


class Malice:
    """Makes one case after the other, always the same for a seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def cases(self, method: str, path: str) -> Iterator[Case]:
        """Ask one after the other of a path."""
        bodies = (*[self._mutated] * 3, self._damaged, self._any, self._bytes)
        while True:
            if method == "GET":
                yield Case(method, path, query=self._query())
            else:
                yield Case(method, path, body=self._chance.choice(bodies)(path))

    def _value(self, depth: int = 3) -> object:
        kind = self._chance.randrange(8 if depth else 5)
        if kind == 0:
            return self._chance.choice((None, True, False))
        if kind <= 2:
            return self._chance.choice(_NUMBERS)
        if kind <= 4:
            return self._chance.choice(_TEXTS if kind == 3 else _ROLES)
        if kind <= 6:
            return [self._value(depth - 1) for _ in range(self._chance.randrange(4))]
        return {self._chance.choice(_NAMES): self._value(depth - 1) for _ in range(kind - 5)}

    def _encode(self, value: object) -> bytes:
        is_ascii = self._chance.random() < 0.5
        return json.dumps(value, ensure_ascii=is_ascii).encode(errors="surrogatepass")

    def _good(self, path: str) -> dict[str, object]:
        if dialect_of(API, path) is not OPENAI:
            body: dict[str, object] = json.loads(self._chance.choice(_GOOD))
            return body
        known = CHAT_FIELDS if path.endswith("chat/completions") else COMPLETION_FIELDS
        # A text without the field would be told so, and of nothing else.
        field = "messages" if "messages" in known else "prompt"
        asked = json.loads(self._chance.choice([body for body in _GOOD if f'"{field}"' in body]))
        return {name: value for name, value in asked.items() if name in known} | {"model": MODEL}

    def _mutated(self, path: str) -> bytes:
        """Change up to three values of a good body, or take them away."""
        body = self._good(path)
        for _ in range(self._chance.randrange(4)):
            places = list(_places(body))
            if not places:
                break
            holder, key = self._chance.choice(places)
            if self._chance.random() < 0.2:
                del holder[key]
            else:
                holder[key] = self._value()
        if self._chance.random() < 0.3:
            body[self._chance.choice(_TOP)] = self._value(2)
        return self._encode(body)

    def _damaged(self, path: str) -> bytes:
        """Write something over a few bytes of a good body."""
        document = self._encode(self._good(path))
        for _ in range(1 + self._chance.randrange(3)):
            start = self._chance.randrange(len(document))
            end = start + self._chance.choice((0, 0, 1, 2, 30))
            document = document[:start] + self._chance.choice(_TOKENS) + document[end:]
        return document

    def _any(self, _path: str) -> bytes:
        return self._encode(self._value(4))

    def _bytes(self, _path: str) -> bytes:
        if self._chance.random() < 0.5:
            return self._chance.randbytes(self._chance.randrange(40))
        return b"".join(self._chance.choices(_TOKENS, k=self._chance.randrange(20)))

    def _query(self) -> str:
        pairs = [("prompt", CANARY)] if self._chance.random() < 0.7 else []
        for _ in range(self._chance.randrange(4)):
            name = self._chance.choice(self._chance.choice((_TOP, _SCALARS, _NAMES)))
            pairs.append((name, str(self._value(1))))
        query = "&".join(
            f"{quote(name, safe='', errors='surrogatepass')}={quote(text, errors='surrogatepass')}"
            for name, text in pairs
        )
        if CANARY not in query:  # what it splits may become a name, and names are told
            at = self._chance.randrange(len(query) + 1)
            query = (
                query[:at]
                + self._chance.choice(("%", "&", "=", "%ff", "%00", "+", ";", "%u"))
                + query[at:]
            )
        return query


def _places(holder: object) -> Iterator[tuple[dict[object, object], object]]:
    """Find all that can be changed, in lists too: they are changed in the same way."""
    pairs = list(
        holder.items()
        if isinstance(holder, dict)
        else enumerate(holder)
        if isinstance(holder, list)
        else ()
    )
    for key, value in pairs:
        yield cast(dict[object, object], holder), key
        yield from _places(value)


def judge(
    case: Case, status: int, headers: Mapping[str, str], text: str, upstream: Sequence[int] = ()
) -> None:
    """
    Judge an answer.

    Args:
        text: The body.
        upstream: Codes of Workers AI that it may tell instead of a place.

    Raises:
        AssertionError: It is a failure, is not in the words of its path, does not say where the
            request is wrong, or says what the caller wrote.
    """
    assert 200 <= status < 300 or 400 <= status < 500, f"{status} {text}"
    assert CANARY not in text, text
    assert CANARY not in str(headers), headers
    assert all(value.isascii() and value.isprintable() for value in headers.values()), headers
    if headers["content-type"] == "text/event-stream":
        assert status == 200
        return
    assert headers["content-type"] == "application/json"
    dialect = dialect_of(API, case.path)
    if status < 300:
        assert _PARTS[dialect.name] == json.loads(text).keys()
        return
    message, param = _read_error(dialect, text)
    if any(message.endswith(f", code {code})") for code in upstream):
        return
    assert len(message) < _LONGEST_MESSAGE, message
    where = message.partition(":")[0]
    if param is not None:
        assert where == param
    if where not in ("body", "query", "prompt, messages"):
        root = re.split(r"[.\[]", where)[0]
        assert root in KNOWN or message == f"{where}: unknown field", message


_LONGEST_MESSAGE = 300
_PARTS: Mapping[str, set[str]] = {
    NATIVE.name: {"model", "response", "usage", "finish_reason", "truncated"},
    CLOUDFLARE.name: {"result", "success", "errors", "messages"},
    OPENAI.name: {"id", "object", "created", "model", "choices", "usage"},
}


def _read_error(dialect: Dialect, text: str) -> tuple[str, str | None]:
    body = json.loads(text)
    if dialect is CLOUDFLARE:
        assert body | {"errors": []} == {
            "result": None,
            "success": False,
            "errors": [],
            "messages": [],
        }
        (error,) = body["errors"]
        assert error.keys() == {"code", "message"}
        assert type(error["code"]) is int
        return error["message"], None
    assert body.keys() == {"error"}
    error = body["error"]
    if dialect is OPENAI:
        assert error.keys() - {"upstream_code"} == {"message", "type", "param", "code"}
    else:
        assert error.keys() - {"param", "upstream_code"} == {"code", "message"}
    return error["message"], error.get("param")
