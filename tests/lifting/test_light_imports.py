"""What one person's way to files does without."""

import json
import subprocess
import sys

import pytest

from tests import clips

# Examines, completes, places and saves, with flat poses for a network's.
_LIFT = """
import sys

sys.modules |= dict.fromkeys({blocked!r})

import numpy as np

from ampose_tf.lifting import (
    completion, doctor, floor, formats, keypoints, root, smoothing
)
from ampose_tf.lifting.motion import LiftedTrack, Motion

clip = formats.read(sys.argv[1], (640, 480))
assert "cut_off" in doctor.report(clip)
(track,) = keypoints.to_h36m(clip).tracks
seen = keypoints.is_seen(track.scores, 0.3)
assert not seen.all()
pixels = completion.complete(track.pixels, seen, track.frames)
poses_3d = np.pad((pixels - pixels[:, :1]) / 200, [(0, 0), (0, 0), (0, 1)])
spread_m = np.full(seen.shape, np.nan)
motion = Motion(
    [
        LiftedTrack(
            track.track_id,
            track.frames,
            poses_3d,
            pixels,
            track.scores,
            seen,
            spread_m,
        )
    ],
    (640, 480),
)
motion = smoothing.smooth(root.place(motion), smoothing.OneEuro())
motion = floor.align(motion)
for path in sys.argv[2:]:
    motion.save(path)
"""


@pytest.mark.parametrize(
    ("blocked", "endings"),
    [
        (
            ("scipy", "matplotlib", "PIL"),
            (".npz", ".json", ".csv", "_angles.csv", ".trc", ".html"),
        ),
        (("matplotlib", "PIL"), (".bvh",)),
    ],
)
def test_slow_packages_are_imported_for_what_needs_them(
    tmp_path, blocked, endings
):
    results = clips.coco_results(people=1)
    for result in results[1:3]:  # A wrist that is not seen.
        result["keypoints"][27:30] = [0, 0, 0]
    source = tmp_path / "clip.json"
    source.write_text(json.dumps(results))
    paths = [tmp_path / f"lifted{ending}" for ending in endings]
    code = _LIFT.format(blocked=blocked)
    ended = subprocess.run(
        [sys.executable, "-c", code, source, *paths],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert all(path.stat().st_size for path in paths)
