"""The commands of docs/training_at_scale.md run, on less data."""

import re

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


def test_its_commands(tmp_path):
    for name in ("configs", "ampose_tf", "train.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) == 3
    said = []
    for line in lines:
        further = SHORT + (TINY if "train.py" in line else ())
        ended = commands.run(line, tmp_path, *further)
        assert ended.returncode == 0, f"{line}\n{ended.stderr}"
        said.append(ended.stdout)
    assert "train.devices=all: this machine has one device, CPU:0" in said[0]
    assert "poses in 64 shards" in said[1]
    assert "training poses in 64 shards" in said[2]
    assert (tmp_path / "runs/shards/last.keras").is_file()
