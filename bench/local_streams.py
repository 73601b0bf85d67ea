"""
How fast the local Workers AI streams: frames a second, beside a bare server of the same bytes.

Each runs in its own process, and this one reads them in turns, so that only the ratio says
something of the server: the machine and this reader are part of every figure.
"""

import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx

from tools import prepare
from tools.runtime.process import Server

STREAMS = 500
TOKENS = 1000
ROUNDS = 5
_PATH = "/client/v4/accounts/bench/ai/run/@cf/meta/llama-3.1-8b-instruct-fast"
_READY = re.compile(r"on (?P<address>http://\S+)")
_BARE = """
import sys, uvicorn
from pathlib import Path

body = Path(sys.argv[1]).read_bytes()

async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/event-stream")]})
    for start in range(0, len(body), 16_384):
        chunk = body[start : start + 16_384]
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})

config = uvicorn.Config(app, port=0, log_level="info", lifespan="off", backlog=2048)
uvicorn.Server(config).run()
"""


async def read_stream(address: str, request: bytes) -> int:
    """Read one stream to its end and count its frames."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = await reader.read(-1)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"), answer[-200:]
    return answer.count(b"data: {")


async def read_streams(address: str) -> tuple[int, float]:
    """
    Read many at once.

    Returns:
        How many frames came, and in how many seconds.
    """
    body = json.dumps({"prompt": "Hello", "stream": True, "max_tokens": TOKENS}).encode()
    head = f"POST {_PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    loop = asyncio.get_running_loop()
    start = loop.time()
    counts = await asyncio.gather(*(read_stream(address, request) for _ in range(STREAMS)))
    assert set(counts) == {TOKENS + 1}, "each token in a frame, and the usage"
    return sum(counts), loop.time() - start


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(command: list[str]) -> Server:
    """Start a server and wait until it listens."""
    server = Server(command, _READY, environment=prepare.environment(), cwd=prepare.ROOT)
    while not server.ready and server.process.is_running():
        os.sched_yield()
    assert server.ready, server.stop()
    return server


def main() -> int:
    """Measure, and print one line of JSON."""
    servers: dict[str, Server] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            ours = servers["workers-ai-local"] = start(
                [
                    str(prepare.VENV / "bin" / "workers-ai-local"),
                    *("--port", "0", "--engine", "off", "--tokens-per-second", "0"),
                ]
            )
            reply = {"text": "word " * TOKENS, "times": "always"}
            httpx.post(f"{ours.address}/_local/replies", json=reply).raise_for_status()
            inputs = {"prompt": "Hello", "stream": True, "max_tokens": TOKENS}
            body = Path(folder) / "body"
            body.write_bytes(httpx.post(f"{ours.address}{_PATH}", json=inputs).content)
            program = Path(folder) / "bare.py"
            program.write_text(_BARE)
            servers["bare uvicorn"] = start([sys.executable, str(program), str(body)])
            print(json.dumps(measure(servers), indent=1))
        finally:
            for server in servers.values():
                server.stop()
    return 0


def measure(servers: Mapping[str, Server]) -> dict[str, object]:
    """Read both in turns; medians of frames a second and of processor time a frame."""
    rates: dict[str, list[float]] = {name: [] for name in servers}
    costs: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name, server in servers.items():
            before = cpu_seconds(server.process.pid)
            frames, seconds = asyncio.run(read_streams(server.address))
            rates[name].append(frames / seconds)
            costs[name].append((cpu_seconds(server.process.pid) - before) / frames * 1e6)
    ours, bare = (statistics.median(costs[name]) for name in servers)
    return {
        "streams at once": STREAMS,
        "tokens a stream": TOKENS,
        "frames a second": {name: round(statistics.median(rates[name])) for name in servers},
        "processor microseconds a frame": {"workers-ai-local": ours, "bare uvicorn": bare},
        "processor time, ours over bare": round(ours / bare, 2),
        "frames a second of one core": round(1e6 / ours),
    }
