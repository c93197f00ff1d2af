r"""Lifts pixel keypoints in Human3.6M's joint order to 3D.

    python lift.py --model=runs/demo/best.keras --keypoints=clip.npy \
        --image_size=1000x1000 --output=lifted/

Writes lifted/clip.npz, which states units, frame and joint names, and
lifted/clip.png, 2D beside 3D.
"""

from absl import flags

from ampose_tf import config

_KEYPOINTS = flags.DEFINE_string(
    "keypoints",
    None,
    ".npy of (T, 17, 2) or (T, 16, 2) pixels, or .npz with keypoints_px and "
    "image_size.",
    required=True,
)
_MODEL = flags.DEFINE_string(
    "model",
    None,
    ".keras, SavedModel folder or .tflite; by default the released ampose_s.",
)
_OUTPUT = flags.DEFINE_string(
    "output", "lifted", "Folder, or the .npz to write."
)
_IMAGE_SIZE = flags.DEFINE_string(
    "image_size",
    None,
    "WIDTHxHEIGHT in pixels; required unless the file says it.",
)


def main():
    from ampose_tf import weights
    from ampose_tf.lifting import clip, formats

    image_size = None
    if _IMAGE_SIZE.value is not None:
        image_size = formats.parse_image_size(_IMAGE_SIZE.value)
    for path in clip.lift(
        _KEYPOINTS.value,
        _MODEL.value or weights.AMPOSE_S,
        _OUTPUT.value,
        image_size,
    ):
        print(path)


if __name__ == "__main__":
    config.run(main)
