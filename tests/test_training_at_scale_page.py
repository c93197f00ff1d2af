"""The commands of docs/training_at_scale.md run, on less data."""

import re

import pytest

from tests import commands
from tests.commands import ROOT

TEXT = (ROOT / "docs/training_at_scale.md").read_text(encoding="utf-8")
SHORT = ("--config.data.generated.frames=2",)
TINY = (
    "--config.model.depth=1",
    "--config.model.width=8",
    "--config.model.heads=2",
    "--config.train.epochs=1",
    "--config.train.batch_size=512",
)


LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in block.splitlines()
]


def said_by(lines, folder):
    for name in ("configs", "ampose_tf", "train.py"):
        (folder / name).symlink_to(ROOT / name)
    said = []
    for line in lines:
        further = SHORT + (TINY if "train.py" in line else ())
        ended = commands.run(line, folder, *further)
        assert ended.returncode == 0, f"{line}\n{ended.stderr}"
        said.append(ended.stdout)
    return said


def test_all_commands_are_run():
    assert len(LINES) == 3


@pytest.mark.slow
def test_devices(tmp_path):
    (said,) = said_by(LINES[:1], tmp_path)
    assert "train.devices=all: this machine has one device, CPU:0" in said


@pytest.mark.slow
def test_shards(tmp_path):
    written, trained = said_by(LINES[1:], tmp_path)
    assert "poses in 64 shards" in written
    assert "training poses in 64 shards" in trained
    assert (tmp_path / "runs/shards/last.keras").is_file()
