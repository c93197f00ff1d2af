"""Writes what the page shares with the Python package, `src/tables.json`.

    python web/tables.py

Skeletons, conversions, default settings and the words of a saved result are
defined in Python alone; a test holds the file equal to them.
"""

import dataclasses
import json
import pathlib

from ampose_tf import weights
from ampose_tf.conversion import CONVERSIONS, SEEN_SCORE
from ampose_tf.data.poses import FRAME, ROOT, UNITS
from ampose_tf.export import runtime
from ampose_tf.lifting import root, smoothing
from ampose_tf.lifting.motion import ANKLE_HEIGHT_M, ASSUMED_FPS
from ampose_tf.lifting.results import FORMAT
from ampose_tf.lifting.schema import MAX_METRES
from ampose_tf.lifting.untrusted import MAX_FRAME, MAX_PIXEL
from ampose_tf.skeleton import H36M_17

PATH = pathlib.Path(__file__).parent / "src/tables.json"

_SKELETONS = ("MediaPipe-33", "COCO-17")
_MODELS = ("ampose_s", "ampose_t")


def tables() -> dict:
    """Returns the content of the file."""
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
                "joints": CONVERSIONS[name].joints,
                "sides": [
                    [CONVERSIONS[name].joints.index(one) for one in pair]
                    for pair in CONVERSIONS[name].sides
                ],
                "alternatives": [
                    [sorted(weights.items()) for weights in alternatives]
                    for alternatives in CONVERSIONS[name].alternatives
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


def text() -> str:
    """Returns the text of the file."""
    return json.dumps(tables(), indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
