"""A server for all tests of this folder, since it takes seconds to start."""

import contextlib
import http.client
import json
import logging
import os
import pathlib
import subprocess
import sys
import time
import warnings
from typing import NamedTuple

import numpy as np
import pytest

pytest.importorskip("kserve", reason="kserve is not installed")

ROOT = pathlib.Path(__file__).parents[2]
MAX_POSES = 70
MAX_BODY = 2**19
SECONDS = 2.0
JSON = {"content-type": "application/json"}


class Served(NamedTuple):
    """A running server."""

    process: subprocess.Popen
    log: pathlib.Path
    port: int
    grpc_port: int

    def errors(self):
        """Returns the text on standard error."""
        return self.log.with_name("errors").read_text()

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def ask(self, path, body=None, headers=JSON, method=None):
        """Returns the status, headers and body of an answer."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=30
        )
        method = method or ("GET" if body is None else "POST")
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()


@contextlib.contextmanager
def serving(folder, *flags, frameworks=False):
    # A server of a `.tflite` must not import either.
    for name in () if frameworks else ("tensorflow", "keras"):
        (folder / f"{name}.py").write_text("raise SystemExit('imported')")
    log = folder / "log"
    errors = folder / "errors"
    with log.open("wb") as file, errors.open("wb") as other:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ampose_tf.serving",
                "--port=0",
                "--grpc_port=0",
                *flags,
            ],
            stdout=file,
            stderr=other,
            env=os.environ | {"PYTHONPATH": f"{folder}:{ROOT}"},
        )
    try:
        end = time.monotonic() + 120
        while b"\n" not in log.read_bytes():
            assert process.poll() is None, errors.read_text()
            assert time.monotonic() < end, "not ready"
            time.sleep(0.05)
        ready = json.loads(log.read_text().splitlines()[0])
        assert ready["event"] == "ready"
        yield Served(process, log, ready["port"], ready["grpc_port"])
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    with serving(
        tmp_path_factory.mktemp("served"),
        "--model=ampose_t",
        "--threads=2",
        f"--max_poses={MAX_POSES}",
        "--max_waiting_poses=300",
        f"--max_body_bytes={MAX_BODY}",
        f"--request_seconds={SECONDS}",
    ) as server:
        yield server


def people(count, joints, seed=3):
    """Returns random pixels and scores, (N, S, 2) and (N, S)."""
    random = np.random.default_rng(seed)
    pixels = random.uniform(100, 900, (count, joints, 2)).round(1)
    scores = random.uniform(0.5, 1, (count, joints)).round(2)
    scores[:, 5] = np.linspace(0.1, 0.9, count).round(2)
    return pixels.astype(np.float32), scores.astype(np.float32)


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    """Restores logging, which commands in this process redirect."""
    root = logging.getLogger()
    kept = root.handlers, root.level, logging.raiseExceptions
    with warnings.catch_warnings():
        yield
        logging.captureWarnings(False)
    root.handlers, root.level, logging.raiseExceptions = kept
