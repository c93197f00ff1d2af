"""What the released model makes of files of every tool, as recorded.

After a change that is meant to change poses, from the repository's root:

    AMPOSE_SAMPLES=DIR python -m tests.lifting.released_poses

records them anew; say so, and why, in the commit.
"""

import os
import pathlib

import numpy as np

from ampose_tf.lifting import Lifter
from tests import clips

PATH = pathlib.Path(__file__).with_name("released_poses.npz")
_WALKING = pathlib.Path(__file__).parents[2] / "docs" / "walking.npz"

# Of each person, frames that are spread over the clip.
_FRAMES = 12

SAMPLES = (
    "made_from_cmu/alphapose-results.json",
    "made_from_cmu/coco_results.json",
    "made_from_cmu/detectron2_infer_video_d2.mp4.npz",
    "made_from_cmu/mmpose_demo_instance_info.json",
    "made_from_cmu/mmpose_inferencer_image.json",
    "made_from_cmu/mmpose_inferencer_video.json",
    "made_from_cmu/movenet_1x1x17x3.npy",
    "made_from_cmu/openpose_json",
    "made_from_cmu/ultralytics_to_json.json",
    "third_party/mmpose_test_coco.json",
    "third_party/tfjs_pose_1.json",
    "third_party/tfjs_pose_squats.full.json",
)


def lift_walking(lifter: Lifter) -> dict[str, np.ndarray]:
    """Lifts the clip of the README, and one of two people."""
    lifted = _poses("walking", lifter(_WALKING))
    pixels, scores = clips.truth()
    for person in range(pixels.shape[1]):
        array = np.concatenate(
            [pixels[:, person], scores[:, person, :, None]], axis=-1
        )
        array[::2, 9, 2] = 0.1  # A wrist that is not seen.
        motion = lifter(array, image_size=clips.IMAGE_SIZE)
        lifted |= _poses(f"person {person}", motion)
    return lifted


def lift_samples(lifter: Lifter, folder: pathlib.Path) -> dict:
    """Lifts the sample files."""
    lifted = {}
    for name in SAMPLES:
        size = (1000, 1000) if "movenet" in name else None
        lifted |= _poses(name, lifter(folder / name, image_size=size))
    return lifted


def recorded() -> dict[str, np.ndarray]:
    """Returns what has been recorded, by clip and person."""
    with np.load(PATH) as file:
        return {name.replace("|", "/"): file[name] for name in file.files}


def _poses(name, motion):
    return {
        f"{name} {track.track_id}": track.poses_3d[
            np.linspace(0, len(track.frames) - 1, _FRAMES).round().astype(int)
        ]
        for track in motion.tracks
    }


def _record():
    lifter = Lifter()
    folder = pathlib.Path(os.environ["AMPOSE_SAMPLES"])
    lifted = lift_walking(lifter) | lift_samples(lifter, folder)
    # Members of an .npz are files, whose names have no slash.
    np.savez_compressed(
        PATH, **{n.replace("/", "|"): array for n, array in lifted.items()}
    )


if __name__ == "__main__":
    _record()
