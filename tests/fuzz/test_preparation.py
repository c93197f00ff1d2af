"""Damaged data sets and recordings end in a result or in one line.

`test_files` does the same with keypoints. A child process reads each CDF and
MATLAB file.
"""

import io
import json
import os
import shutil
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import given, strategies

from ampose_tf.data import archive, synthetic
from ampose_tf.data.preparation import (
    official_human36m,
    official_mpi_inf_3dhp,
    recordings,
)
from ampose_tf.lifting import formats
from benchmarks import downloads
from tests import clips, processor, recorded
from tests.fuzz import damage
from tests.fuzz.damage import DAMAGES
from tests.fuzz.test_files import EXAMPLES, MOST_SECONDS, NUMBERS, fuzzed

# Of what takes a process each.
FEW = 12 if "AMPOSE_FUZZ_EXAMPLES" not in os.environ else EXAMPLES // 10
WORDS = (
    "0",
    "-1",
    "nan",
    "inf",
    "1e308",
    "9" * 400,
    "2147483648",
    "{",
    "}",
    "JOINT",
    "End",
    "begin",
    "end",
    ":units",
    "root",
    "CHANNELS",
    "\x1b[31m",
    "é" * 50,
    "",
)


def outcome(call, path):
    """Returns a result, or None of what was refused.

    Messages name the file; what else they quote is for the command line to
    make printable.
    """
    try:
        with processor.at_most(MOST_SECONDS):
            return call()
    except (ValueError, OSError) as error:
        assert str(path) in str(error)
        return None


