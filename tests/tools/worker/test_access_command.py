"""`make access`, as a person starts it."""

import base64
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.harness.processes import is_running, wait_until
from tools import prepare
from tools.runtime.process import descendants

_DAY_S = 86_400


def start(**variables: str) -> "subprocess.Popen[str]":
    """Start `make access`."""
    return subprocess.Popen(
        ["make", "--no-print-directory", "access"],
        cwd=prepare.ROOT,
        env={**os.environ, "ACCESS_PORT": "", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@contextmanager
def access() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """
    Run `make access` up to where it says how to end it.

    Yields:
        The process and what it has printed.
    """
    process = start()
    too_late = threading.Timer(60, os.killpg, (process.pid, signal.SIGKILL))
    too_late.start()
    try:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "Ctrl-C ends it." in line:
                break
        yield process, printed
    finally:
        too_late.cancel()
        process.terminate()
        process.communicate()


def variable(printed: str, name: str) -> str:
    """The value of a line for .dev.vars."""
    (value,) = re.findall(rf'^  {name}="(.*)"$', printed, re.MULTILINE)
    assert isinstance(value, str)
    return value


def header(printed: str) -> tuple[str, str]:
    """The name and the value of the header that curl is told to send."""
    (command,) = re.findall(r"^  (curl http://localhost:8787/run .*)$", printed, re.MULTILINE)
    words = shlex.split(command)
    name, _, value = words[words.index("-H") + 1].partition(": ")
    return name, value


def decode(part: str) -> bytes:
    """Read base64url without its padding."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_access_prints_a_token_that_its_keys_verify() -> None:
    with access() as (_, printed):
        issuer = variable(printed, "ACCESS_TEAM")
        (key,) = httpx.get(f"{issuer}/cdn-cgi/access/certs", verify=False).json()["keys"]

    name, token = header(printed)
    signed, _, signature = token.rpartition(".")
    head, claims = (json.loads(decode(part)) for part in signed.split("."))
    e, n = (int.from_bytes(decode(key[number])) for number in ("e", "n"))
    public = rsa.RSAPublicNumbers(e, n).public_key()
    public.verify(decode(signature), signed.encode(), padding.PKCS1v15(), SHA256())
    assert name == "cf-access-jwt-assertion"
    assert head["kid"] == key["kid"]
    assert claims["iss"] == issuer
    assert claims["aud"] == [variable(printed, "ACCESS_AUD")]
    assert re.fullmatch("[0-9a-f]{64}", variable(printed, "ACCESS_AUD"))
    assert _DAY_S - 60 < claims["exp"] - time.time() <= _DAY_S


def test_access_ends_on_an_interrupt_and_leaves_nothing() -> None:
    with access() as (process, printed):
        issuer = variable(printed, "ACCESS_TEAM")
        started = descendants(process.pid)
        # A client that keeps its connection, as the Worker does.
        with httpx.Client(verify=False, base_url=issuer) as client:
            status = client.get("/cdn-cgi/access/certs").status_code
            os.killpg(process.pid, signal.SIGINT)
            rest, _ = process.communicate(timeout=30)

    assert status == 200
    assert any("access_issuer" in command for command in started.values())
    assert "Traceback" not in rest
    wait_until(lambda: not any(is_running(pid) for pid in started))
    with pytest.raises(httpx.ConnectError):
        httpx.get(issuer, verify=False)


def test_access_is_for_this_machine_only() -> None:
    with access() as (_, printed):
        issuer = variable(printed, "ACCESS_TEAM")
        port = issuer.rpartition(":")[2]

        answer = httpx.get(
            f"{issuer}/cdn-cgi/access/certs", headers={"host": "evil.example"}, verify=False
        )
        assert answer.status_code == 403
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.2:{port}/cdn-cgi/access/certs", verify=False)


def test_access_on_a_bad_port_says_so() -> None:
    printed, _ = start(ACCESS_PORT="http").communicate(timeout=60)

    assert printed.startswith("ACCESS_PORT: expected a number from 0 to 65535, got 'http'\n")
    assert "Traceback" not in printed
