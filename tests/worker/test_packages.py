"""The packages as they are built, and what is written about them."""

import email
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from email.message import Message
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement

import prepare
from runtime.process import Server
from tests.worker.machinery import wait_until
from tests.worker.pages import commands_of, is_as_shown
from workers_ai.scripts import Reply

PLUGIN = prepare.ROOT / "local" / "miniflare-plugin"
PAGE = (prepare.ROOT / "docs" / "local-workers-ai.md").read_text("utf-8")
COMMAND = str(prepare.VENV / "bin" / "workers-ai-local")


def build(source: Path, folder: Path) -> Path:
    """Build a wheel offline."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-cache-dir"),
            *("--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source),
        ],
        cwd=folder,
        env=prepare.environment(),
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel() -> Iterator[zipfile.ZipFile]:
    """The wheel of workers-ai-local, built from a copy of its folder."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source"
        shutil.copytree(prepare.WORKERS_AI, source, ignore=shutil.ignore_patterns("__pycache__"))
        with zipfile.ZipFile(build(source, Path(name))) as archive:
            yield archive


@pytest.fixture(scope="module")
def edgewise_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of edgewise, built from the checkout as it is."""
    return build(prepare.ROOT, tmp_path_factory.mktemp("wheel"))


def metadata(wheel: zipfile.ZipFile) -> Message:
    """What the wheel says of itself; its payload is the description."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_string(wheel.read(name).decode())


def test_wheel_holds_the_modules_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    files = {name for name in wheel.namelist() if ".dist-info/" not in name}

    modules = {f"workers_ai/{path.name}" for path in prepare.WORKERS_AI.glob("*.py")}
    assert files == modules | {"workers_ai/py.typed"}


def test_wheel_has_the_command(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))

    assert wheel.read(name).decode().split("\n") == [
        "[console_scripts]",
        "workers-ai-local = workers_ai.__main__:main",
        "",
    ]


def test_readme_is_the_wheel_s_description(wheel: zipfile.ZipFile) -> None:
    said = metadata(wheel)

    assert said["Description-Content-Type"] == "text/markdown"
    assert said.get_payload() == (prepare.WORKERS_AI / "README.md").read_text("utf-8")


def test_edgewise_is_its_modules_and_nothing_else(edgewise_wheel: Path) -> None:
    with zipfile.ZipFile(edgewise_wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}

    source = prepare.ROOT / "src" / "edgewise"
    parts = [*source.rglob("*.py"), source / "py.typed"]
    assert len(parts) > 30
    assert files == {path.relative_to(source.parent).as_posix() for path in parts}


def test_edgewise_asks_for_ranges_and_for_nothing_else(edgewise_wheel: Path) -> None:
    with zipfile.ZipFile(edgewise_wheel) as archive:
        said = metadata(archive)

    asked = [Requirement(text) for text in said.get_all("Requires-Dist", [])]
    assert sorted((it.name, str(it.specifier)) for it in asked) == [
        ("msgspec", "<0.23,>=0.22"),
        ("workers-runtime-sdk", "<2,>=1.9.5"),
    ]
    assert said.get_payload() == (prepare.ROOT / "README.md").read_text("utf-8")


def test_edgewise_installed_beside_msgspec_reads_prompts_on_cpython(
    edgewise_wheel: Path, tmp_path: Path
) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
            *("--target", tmp_path, edgewise_wheel),
        ],
        env=prepare.environment(),
        check=True,
    )
    (tmp_path / "msgspec").symlink_to(msgspec.__path__[0])
    program = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import edgewise, edgewise.prompt, edgewise.settings\n"
        "settings = edgewise.settings.read_settings('{}')\n"
        'told = edgewise.prompt.parse(b\'{"prompt":"Hello"}\', None, settings)\n'
        "print(edgewise.__file__, edgewise.VERSION, told.max_tokens)\n"
    )

    # Alone: neither the checkout nor what its environment has installed.
    said = run(tmp_path, sys.executable, "-I", "-S", "-c", program)

    version = edgewise_wheel.name.split("-")[1]
    assert said.split() == [str(tmp_path / "edgewise" / "__init__.py"), version, "256"]