def damaged_text(content, damages):
    """Returns a text with other words, and rarely with other bytes."""
    if damages[0].place % 5 == 0:
        return damage.damaged_bytes(content, damages)
    lines = [line.split(b" ") for line in content.split(b"\n")]
    for place, kind, form in damages:
        # Those at the beginning matter more.
        line = place % (len(lines) if kind % 3 else min(60, len(lines)))
        words = lines[line] = lines[line] or [b""]
        word = form % len(words)
        kind %= 10
        if kind < 3:
            words[word] = damage.pick(WORDS, form // 3).encode("utf-8")
        elif kind == 3:
            del lines[line]
            lines = lines or [[b""]]
        elif kind == 4:
            lines.insert(form % len(lines), list(words))
        elif kind == 5:
            del words[word]
        elif kind == 6:
            words.insert(word, words[word] * (1 + form % 3))
        elif b"." in words[word]:
            # Hardly another number: such files are to be read.
            words[word] += b"1"
    return b"\n".join(b" ".join(words) for words in lines)


def rate(refused, low=0.2, high=1.0):
    """Damage that is hardly ever found, or always, would test little."""
    assert low < np.mean(refused) < high, np.mean(refused)


def repacked(content, damages):
    """Returns an `.npz` whose first member is damaged, its checksum not."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as before,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for place, name in enumerate(before.namelist()):
            inside = before.read(name)
            if place == 0:
                inside = damage.damaged_bytes(inside, damages)
            after.writestr(name, inside)
    return packed.getvalue()


def test_pickles(tmp_path):
    path = tmp_path / "whole.npz"
    motion = np.random.default_rng(0).normal(size=(3, 5, 3))
    positions = {"S1": {"Walking 1": [motion, motion]}, "S5": {"é": [motion]}}
    archive.write(path, positions=positions, metadata={"joints": [1, (2.5,)]})
    content = path.read_bytes()
    archive.read(path)
    refused = []

    @fuzzed(EXAMPLES)
    @given(DAMAGES, NUMBERS)
    def run(damages, form):
        new = (
            repacked(content, damages)
            if form % 4
            else damage.damaged_bytes(content, damages)
        )
        path.write_bytes(new)
        refused.append(outcome(lambda: archive.read(path), path) is None)

    run()
    rate(refused)


@pytest.mark.parametrize("ending", [".bvh", ".asf", ".amc"])
def test_recordings(ending, tmp_path):
    motion = recorded.moving(31, 0)
    texts = {
        ".asf": recorded.asf_text(),
        ".amc": recorded.amc_text(motion),
        ".bvh": recorded.bvh_text(motion),
    }
    whole = {
        kind: text.encode("latin-1", "replace") for kind, text in texts.items()
    }
    folder = tmp_path / "a"
    folder.mkdir()
    for kind, text in whole.items():
        (folder / f"01_01{kind}").write_bytes(text)
    path = folder / ("01_01.bvh" if ending == ".bvh" else "01_01.amc")
    damaged = folder / f"01_01{ending}"
    if ending != ".bvh":
        damaged = folder / ("01.asf" if ending == ".asf" else path.name)
        (folder / "01_01.asf").rename(folder / "01.asf")
    recording = recordings.MotionFile(path, "CMU01", "01_01")

    def read():
        return recordings.read(recording, 120.0, 0.0)

    read()
    refused = []

    @fuzzed(EXAMPLES // 2)
    @given(DAMAGES)
    def run(damages):
        damaged.write_bytes(damaged_text(whole[ending], damages))
        trial = outcome(read, folder)
        refused.append(trial is None)
        if trial is not None:
            assert all(np.isfinite(part).all() for part in trial.parts)

    run()
    rate(refused)


def test_streams(tmp_path):
    paths = clips.write_all(tmp_path)
    whole = [paths[name] for name in ("lines", "coco_lines")]
    refused = []

    @fuzzed(EXAMPLES)
    @given(strategies.sampled_from(whole), DAMAGES, NUMBERS)
    def run(path, damages, form):
        lines = path.read_bytes().splitlines(keepends=True)
        place = form % len(lines)
        if form % 5:
            value = damage.damaged(json.loads(lines[place]), damages)
            lines[place] = json.dumps(value).encode() + b"\n"
        else:
            lines[place] = damage.damaged_bytes(lines[place], damages)

        def read():
            frames = list(formats.stream(lines, clips.IMAGE_SIZE))
            return [frame.pixels for frame in frames]

        found = outcome(read, "line ")
        refused.append(found is None)
        for pixels in found or ():
            assert np.isfinite(pixels).all()

    run()
    rate(refused, low=0.1)


def test_cdf(tmp_path):
    folder = tmp_path / "S1" / "MyPoseFeatures" / "D3_Positions"
    path = folder / "Walking 1.cdf"
    folder.mkdir(parents=True)
    joints = synthetic.generate("S1", "Walking 1", 3, 0)
    downloads.write_recording(path, joints)
    content = path.read_bytes()

    def read():
        return official_human36m._read(tmp_path, "S1")

    read()
    refused = []

    @fuzzed(FEW)
    @given(DAMAGES)
    def run(damages):
        path.write_bytes(damage.damaged_bytes(content, damages))
        refused.append(outcome(read, tmp_path) is None)

    run()
    rate(refused, high=1.01)


def test_mat(tmp_path):
    path = tmp_path / "annot_data.mat"
    random = np.random.default_rng(0)
    arrays = {
        "annot2": random.uniform(100, 900, (5, 1, 17, 2)),
        "univ_annot3": random.normal(0, 300, (5, 1, 17, 3)),
        "valid_frame": np.ones((5, 1)),
    }
    packed = tmp_path / "packed.mat"
    downloads.write_annotations(path, arrays)
    with h5py.File(packed, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip")
    contents = [path.read_bytes(), packed.read_bytes()]
    shutil.rmtree(packed, ignore_errors=True)
    refused = []

    @fuzzed(FEW)
    @given(strategies.sampled_from(contents), DAMAGES)
    def run(content, damages):
        path.write_bytes(damage.damaged_bytes(content, damages))
        found = outcome(lambda: official_mpi_inf_3dhp._read(path), path)
        refused.append(found is None)

    run()
    rate(refused, high=1.01)
