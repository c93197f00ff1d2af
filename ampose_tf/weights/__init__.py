"""Released models.

Each has a card, NAME.md beside it: what it was trained on, the licence of
that data, how it was judged and where it fails. `load_predictor` takes the
`.keras` files named here, and the `.tflite` files NAME_<format>.tflite.
"""

import pathlib

_FOLDER = pathlib.Path(__file__).parent

AMPOSE_S = _FOLDER / "ampose_s.keras"
AMPOSE_T = _FOLDER / "ampose_t.keras"
