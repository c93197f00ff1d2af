"""The benchmarks of the server run, and find no errors."""

import re

import numpy as np
import pytest

from benchmarks import load
from tests import commands
from tests.serving.conftest import ROOT


@pytest.mark.slow
def test_load():
    ended = commands.run(
        "python -m benchmarks.load --seconds=0.5 --clients=2 --poses=1,64",
        ROOT,
    )
    assert ended.returncode == 0, ended.stderr
    rows = re.findall(r"^\| KServe .*\|$", ended.stdout, re.MULTILINE)
    assert [row.split("|")[1].strip() for row in rows] == [
        "KServe REST",
        "KServe REST",
        "KServe gRPC",
        "KServe gRPC",
    ]
    assert all(row.endswith("| 0 |") for row in rows)
    assert re.search(r"to bulk: \d+%", ended.stdout)


@pytest.mark.slow
def test_hostile():
    ended = commands.run(
        "python -m benchmarks.hostile --bodies=90 --connections=30 --good=90",
        ROOT,
    )
    assert ended.returncode == 0, ended.stderr
    assert "lost 0" in ended.stdout
    assert "body: {'408': 30}" in ended.stdout


def test_a_wrong_answer_counts_as_an_error(capsys):
    class Target:
        def client(self):
            return lambda i: b"x"

        def read(self, content, shape):
            return np.full(shape, 2e-4)

    load._line("x", Target(), 1, 1, 0.05, [np.zeros((1, 17, 3))])
    assert capsys.readouterr().out.endswith("| 1 |\n")
