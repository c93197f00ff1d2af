"""README and docs/*.md: their code blocks, and how a test runs each."""

import pathlib
import re
from typing import NamedTuple

from tests.commands import ROOT

README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))

# Blocks that other tests run or read: of a page, or of one language of it.
RUN_BY = {
    ("keypoints.md", "python"): "tests/lifting/readers/test_keypoints_page.py",
    ("kserve.md", None): "tests/serving/test_docs.py",
    ("mobile.md", None): "tests/test_docs.py",
    ("scale.md", None): "tests/test_bulk.py",
    ("serving.md", None): "tests/test_serving_page.py",
    ("training_at_scale.md", None): "tests/test_training_at_scale_page.py",
    ("video.md", "python"): "tests/lifting/test_video.py",
}

# Pages whose Python takes more than five seconds: it compiles a training step.
SLOW_PYTHON = ("training.md",)

# Data sets that are not here end in their message, and status 2.
TINY = (
    "--config.data.generated.frames=10",
    "--config.data.train_stride=2",
    "--config.model.depth=1",
    "--config.model.width=8",
    "--config.model.heads=2",
    "--config.train.epochs=1",
    "--config.train.batch_size=512",
    "--config.export.float16_mm=100",
    "--config.export.dynamic_int8_mm=1000",
    "--config.export.compression_mm=1000",
    "--config.export.int8_float_attention_mm=1000",
)


class Rule(NamedTuple):
    """How a command is run.

    Attributes:
        how: `"run"`; `"slow"`, by a test with that marker; `"check"`: not run,
            its names are compared with setup.cfg or the Makefile.
        further: Arguments that make it short.
        status: Its exit status.
    """

    how: str
    further: tuple[str, ...] = ()
    status: int = 0


# The first pattern that is found in a command decides.
RULES = {
    r"^pip install ": Rule("check"),
    r"^make ": Rule("check"),
    # Downloads.
    r"^python -m ampose_tf\.lifting\.blazepose\.models$": Rule("check"),
    r"^python lift\.py --video=": Rule("slow", ("--end=1", "--overwrite")),
    # XLA, and training with compression, take their time.
    r"--config\.train\.jit_compile=true": Rule("slow", TINY),
    r"--compress=": Rule("slow", TINY),
    r"--config=configs/demo\.py": Rule("run", TINY),
    r"--config=configs/(h36m|mocap|mpi_inf_3dhp)": Rule("run", status=2),
    r"^python -m ampose_tf\.data\.prepare ": Rule("run", status=2),
    r"^python -m benchmarks\.real_detections ": Rule("run", status=2),
    r"^python -m ampose_tf\.data\.synthetic ": Rule("run", ("--frames=2",)),
    # tests/web runs it; here its flags are parsed.
    r"^python -m benchmarks\.browser ": Rule("run", ("--help",)),
    r"^python -m ampose_tf\.(models\.complexity|export\.describe)": Rule(
        "run"
    ),
    # Pages lift the same clip in several ways.
    r"^python lift\.py --keypoints=clip\.json ": Rule("run", ("--overwrite",)),
    r"^python lift\.py ": Rule("run"),
    r"^bash benchmarks/reproduce\.sh .*--dry_run$": Rule("run"),
}


class Block(NamedTuple):
    language: str
    code: str


def text(page: pathlib.Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: pathlib.Path, language: str | None = None) -> list[Block]:
    """Returns the fenced blocks of a page, those of one language if given."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text(page), re.M | re.S)
    return [Block(*b) for b in found if language in (None, b[0])]


def run_elsewhere(page: pathlib.Path, language: str) -> bool:
    return bool({(page.name, None), (page.name, language)} & set(RUN_BY))


def commands(page: pathlib.Path) -> list[str]:
    """Returns the command lines of a page, in order, continued ones as one."""
    code = "".join(block.code for block in blocks(page, "sh"))
    return [
        line for line in re.sub(r" \\\n +", " ", code).splitlines() if line
    ]


def rule(command: str) -> Rule:
    for pattern, found in RULES.items():
        if re.search(pattern, command):
            return found
    raise AssertionError(f"no rule in tests/pages.py for: {command}")
