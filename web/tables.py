"""Writes the data that the page uses from the Python package.

    python web/tables.py

`src/tables.json` contains skeletons, conversions, default settings and
constants of saved results, which are defined only in Python.
`public/example.json` contains the keypoints of docs/walking.npz. A test checks
that both files are up to date.
"""

import dataclasses
import json
import pathlib

import numpy as np

from ampose_tf import weights
from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.data.poses import FRAME, ROOT, UNITS
from ampose_tf.export import runtime
from ampose_tf.lifting import root, smoothing
from ampose_tf.lifting.keypoints import SKELETONS
from ampose_tf.lifting.motion import ANKLE_HEIGHT_M, ASSUMED_FPS
from ampose_tf.lifting.results import FORMAT
from ampose_tf.lifting.schema import MAX_METRES
from ampose_tf.lifting.untrusted import MAX_FRAME, MAX_PIXEL
from ampose_tf.skeleton import H36M_17

WEB = pathlib.Path(__file__).parent

_SKELETONS = ("MediaPipe-33", "COCO-17", "H36M-17")
_MODELS = ("ampose_s", "ampose_t")


def tables() -> dict:
    """Returns the contents of `src/tables.json`."""
    return {
        "skeleton": {
            "joints": H36M_17.joints,
            "edges": H36M_17.edges,
            "mirrored": H36M_17.mirrored,
            "left": H36M_17.left,
            "right": H36M_17.right,
        },
        "conversions": {
            name: {
                "joints": SKELETONS[name].joints,
                "sides": [
                    [SKELETONS[name].joints.index(one) for one in pair]
                    for pair in SKELETONS[name].sides
                ],
                "alternatives": [
                    [sorted(weights.items()) for weights in alternatives]
                    for alternatives in SKELETONS[name].alternatives
                ],
            }
            for name in _SKELETONS
        },
        "models": {name: _described(name) for name in _MODELS},
        "one_euro": dataclasses.asdict(smoothing.OneEuro()),
        "seen_score": SEEN_SCORE,
        "field_of_view_deg": root.FIELD_OF_VIEW_DEG,
        "ankle_height_m": ANKLE_HEIGHT_M,
        "assumed_fps": ASSUMED_FPS,
        "result": {
            "format": FORMAT,
            "units": UNITS,
            "frame": FRAME,
            "root": ROOT,
            "max_frame": MAX_FRAME,
            "max_pixel": 10 * MAX_PIXEL,
            "max_metres": MAX_METRES,
        },
    }


def _described(name):
    metadata = runtime.metadata(weights.LIFTING[name])
    return {"normalisation": metadata["normalisation"]}


def example() -> dict:
    """Returns the keypoints of the page's example, a generated person."""
    with np.load(WEB.parent / "docs/walking.npz") as clip:
        return {
            "skeleton": "H36M-17",
            "image_size": clip["image_size"].tolist(),
            "fps": clip["fps"].item(),
            "frames": [
                {"keypoints": np.round(pixels.astype(float), 1).tolist()}
                for pixels in clip["keypoints_px"]
            ],
        }


def files() -> dict[str, str]:
    """Returns the contents of the files by their paths in `web/`."""
    return {
        "src/tables.json": json.dumps(tables(), indent=1) + "\n",
        "public/example.json": json.dumps(example()) + "\n",
    }


if __name__ == "__main__":
    for path, text in files().items():
        (WEB / path).write_text(text, encoding="utf-8")
