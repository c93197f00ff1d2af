r"""Lifts the keypoints of a clip to 3D.

    python lift.py --model=runs/demo/best.keras --keypoints=clip.json \
        --image_size=1000x1000 --output=lifted/

Reads what COCO, AlphaPose, OpenPose, MMPose, Ultralytics, Detectron2,
MediaPipe, MoveNet and tfjs write, and plain arrays; see
ampose_tf/lifting/formats.py. Writes lifted/clip.npz, which states units, frame
and joint names, and lifted/clip.png, 2D beside 3D; of several people, files
for each.
"""

from absl import flags

from ampose_tf import config

_KEYPOINTS = flags.DEFINE_string(
    "keypoints",
    None,
    "A keypoint file of any tool, a folder of one JSON file for each frame, "
    "or - for JSON lines on standard input.",
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
    "WIDTHxHEIGHT in pixels; where the file does not say it either, a square "
    "around the people is assumed.",
)
_FORMAT = flags.DEFINE_string(
    "format", None, "Of the file, where it should not be recognised."
)
_SKELETON = flags.DEFINE_string(
    "skeleton",
    None,
    "Of the file's joints, where it should not be recognised: a name, such as "
    "COCO-17, or a JSON file that describes one of your own, see "
    "ampose_tf.conversion.load.",
)


def main():
    from ampose_tf import conversion, weights
    from ampose_tf.lifting import clip, formats, keypoints

    image_size = skeleton = None
    if _IMAGE_SIZE.value is not None:
        image_size = formats.parse_image_size(_IMAGE_SIZE.value)
    if _SKELETON.value is not None and _SKELETON.value.endswith(".json"):
        skeleton = conversion.load(_SKELETON.value)
    elif _SKELETON.value is not None:
        skeleton = keypoints.find_skeleton(_SKELETON.value)
    for path in clip.lift(
        _KEYPOINTS.value,
        _MODEL.value or weights.AMPOSE_S,
        _OUTPUT.value,
        image_size,
        _FORMAT.value,
        skeleton,
    ):
        print(path)


if __name__ == "__main__":
    config.run(main)
