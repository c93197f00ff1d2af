"""Released models.

Each has a model card, NAME.md: its training data and their licence, how it was
evaluated, and where it fails. `RELEASED` maps its name to the `.keras` file,
for training, evaluation and export; `LIFTING` to the `.tflite` file, which
lifts without TensorFlow. `load_predictor` accepts these and the other
NAME_<format>.tflite files; those that end in `_lift_coco17` are for apps, see
docs/mobile.md.
"""

import os
import pathlib

_FOLDER = pathlib.Path(__file__).parent

AMPOSE_S = _FOLDER / "ampose_s.keras"
AMPOSE_T = _FOLDER / "ampose_t.keras"
RELEASED = {path.stem: path for path in (AMPOSE_S, AMPOSE_T)}
LIFTING = {name: _FOLDER / f"{name}_float32.tflite" for name in RELEASED}


def is_released(path: str | os.PathLike) -> bool:
    """Returns whether a file is one of this package's."""
    return pathlib.Path(path).resolve().parent == _FOLDER.resolve()
