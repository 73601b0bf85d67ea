"""The witness sees what it is there for, however it comes, and nothing else."""

import gzip
import socket
import threading
from collections.abc import Sequence

import httpx
import pytest

from tests.harness.relay import relay
from tests.harness.witness import Witness

KEY, PROMPT = "ew_0123456789abcdef", "c4n4ry"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def answer(status: str, body: str, *heads: str) -> bytes:
    """Word an answer."""
    lines = (f"HTTP/1.1 {status}", f"content-length: {len(body)}", *heads, "", body)
    return "\r\n".join(lines).encode()


def zipped(status: str, body: str) -> bytes:
    """Word an answer that is compressed."""
    document = gzip.compress(body.encode())
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(document)}\r\ncontent-encoding: gzip\r\n\r\n"
    return head.encode() + document


def chunked(status: str, *chunks: str) -> bytes:
    """Word an answer in chunks."""
    said = "".join(f"{len(chunk):x}\r\n{chunk}\r\n" for chunk in (*chunks, ""))
    return f"HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\n\r\n{said}".encode()


FINE = {
    "a model's words": answer("200 OK", f"You said {PROMPT}."),
    "a model's words in chunks": chunked("200 OK", "You said ", PROMPT[:3], PROMPT[3:]),
    "a refusal": answer("400 Bad Request", "prompt: expected a string"),
    "a model's words in gzip": zipped("200 OK", f"You said {PROMPT}."),
    "half a key": answer("200 OK", KEY[:-1]),
    "nothing": answer("204 No Content", ""),
}
DISCLOSING = {
    "a key": (answer("200 OK", f"Your key is {KEY}."), "text 0 in the body of an answer 200"),
    "a key in chunks": (
        chunked("200 OK", f"Your {KEY[:5]}", f"{KEY[5:]}."),
        "text 0 in the body of an answer 200",
    ),
    "a key in a head": (answer("200 OK", "", f"x: {KEY}"), "text 0 in the head of an answer 200"),
    "a prompt in a refusal": (
        answer("400 Bad Request", f"prompt: expected x, got {PROMPT}"),
        "text 1 in the body of an answer 400",
    ),
    "a prompt in a refusal in chunks": (
        chunked("502 Bad Gateway", f'{{"a":"{PROMPT[:1]}', f'{PROMPT[1:]}"}}'),
        "text 1 in the body of an answer 502",
    ),
    "a key in gzip": (
        zipped("200 OK", f"Your key is {KEY}."),
        "text 0 in the body of an answer 200",
    ),
    "a prompt in a refusal in gzip": (
        zipped("400 Bad Request", f"prompt: expected x, got {PROMPT}"),
        "text 1 in the body of an answer 400",
    ),
    "another compression": (
        answer("200 OK", "x", "content-encoding: br"),
        "an answer 200 in br, which nobody reads here",
    ),
    "a prompt in a head": (
        answer("200 OK", "", f"x-ignored: {PROMPT}"),
        "text 1 in the head of an answer 200",
    ),
}


def told_of(*answers: Sequence[bytes]) -> list[str]:
    """What a witness says about answers on one connection, each in pieces."""
    witness = Witness([KEY], [PROMPT])
    connection = witness.watch()
    for pieces in answers:
        connection.asked(GET)
        for piece in pieces:
            connection.answered(piece)
    assert witness.answers == len(answers)
    return [disclosure.rpartition(", ")[0] for disclosure in witness.disclosures]


def cuts(document: bytes) -> list[tuple[bytes, bytes]]:
    """Every way to cut a document in two."""
    return [(document[:at], document[at:]) for at in range(1, len(document))]


@pytest.mark.parametrize("document", FINE.values(), ids=FINE.keys())
def test_answer_that_discloses_nothing_is_let_pass(document: bytes) -> None:
    assert all(told_of(pieces) == [] for pieces in cuts(document))


@pytest.mark.parametrize(("document", "told"), DISCLOSING.values(), ids=DISCLOSING.keys())
def test_answer_that_discloses_is_told_wherever_it_is_cut(document: bytes, told: str) -> None:
    # What lies about a cut may be told twice.
    assert all(set(told_of(pieces)) == {told} for pieces in cuts(document))


def test_answers_on_one_connection_are_told_apart() -> None:
    refusal, told = DISCLOSING["a prompt in a refusal"]
    words = FINE["a model's words"]

    assert told_of([words], [refusal], [words], [refusal]) == [told, told]


def test_what_is_no_http_is_told() -> None:
    witness = Witness([KEY], [PROMPT])

    witness.watch().answered(b"Hello\r\n\r\n")

    assert "not HTTP" in witness.disclosures[0]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param('{"caller":"shop"}', 0, id="a record"),
        pytest.param(f'{{"caller":"{KEY}"}}', 1, id="a key in a record"),
        pytest.param(f'{{"prompt":"{PROMPT}"}}', 1, id="a prompt in a record"),
        pytest.param('{"caller":', 1, id="half a record"),
        pytest.param(f"Error: {PROMPT}", 1, id="a prompt"),
        pytest.param(f"[wrangler:info] GET /{PROMPT} 404 Not Found", 0, id="a path in wrangler's"),
        pytest.param(f"[wrangler:info] GET /{KEY} 404 Not Found", 1, id="a key in wrangler's"),
    ],
)
def test_line_is_read(line: str, told: int) -> None:
    witness = Witness([KEY], [PROMPT])

    witness.read_line(line)

    assert len(witness.disclosures) == told


def test_witness_behind_a_relay_sees_what_a_server_answers() -> None:
    document, told = DISCLOSING["a key"]
    witness = Witness([KEY], [PROMPT])

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(document[:-8])
            connection.sendall(document[-8:])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=[listener])
        server.start()
        with relay(f"http://127.0.0.1:{listener.getsockname()[1]}", witness.watch) as address:
            assert KEY in httpx.get(address, verify=False).text
        server.join()

    assert [disclosure.partition(",")[0] for disclosure in witness.disclosures] == [told]
