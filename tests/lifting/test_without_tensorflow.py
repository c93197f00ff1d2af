"""Lifting with a released model or a `.tflite` needs no TensorFlow."""

import json
import pathlib
import resource
import subprocess
import sys
import textwrap

import pytest

from ampose_tf import weights
from ampose_tf.lifting import results
from tests import clips

ROOT = pathlib.Path(__file__).parents[2]
WALKING = ROOT / "docs" / "walking.npz"

BLOCKED = """
import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "keras", "jax", "torch", "tf_keras"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Blocked())
"""


def run(code, *arguments, stdin=""):
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + textwrap.dedent(code), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
    )


LIFT = f"""
import runpy

sys.path.insert(0, {str(ROOT)!r})
runpy.run_path({str(ROOT / "lift.py")!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    "model", ["ampose_s", "ampose_t", str(weights.LIFTING["ampose_t"])]
)
def test_a_clip_is_lifted(tmp_path, model):
    ended = run(
        LIFT,
        f"--keypoints={WALKING}",
        f"--model={model}",
        f"--output={tmp_path}",
        "--formats=npz,json,csv,angles,trc,bvh,html,png",
        "--smooth=one_euro",
    )
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) == 8
    # Notes alone: nothing that a library says.
    motion = results.load(tmp_path / "walking.npz")
    assert tuple(ended.stderr.splitlines()) == motion.notes


def test_many_clips_and_the_doctor(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(
            json.dumps(clips.coco_results(people=2))
        )
    ended = run(
        LIFT,
        f"--keypoints={tmp_path}/*.json",
        f"--output={tmp_path}/lifted",
    )
    assert ended.returncode == 0, ended.stderr
    assert "LiteRT" not in ended.stderr and "INFO" not in ended.stderr
    assert run(LIFT, f"--keypoints={WALKING}", "--doctor").returncode == 0


def test_a_stream_is_answered():
    line = json.dumps(clips.openpose_frames()[0]) + "\n"
    ended = run(LIFT, "--keypoints=-", "--image_size=640x480", stdin=2 * line)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) == 2


def processor_seconds(*arguments, stdin=subprocess.DEVNULL):
    """Returns what lift.py takes, from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, ROOT / "lift.py", *arguments],
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@pytest.mark.parametrize(
    ("formats", "most"), [("npz", 1.5), ("npz,bvh,html", 4)]
)
def test_a_start_is_cheap(tmp_path, formats, most):
    """The README's first command, which took 11 s with TensorFlow."""
    taken = processor_seconds(
        f"--keypoints={WALKING}",
        f"--output={tmp_path}",
        f"--formats={formats}",
    )
    assert taken < most


def test_a_stream_starts_at_once(tmp_path):
    line = tmp_path / "line.json"
    line.write_text(json.dumps(clips.openpose_frames()[0]) + "\n")
    with open(line) as stdin:
        taken = processor_seconds(
            "--keypoints=-", "--image_size=640x480", stdin=stdin
        )
    assert taken < 1.5


def test_so_it_is_in_python():
    ended = run(
        f"""
        import ampose_tf

        motion = ampose_tf.Lifter()({str(WALKING)!r})
        print(motion.tracks[0].poses_3d.shape)
        """
    )
    assert ended.stdout == "(100, 17, 3)\n", ended.stderr


def test_errors_of_libraries_are_not_lost(tmp_path):
    """What LiteRT says beside its greeting is passed on."""
    ended = run(
        """
        import os
        from ampose_tf.export import runtime

        with runtime.without_greeting():
            os.write(2, runtime._GREETING + b"ERROR: no memory\\n")
        with runtime.without_greeting():
            os.write(2, runtime._GREETING)
        """
    )
    assert ended.stderr.splitlines()[1:] == ["ERROR: no memory"]


def test_a_keras_file_needs_them():
    ended = run(LIFT, f"--keypoints={WALKING}", f"--model={weights.AMPOSE_T}")
    assert ended.returncode == 2
    assert ended.stderr.endswith(
        "ampose_t.keras: this kind of model requires TensorFlow, which is not "
        "installed; use a .tflite file or a released model by its name\n"
    )