def test_packages_have_one_version(wheel: zipfile.ZipFile, edgewise_wheel: Path) -> None:
    edgewise = tomllib.loads((prepare.ROOT / "pyproject.toml").read_text("utf-8"))
    plugin = json.loads((PLUGIN / "package.json").read_text("utf-8"))
    version = edgewise["project"]["version"]

    assert metadata(wheel)["Version"] == plugin["version"] == version
    assert edgewise_wheel.name == f"edgewise-{version}-py3-none-any.whl"


def test_what_the_server_needs_is_pinned_among_the_tools() -> None:
    project = tomllib.loads((prepare.WORKERS_AI / "pyproject.toml").read_text("utf-8"))
    pinned = dict(
        re.findall(
            r"^([\w.-]+)==(\S+)",
            (prepare.ROOT / "requirements" / "tools.txt").read_text("utf-8"),
            re.MULTILINE,
        )
    )
    needed = project["project"]["dependencies"] + project["build-system"]["requires"]

    unmet = [
        text
        for text in needed
        if (it := Requirement(text)).name not in pinned or pinned[it.name] not in it.specifier
    ]

    assert needed
    assert unmet == []


def test_plugin_s_package_holds_what_it_needs_and_nothing_else() -> None:
    with tempfile.TemporaryDirectory() as name:
        printed = subprocess.run(
            [prepare.VENV / "bin" / "npm", "pack", PLUGIN, "--dry-run", "--json"],
            cwd=name,
            env=prepare.environment() | {"npm_config_cache": name},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        ).stdout

    (package,) = json.loads(printed)
    assert {file["path"] for file in package["files"]} == {
        *("LICENSE", "README.md", "index.mjs", "package.json"),
    }


def test_license_goes_with_each_package(wheel: zipfile.ZipFile, edgewise_wheel: Path) -> None:
    license_text = (prepare.ROOT / "LICENSE").read_bytes()

    assert (PLUGIN / "LICENSE").read_bytes() == license_text
    with zipfile.ZipFile(edgewise_wheel) as archive:
        for each in (wheel, archive):
            (name,) = (name for name in each.namelist() if name.endswith("/licenses/LICENSE"))
            assert each.read(name) == license_text


@pytest.mark.parametrize("field", Reply.__struct_fields__)
def test_page_explains_each_field_of_a_reply(field: str) -> None:
    assert re.search(rf"^\| `{field}` \| ", PAGE, re.MULTILINE)


def test_page_shows_what_the_commands_answer(servers: ExitStack, tmp_path: Path) -> None:
    (tmp_path / "replies.toml").write_text(textwrap.dedent(block_with("[[reply]]")), "utf-8")
    (tmp_path / "bad.toml").write_text('[[reply]]\ntext = "Hello"\ntimes = 0\n', "utf-8")
    address = ""

    for command, shown in commands_of(PAGE):
        words = shlex.split(command)
        if command == "workers-ai-local" or "11434" in command:
            continue  # what it says depends on the machine
        if words[0] == "curl":
            words = [word.replace("http://127.0.0.1:8789", address) for word in words]
            said = run(tmp_path, "curl", "--silent", *words[1:])
        elif not shown or "Workers AI on http" in shown:
            address = serve(servers, tmp_path, words[1:])
            continue
        else:
            said = run(tmp_path, COMMAND, *words[1:])

        assert is_as_shown(said, shown), f"{command}\n{said}"


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """Ends what is started."""
    with ExitStack() as stack:
        yield stack


def block_with(text: str) -> str:
    """The code block of the page that holds a text."""
    (block,) = (
        block for block in re.findall(r"^(?:    .*\n|\n)+", PAGE, re.MULTILINE) if text in block
    )
    return str(block).partition("    $ ")[0]


def serve(servers: ExitStack, folder: Path, options: list[str]) -> str:
    """Start the server that a command starts, on any free port; its address."""
    server = Server(
        [COMMAND, "--engine", "off", *options, "--port", "0", "--tokens-per-second", "0"],
        re.compile(r"Workers AI on (?P<address>\S+)"),
        environment=os.environ | {"AI_REPLIES": ""},
        cwd=folder,
    )
    servers.callback(server.stop)
    wait_until(lambda: bool(server.address) or not server.process.is_running())
    assert server.address, server.stop()
    return server.address


def run(folder: Path, *command: str) -> str:
    """What a command prints, whether it fails or not."""
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ).stdout
