"""Workers of others with Edgewise below a path, under the real `wrangler dev`."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.harness.deployments import Deployment, deploy, name_of, unlimited
from tools import prepare

MOUNTING_WORKER = Path(__file__).with_name("mounting_worker.py")


@contextmanager
def deploy_mounting_host(folder: Path, variables: Mapping[str, str]) -> Iterator[Deployment]:
    """
    Run mounting_worker.py, whose binding to Workers AI is named WORDS, with our package beside it.

    Args:
        folder: For all of it.
        variables: Of the host.
    """
    (folder / "host").mkdir()
    shutil.copy(MOUNTING_WORKER, folder / "host")
    shutil.copytree(prepare.ROOT / "src" / "edgewise", folder / "host" / "edgewise")

    def edit(config: str) -> str:
        config = config.replace('main = "src/entry.py"', f'main = "host/{MOUNTING_WORKER.name}"')
        config = config.replace('name = "AI"', 'name = "WORDS"')
        config = re.sub(r"\[assets\].*\n(.+\n)+", "", config)  # its pages are its own
        before, models, _ = config.partition("[[env.local.vars.MODELS]]")
        assert models and "host/" in before and "WORDS" in before and "[assets]" not in before
        return unlimited(before)

    with deploy(folder, variables, edit=edit) as deployment:
        yield deployment


@contextmanager
def deploy_behind_assets(
    folder: Path, prefix: str, assets: Mapping[str, bytes], variables: Mapping[str, str]
) -> Iterator[Deployment]:
    """
    Run a JavaScript Worker with static assets, which has Edgewise answer below a path.

    Args:
        folder: For all of it.
        prefix: Such as `/ai`.
        assets: Path below the site's root to content.
        variables: Of Edgewise.
    """
    host = folder / "site"
    for path, content in assets.items():
        file = host / "public" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (host / "index.js").write_text(_SITE % json.dumps(f"{prefix}/"), "utf-8")
    edgewise = name_of((prepare.ROOT / "wrangler.toml").read_text("utf-8"))
    config = host / "wrangler.toml"
    config.write_text(_SITE_CONFIG % json.dumps(edgewise), "utf-8")
    (folder / "edgewise").mkdir()
    settings = {**variables, "PATH_PREFIX": prefix}
    with deploy(folder / "edgewise", settings, before=[config]) as deployment:
        yield deployment


_SITE = """\
export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    return pathname.startsWith(%s) ? env.TEXT.fetch(request) : new Response("the site's");
  },
};
"""
_SITE_CONFIG = """\
name = "site"
main = "index.js"
compatibility_date = "2026-11-01"

[assets]
directory = "./public"

[env.local]
name = "site"

[[env.local.services]]
binding = "TEXT"
service = %s
"""
