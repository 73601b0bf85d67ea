"""Configurations for workerd itself: a Worker without wrangler around it."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tools import prepare

LOCAL_FLAGS = ("python_workers", "python_workers_development", "experimental")

_NOT_VENDORED = {".pyc", ".pyi"}
_SOCKETS = '[(name = "http", address = "127.0.0.1:0", http = (), service = "worker")]'


class Environment(msgspec.Struct, rename={"variables": "vars"}):
    """What we look at in an environment of wrangler.toml."""

    compatibility_flags: list[str]
    variables: dict[str, object]
    compatibility_date: str = ""
    ai: dict[str, str] = {}
    unsafe: dict[str, object] = {}
    ratelimits: list[dict[str, Any]] = []
    env: dict[str, "Environment"] = {}


def deployment() -> Environment:
    """Read wrangler.toml: production at the top, `make dev` under `env["local"]`."""
    return msgspec.toml.decode((prepare.ROOT / "wrangler.toml").read_bytes(), type=Environment)


def vendored_modules(folder: Path = prepare.PYTHON_MODULES) -> dict[str, Path]:
    """Find the packages of a Worker, by default of ours, by module name."""
    return {
        f"python_modules/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in _NOT_VENDORED
    }


def source_modules() -> dict[str, Path]:
    """Find the Worker's own modules, by module name, the entrypoint first."""
    folder = prepare.ROOT / "src"
    paths = [folder / "entry.py", *sorted((folder / "edgewise").rglob("*.py"))]
    return {path.relative_to(folder).as_posix(): path for path in paths}


def write_config(
    file: Path,
    modules: Mapping[str, Path],
    flags: Sequence[str],
    *,
    variables: Mapping[str, object] | None = None,
    ai_address: str | None = None,
    serves: bool = False,
) -> None:
    """
    Write a configuration with one Worker, for `workerd test` and `workerd serve`.

    Args:
        modules: Module name to file, the main module first.
        flags: Compatibility flags; the date is that of wrangler.toml.
        variables: Name to value.
        ai_address: `host:port` of a Workers AI server; env.AI is the real Ai class over it.
        serves: Whether it listens, on a free port of loopback.
    """
    bindings = word_variables(variables or {})
    services = [
        '(name = "worker", worker = .worker)',
        # fetch() may reach this machine too, as under wrangler.
        '(name = "internet", network = (allow = ["public", "private", "local"]))',
    ]
    if ai_address:
        services.append(f'(name = "ai", external = (address = "{ai_address}", http = ()))')
        bindings.append(word_ai("ai"))
    file.write_text(
        'using Workerd = import "/workerd/workerd.capnp";\n'
        f"const config :Workerd.Config = (services = [{', '.join(services)}],"
        f" sockets = {_SOCKETS if serves else '[]'});\n"
        + word_worker("worker", modules, flags, bindings)
    )


def word_ai(service: str) -> str:
    """Word env.AI: workerd's own Ai class over a service that speaks its protocol."""
    return (
        '(name = "AI", wrapped = (moduleName = "cloudflare-internal:ai-api",'
        f' innerBindings = [(name = "fetcher", service = "{service}")]))'
    )


def word_variables(variables: Mapping[str, object]) -> list[str]:
    """Word variables as bindings of a Worker."""
    return [
        f"(name = {json.dumps(name)}, json = {json.dumps(json.dumps(value))})"
        for name, value in variables.items()
    ]


def word_worker(
    name: str, modules: Mapping[str, Path], flags: Sequence[str], bindings: Sequence[str]
) -> str:
    """
    Word a Worker of a configuration.

    Args:
        modules, flags: As of write_config.
        bindings: Each as a configuration has it.
    """
    embedded = [
        f"(name = {json.dumps(module)}, {_kind(module)} = embed {json.dumps(str(path))})"
        for module, path in modules.items()
    ]
    return (
        f"const {name} :Workerd.Worker = (\n"
        f'  compatibilityDate = "{deployment().compatibility_date}",\n'
        f"  compatibilityFlags = {json.dumps(list(flags))},\n"
        f"  modules = [{', '.join(embedded)}],\n"
        f"  bindings = [{', '.join(bindings)}],\n"
        ");\n"
    )


def _kind(name: str) -> str:
    """Find what a module is, as wrangler does: the Worker's packages are data."""
    if name.startswith("python_modules/"):
        return "data"
    return "esModule" if name.endswith(".js") else "pythonModule"


def command_to_test(file: Path, *arguments: str) -> list[str]:
    """
    Word the command that runs a configuration's Worker's `test` method.

    Args:
        arguments: More of `workerd test`.
    """
    # Absolute paths in a configuration are looked up in the import path.
    return [
        *(str(prepare.WORKERD), "test", str(file), "--experimental", "--import-path=/"),
        *arguments,
    ]


def command_to_serve(file: Path, control: int) -> list[str]:
    """
    Word the command that serves a configuration's Worker.

    Args:
        control: A file descriptor, to which workerd writes a line of JSON once it listens:
            `{"event":"listen","socket":"http","port":...}`.
    """
    return [
        *(str(prepare.WORKERD), "serve", str(file), "--experimental", "--import-path=/"),
        f"--control-fd={control}",
    ]


@contextmanager
def serving(
    file: Path,
    sockets: int = 1,
    command: Callable[[Path, int], list[str]] = command_to_serve,
    on_line: Callable[[str], None] = lambda _line: None,
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """
    Serve a configuration's Worker.

    Args:
        sockets: How many it has.
        command: Words the command.
        on_line: Called with each line that the Worker prints, from another thread.

    Yields:
        The id of workerd, and the address of each socket by its name.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading) as control:
        with os.fdopen(writing, "w"):
            # An interrupt of a terminal is for us, who end it, and not for workerd beside us.
            process = subprocess.Popen(
                command(file, writing),
                pass_fds=[writing],
                stdout=subprocess.PIPE,
                encoding="utf-8",
                start_new_session=True,
            )
        reader = threading.Thread(target=_read_lines, args=[process, on_line])
        reader.start()
        try:
            lines = [control.readline() for _ in range(sockets)]
            assert all(lines), "workerd ended before it listened"
            events = [json.loads(line) for line in lines]
            ports = {event["socket"]: event["port"] for event in events}
            yield process.pid, {name: f"http://127.0.0.1:{ports[name]}" for name in sorted(ports)}
        finally:
            process.kill()
            process.wait()
            reader.join()


def _read_lines(process: "subprocess.Popen[str]", on_line: Callable[[str], None]) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            on_line(line.rstrip("\n"))
