"""The flags of lift.py and ampose-lift."""

import math

from absl import flags

from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.lifting.keypoints import PERSON_SCORE

# As in `blazepose.models`, which takes time to import.
DETECTORS = ("lite", "full", "heavy")

# Flags that decide on the poses, beside the model.
SETTINGS = (
    "image_size",
    "fps",
    "format",
    "skeleton",
    "frames",
    "seen_score",
    "person_score",
    "smooth",
    "fov_deg",
    "intrinsics",
    "height_m",
    "up",
    "detector",
    "people",
    "start",
    "end",
    "every",
)
# Flags for lifting, which a saved result needs no more.
OF_LIFTING = (
    "model",
    "trust_model",
    "doctor",
    "clips",
    "threads",
    *SETTINGS,
)
# Flags that only --video has a use for.
OF_VIDEO = (
    "detector",
    "people",
    "start",
    "end",
    "every",
    "save_keypoints",
    "preview",
    "with_frames",
)
# Flags that only --keypoints has a use for: a video itself says its size.
OF_KEYPOINTS = (
    "clips",
    "image_size",
    "format",
    "skeleton",
    "frames",
    "person_score",
)
# Flags for lifting, for which --doctor has no use.
OF_RESULTS = (
    "model",
    "trust_model",
    "output",
    "formats",
    "overwrite",
    "threads",
    "smooth",
    "fov_deg",
    "intrinsics",
    "height_m",
    "up",
    "preview",
    "with_frames",
)


def define(flag_values: flags.FlagValues) -> None:
    """Defines the flags of `command.main`."""
    flags.DEFINE_string(
        "keypoints",
        None,
        "A keypoint file of any tool, a folder of one JSON file for each "
        "frame, - for JSON lines on standard input, answered on standard "
        "output, or a saved result, which is written in other formats; or "
        "many clips: a quoted pattern, or a folder of clips.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "clips",
        None,
        ["each", "one"],
        "Whether each file in a folder is a clip, or all of them are one. By "
        "default they are one if each holds a single frame.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "model",
        "ampose_s",
        "ampose_s (the default) or ampose_t, which are released, or a .keras, "
        "SavedModel folder or .tflite.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "trust_model",
        False,
        "Run a .tflite or a SavedModel that is refused as untrusted. It may "
        "then read and write your files.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "doctor",
        False,
        "Lift nothing; say in plain words what looks wrong with the "
        "keypoints.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output",
        None,
        "Folder, by default lifted/, or a file whose ending says its format; "
        "beside an .npz its .png is drawn.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "formats",
        None,
        "Formats of the files in the output folder, by default npz,png, and "
        "npz for many clips: npz, json, csv, angles (as .csv), trc, bvh, "
        "html, gif, mp4, png.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "overwrite",
        False,
        "Replace files that exist; with many clips, those that were lifted "
        "from another input, by another model or with other flags.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "threads",
        None,
        "Threads to run a .tflite or a released model in, and clips that "
        "are worked on at a time; by default as many as there are cores. "
        "Poses do not depend on it.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "image_size",
        None,
        "WIDTHxHEIGHT in pixels. If the file does not say it either, "
        "normalised keypoints cannot be read; for others, a square around "
        "the people is assumed, and where they stand is not estimated.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "fps",
        None,
        "The video's frames per second; 30 are assumed if the file does not "
        "say it either.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "format",
        None,
        "Format of the file; by default it is recognised.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "skeleton",
        None,
        "Skeleton of the file's joints; by default it is recognised. A name, "
        "such as COCO-17, or a JSON file that describes one of your own, see "
        "python -m pydoc ampose_tf.lifting.own_skeleton.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "frames",
        None,
        ["list", "people"],
        "What the bodies in a plain list are: frames one after another, or "
        "people of one frame. By default ids that come back and the distances "
        "of bodies decide.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "person_score",
        PERSON_SCORE,
        "People are left out if the score of the whole person is lower.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "seen_score",
        SEEN_SCORE,
        "A joint counts as seen from this score on.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "smooth",
        "none",
        "Smoothing over time: none, butterworth (no lag, needs the whole "
        "clip) or one_euro.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "fov_deg",
        None,
        "The camera's field of view along the image's longer side, in "
        "degrees; 60 are assumed. It decides how far away people are, and "
        "needs the image's size.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "intrinsics",
        None,
        "FX,FY,CX,CY of the camera in pixels, in place of --fov_deg.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "height_m",
        None,
        "The people's height in metres, to scale them by; without it they "
        "have the size that the model gives them.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "up",
        "y",
        "y, the camera is level; degrees that it looks down by; auto, from "
        "people who stand; or x,y,z in the camera's frame.",
        flag_values=flag_values,
    )
    _define_of_video(flag_values)


def _define_of_video(flag_values):
    flags.DEFINE_string(
        "video",
        None,
        "A video (.mp4, .mov, .mkv, .webm, .avi, .gif and other common "
        "formats), a folder whose images are the frames of one clip, or an "
        "image; in place of --keypoints.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "detector",
        "full",
        DETECTORS,
        "With --video, the BlazePose model, better and slower from lite to "
        "heavy.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "people",
        1,
        "With --video, how many people are followed.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "start",
        0.0,
        "With --video, seconds to begin at.",
        lower_bound=0.0,
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "end",
        math.inf,
        "With --video, seconds to end at.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "every",
        1,
        "With --video, every n-th frame is looked at.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "save_keypoints",
        None,
        "With --video, a .json to save the keypoints in; --keypoints reads "
        "it.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "preview",
        False,
        "With --video, also write <stem>_preview.mp4: the video with the "
        "skeleton on it, beside the 3D.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "with_frames",
        False,
        "With --video, put small pictures of it behind the keypoints in the "
        ".html.",
        flag_values=flag_values,
    )
