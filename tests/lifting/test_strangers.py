"""lift.py and files, names and streams that were made to break it."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import clips

ROOT = pathlib.Path(__file__).parents[2]
SIZE = "--image_size=640x480"
FRAME = json.dumps(clips.openpose_frames()[0]).encode() + b"\n"


def command(*arguments):
    # Of the released models, the small one starts soonest.
    return [sys.executable, ROOT / "lift.py", "--model=ampose_t", *arguments]


def lift(folder, *arguments, **options):
    """Returns the status, what was printed and said, and peak megabytes."""
    options = {"stdin": subprocess.DEVNULL} | options
    peak = 0
    with subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        **options,
    ) as process:
        while process.poll() is None:
            # What `wait4` says may be of the process that has forked.
            peak = max(peak, megabytes(process, "VmHWM"))
            time.sleep(0.02)
        printed, said = process.communicate()
    return process.returncode, printed, said.decode(), peak


def megabytes(process, what):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    _, found, rest = status.partition(f"{what}:")
    return int(rest.split()[0]) / 1024 if found else 0


def make(path, kind):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "terminal":
        path.symlink_to("/dev/tty")
    elif kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as its:
            its.bind(str(path))


@pytest.mark.parametrize("flag", ["keypoints", "skeleton"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "socket"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind, flag):
    make(tmp_path / "odd.json", kind)
    clips.write_all(tmp_path)
    given = ["--keypoints=coco.json", f"--{flag}=odd.json"]
    start = time.monotonic()
    status, printed, said, _ = lift(tmp_path, *given, SIZE)
    assert time.monotonic() - start < 15
    assert (status, printed) == (2, b""), said
    assert said.startswith("lift.py: ") and said.count("\n") == 1
    assert "odd.json" in said
    assert not (tmp_path / "lifted").exists()


def test_a_pipe_among_clips_fails_alone(tmp_path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(clips.coco_results()))
    make(tmp_path / "pipe\x1b[31m\n.json", "pipe")
    make(tmp_path / "pipe.txt", "pipe")
    status, _, said, _ = lift(
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
    status, printed, said, _ = lift(
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
    status, _, said, _ = lift(tmp_path, f"--keypoints=./{name}")
    assert status == 2 and 290 < len(said) <= 301
    assert " … " in said and said.endswith("<joint>_x and <joint>_y\n")


def test_a_full_disk_for_answers_is_named(tmp_path):
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            command("--keypoints=-", SIZE),
            input=FRAME,
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        )
    said = process.stderr.decode().splitlines()
    assert said == ["lift.py: standard output: No space left on device"]
    assert process.returncode == 2


def test_a_line_without_end_takes_little_memory(tmp_path):
    source, sink = os.pipe()
    process = subprocess.Popen(
        ["sh", "-c", "yes '[[[[[[[[' | tr -d '\\n' | head -c 100000000"],
        stdout=sink,
    )
    os.close(sink)
    status, _, said, peak = lift(tmp_path, "--keypoints=-", SIZE, stdin=source)
    os.close(source)
    process.wait()
    assert status == 2
    assert said == "lift.py: a line of more than 16777216 bytes\n"
    assert peak < 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_stream(tmp_path, number):
    with subprocess.Popen(
        command("--keypoints=-", SIZE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        process.stdin.write(FRAME)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["frame_number"] == 0
        process.send_signal(number)
        said = process.stderr.read().decode()
        assert process.wait(timeout=15) == 128 + number
        words = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupted"}
        assert said == f"lift.py: {words[number]}\n"


def test_a_closed_pipe_ends_a_stream(tmp_path):
    with subprocess.Popen(
        command("--keypoints=-", SIZE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        process.stdin.write(FRAME)
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(FRAME * 3)
        process.stdin.flush()
        assert process.stderr.read() == b""
        assert process.wait(timeout=15) == 141


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
