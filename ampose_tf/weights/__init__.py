"""Released models.

Each has a card, NAME.md beside it: what it was trained on, the licence of
that data, how it was judged and where it fails. By its name, `RELEASED` has
the `.keras` file, which is trained on, evaluated and exported, and `LIFTING`
the `.tflite`, which lifts without TensorFlow. `load_predictor` takes these and
the other `.tflite` files NAME_<format>.tflite; those that end in
`_lift_coco17` are for apps, see docs/mobile.md.
"""

import os
import pathlib

_FOLDER = pathlib.Path(__file__).parent

AMPOSE_S = _FOLDER / "ampose_s.keras"
AMPOSE_T = _FOLDER / "ampose_t.keras"
RELEASED = {path.stem: path for path in (AMPOSE_S, AMPOSE_T)}
LIFTING = {name: _FOLDER / f"{name}_float32.tflite" for name in RELEASED}


def is_released(path: str | os.PathLike) -> bool:
    """Whether a file is one of this package's."""
    return pathlib.Path(path).resolve().parent == _FOLDER.resolve()
