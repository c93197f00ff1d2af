"""lift.py and files, names and streams that were made to break it."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests import clips, processor

ROOT = pathlib.Path(__file__).parents[2]
SIZE = "--image_size=640x480"
FRAME = json.dumps(clips.openpose_frames()[0]).encode() + b"\n"


def command(*arguments):
    # Of the released models, the small one starts soonest.
    return [sys.executable, ROOT / "lift.py", "--model=ampose_t", *arguments]


def lift(folder, *arguments, **options):
    """Returns the status, what was printed and what was said."""
    ended = subprocess.run(
        command(*arguments),
        capture_output=True,
        cwd=folder,
        timeout=120,
        **{"stdin": subprocess.DEVNULL} | options,
    )
    return ended.returncode, ended.stdout, ended.stderr.decode()


def megabytes(process, what):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) / 1024


@pytest.mark.parametrize("flag", ["keypoints", "skeleton"])
def test_a_pipe_is_refused_at_once(tmp_path, flag):
    os.mkfifo(tmp_path / "odd.json")
    clips.write_all(tmp_path)
    given = ["--keypoints=coco.json", f"--{flag}=odd.json"]
    with processor.at_most(15):
        status, printed, said = lift(tmp_path, *given, SIZE)
    assert (status, printed) == (2, b""), said
    assert said.startswith("lift.py: ") and said.count("\n") == 1
    assert "odd.json" in said
    assert not (tmp_path / "lifted").exists()


def test_a_pipe_among_clips_fails_alone(tmp_path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(clips.coco_results()))
    os.mkfifo(tmp_path / "pipe\x1b[31m\n.json")
    os.mkfifo(tmp_path / "pipe.txt")
    status, _, said = lift(
        tmp_path, "--keypoints=.", "--clips=each", "--output=../lifted/", SIZE
    )
    assert status == 4
    assert said.replace("\n", "").isprintable()
    assert r"failed: pipe\x1b[31m .json" in said
    assert len(list((tmp_path / "../lifted").glob("*.npz"))) == 2


def test_any_name_of_a_file_is_lifted(tmp_path):
    content = json.dumps(clips.coco_results(1))
    name = b"a\xff\nc\td\x1b[31m\xe2\x80\xae<b>'\"$(x)"
    path = os.path.join(tmp_path, os.fsdecode(name + b".json"))
    pathlib.Path(path).write_text(content)
    status, printed, said = lift(
        tmp_path,
        f"--keypoints={path}",
        "--formats=npz,json,csv,trc,bvh,html",
        SIZE,
    )
    assert status == 0, said
    for lines in (printed.decode(), said):
        assert lines.replace("\n", "").isprintable()
    assert printed.count(b"\n") == 6
    lifted = tmp_path / "lifted"
    header = (lifted / os.fsdecode(name + b".trc")).read_text("utf-8")
    title, second, *_ = header.split("\n")
    assert title.replace("\t", "").isprintable()
    assert title.count("\t") == 3 and second.startswith("DataRate\t")
    page = lifted / os.fsdecode(name + b".html")
    assert r"<title>a\udcff\nc\td\x1b[31m\u202e&lt;b&gt;" in page.read_text()


def test_a_long_message_loses_its_middle(tmp_path):
    name = "x" * 250 + ".json"
    (tmp_path / name).write_text("no JSON")
    status, _, said = lift(tmp_path, f"--keypoints=./{name}")
    assert status == 2 and 290 < len(said) <= 301
    assert " … " in said and said.endswith("<joint>_y in its header\n")


def test_a_full_disk_for_answers_is_named(tmp_path):
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            command("--keypoints=-", SIZE),
            input=FRAME,
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            timeout=120,
        )
    said = process.stderr.decode().splitlines()
    assert said == ["lift.py: standard output: No space left on device"]
    assert process.returncode == 2


# Runs a script; then its peak of memory is the last line that it says.
MEASURED = """
import os, runpy, sys
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    status = open("/proc/self/status").read()
    print(status.partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


def test_a_line_without_end_takes_little_memory(tmp_path):
    writer = subprocess.Popen(
        ["sh", "-c", "yes '[[[[[[[[' | tr -d '\\n' | head -c 100000000"],
        stdout=subprocess.PIPE,
    )
    python, *script = command("--keypoints=-", SIZE)
    ended = subprocess.run(
        [python, "-c", MEASURED, *script],
        stdin=writer.stdout,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        timeout=120,
    )
    writer.stdout.close()
    writer.wait(timeout=120)
    said, peak = ended.stderr.decode().splitlines()
    assert said == "lift.py: a line of more than 16777216 bytes"
    assert ended.returncode == 2
    assert int(peak) < 200 * 1024


@contextlib.contextmanager
def streaming(folder):
    """Yields lift.py, which has been given a frame on standard input."""
    with subprocess.Popen(
        command("--keypoints=-", SIZE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    ) as process:
        process.stdin.write(FRAME)
        process.stdin.flush()
        yield process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_stream(tmp_path, number):
    with streaming(tmp_path) as process:
        assert json.loads(process.stdout.readline())["frame_number"] == 0
        process.send_signal(number)
        said = process.stderr.read().decode()
        assert process.wait(timeout=120) == 128 + number
        assert said == f"lift.py: ended by {number.name}\n"


def test_a_closed_pipe_ends_a_stream(tmp_path):
    with streaming(tmp_path) as process:
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(FRAME * 3)
        process.stdin.flush()
        assert process.stderr.read() == b""
        assert process.wait(timeout=120) == 141


def test_a_long_stream_takes_no_more_memory(tmp_path):
    """Measured after its first frames and at its end."""
    random = np.random.default_rng(0)
    with subprocess.Popen(
        command("--keypoints=-", SIZE, "--smooth=one_euro"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        measured = []
        for number in range(400):
            keypoints = random.uniform(100, 300, (17, 3))
            keypoints[:, 2] = 0.9
            # A person, an image and a field that have not been there before.
            frame = {
                "frame": number,
                "people": [
                    {
                        "track_id": f"person {number}",
                        f"field {number}": 1,
                        "keypoints": keypoints.tolist(),
                    }
                ],
            }
            process.stdin.write(json.dumps(frame).encode() + b"\n")
            process.stdin.flush()
            assert process.stdout.readline()
            if number in (100, 399):
                measured.append(megabytes(process, "VmRSS"))
        process.stdin.close()
        assert process.wait() == 0
    assert measured[1] - measured[0] < 5
