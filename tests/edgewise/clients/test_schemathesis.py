"""Schemathesis: asks for whatever the API's document allows and forbids, and judges each answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.conversation import ACCOUNT, FAST
from tests.harness.shared import Worker
from tools import prepare

pytestmark = pytest.mark.thorough

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "allow_header_conformance",
]
# Made-up ones would end at 404.
SETTINGS = f"""
[parameters]
"path.account" = "{ACCOUNT}"
"path.model" = "{FAST}"
"""
# The same jobs at other paths.
ALIASES = "/ai/v1/"


def test_every_answer_is_as_the_document_says(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)

    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{worker.address}/openapi.json"),
            *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"),
            *("--generation-deterministic", "--max-examples", "10"),
            *("--exclude-path-regex", ALIASES),
            *("--suppress-health-check", "all", "--warnings", "off", "--no-color"),
            *("--report-json-path", "report.json"),
        ],
        cwd=tmp_path,  # where it finds its settings and leaves its files
        env={**os.environ, "PYTHONPATH": str(prepare.CLIENTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert run.returncode == 0, run.stdout
    operations = json.loads((tmp_path / "report.json").read_text())["operations"]
    assert operations["tested"] == operations["selected"] > 5
    assert len(list(worker.ai.received)) > 100
