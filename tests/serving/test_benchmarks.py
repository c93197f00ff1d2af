"""The benchmarks of the server run, and notice errors."""

import http.client
import re

import numpy as np
import pytest

from benchmarks import hostile, load
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


# Limits for slow clients take 50 seconds.
@pytest.mark.slow
def test_hostile():
    ended = commands.run(
        "python -m benchmarks.hostile --bodies=90 --connections=30 --good=90",
        ROOT,
    )
    assert ended.returncode == 0, ended.stderr
    assert "lost 0" in ended.stdout
    assert "body: {'408': 30}" in ended.stdout
    assert "gRPC: {'DEADLINE_EXCEEDED': 30}" in ended.stdout


def test_a_wrong_answer_counts_as_an_error(capsys):
    class Target:
        def client(self, stack):
            return lambda i: b"x"

        def read(self, content, shape):
            return np.full(shape, 2e-4)

    load._line("x", Target(), 1, 1, 0.05, [np.zeros((1, 17, 3))])
    assert capsys.readouterr().out.endswith("| 1 |\n")


def test_failed_requests_count_as_errors(capsys):
    class Target:
        def client(self, stack):
            def ask(i):
                raise http.client.IncompleteRead(b"")

            return ask

    load._line("x", Target(), 2, 1, 0.05, [np.zeros((1, 17, 3))])
    count = int(capsys.readouterr().out.split("|")[-2])
    # At least two before and two while it is measured.
    assert count >= 4


def test_growth_of_memory_is_an_error():
    hostile.check_growth(100e6, 109e6, 10e6)
    with pytest.raises(ValueError, match="from 100 to 111 MB"):
        hostile.check_growth(100e6, 111e6, 10e6)


@pytest.mark.parametrize(
    ("status", "lost", "clients"),
    [(0, 0, {}), (143, 1, {}), (143, 0, {"TimeoutError": 1})],
)
def test_a_bad_end_is_an_error(status, lost, clients):
    hostile.check_end(143, 0, {"answered": 3, "UNAVAILABLE": 1})
    with pytest.raises(ValueError, match="the server ended with"):
        hostile.check_end(status, lost, clients)
