"""The flags of lift.py and ampose-lift."""

import math

from absl import flags

from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.lifting.keypoints import PERSON_SCORE

# As in `blazepose.models`, which takes time to import.
DETECTORS = ("lite", "full", "heavy")

# Flags that, together with the model, determine the poses.
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
# Flags for lifting, which do not apply to a saved result.
OF_LIFTING = (
    "model",
    "trust_model",
    "doctor",
    "clips",
    "threads",
    *SETTINGS,
)
# Flags that apply only to --video.
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
# Flags that apply only to --keypoints.
OF_KEYPOINTS = (
    "clips",
    "image_size",
    "format",
    "skeleton",
    "frames",
    "person_score",
)
# Flags for lifting, which do not apply to --doctor.
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
        "Input: a keypoint file of any supported tool; a folder with one JSON "
        "file per frame; a quoted pattern or a folder of clips, to lift many; "
        "- to read JSON lines from standard input and answer on standard "
        "output; or a saved result, to convert it to other formats.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "clips",
        None,
        ["each", "one"],
        "Whether each file in a folder is a clip (each), or all of them "
        "together are one (one). By default, one if every file contains a "
        "single frame.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "model",
        "ampose_s",
        "The released model ampose_s or ampose_t, or a path of your own: a "
        ".keras file, a .tflite file or a SavedModel folder.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "trust_model",
        False,
        "Run a .tflite file or a SavedModel without checking that it is safe. "
        "It can then read and write your files.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "doctor",
        False,
        "Check the keypoints for common mistakes and print a report; nothing "
        "is lifted.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output",
        None,
        "Output folder, by default lifted/, or a single file in the format of "
        "its extension; an .npz file always comes with a .png picture.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "formats",
        None,
        "Comma-separated formats of the files in the output folder: npz, "
        "json, csv, angles (as .csv), trc, bvh, html, gif, mp4, png. By "
        "default npz,png, or npz for many clips.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "overwrite",
        False,
        "Replace existing files. With many clips, results of another input, "
        "another model or other flags are replaced.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "threads",
        None,
        "Number of threads for a .tflite file or a released model, and of "
        "clips lifted at the same time. By default the number of cores. It "
        "does not change the poses.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "image_size",
        None,
        "Image size as WIDTHxHEIGHT in pixels; overrides the file's. If it is "
        "unknown, a square around the people is assumed, root positions need "
        "--intrinsics, and normalised keypoints are refused.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "fps",
        None,
        "Frames per second of the video; overrides the file's. If unknown, 30 "
        "are assumed.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "format",
        None,
        "Format of the keypoint file. By default it is detected.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "skeleton",
        None,
        "Skeleton of the keypoint file: a name, such as COCO-17, or a JSON "
        "file that describes your own, see python -m pydoc "
        "ampose_tf.lifting.own_skeleton. By default it is detected.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "frames",
        None,
        ["list", "people"],
        "What the bodies in a plain list are: consecutive frames of one "
        "person (list), or the people in one frame (people). By default "
        "decided from repeated ids and the distances between bodies.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "person_score",
        PERSON_SCORE,
        "Leave out people whose overall score is below this threshold, from 0 "
        "to 1.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "seen_score",
        SEEN_SCORE,
        "Treat joints with a score below this threshold, from 0 to 1, as not "
        "seen.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "smooth",
        "none",
        "Smoothing over time: none, butterworth (no lag, needs the whole "
        "clip) or one_euro (causal, works on streams).",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "fov_deg",
        None,
        "Field of view of the camera along the image's longer side, in "
        "degrees; by default 60. It determines the people's distances, and "
        "requires a known image size.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "intrinsics",
        None,
        "Intrinsics of the camera as FX,FY,CX,CY in pixels, instead of "
        "--fov_deg.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "height_m",
        None,
        "Height of every person in metres. Their poses are scaled to it; by "
        "default they keep the size that the model predicts.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "up",
        "y",
        "The up direction: y if the camera is level; the angle in degrees by "
        "which it looks down; auto to estimate it from people who stand; or a "
        "vector x,y,z in the camera's frame.",
        flag_values=flag_values,
    )
    _define_of_video(flag_values)


def _define_of_video(flag_values):
    flags.DEFINE_string(
        "video",
        None,
        "Input: a video (.mp4, .mov, .mkv, .webm, .avi, .gif and other common "
        "formats), a folder of images that are the frames of one clip, or a "
        "single image. Give this or --keypoints.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "detector",
        "full",
        DETECTORS,
        "With --video, the BlazePose model: lite is the fastest, heavy the "
        "most accurate.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "people",
        1,
        "With --video, the number of people to track.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "start",
        0.0,
        "With --video, the time to start at, in seconds.",
        lower_bound=0.0,
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "end",
        math.inf,
        "With --video, the time to end at, in seconds; by default the end of "
        "the video.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "every",
        1,
        "With --video, use only every n-th frame.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "save_keypoints",
        None,
        "With --video, also save the keypoints to this .json file, which "
        "--keypoints can read.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "preview",
        False,
        "With --video, also write <stem>_preview.mp4: the video with the 2D "
        "skeleton drawn on it, beside the 3D poses.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "with_frames",
        False,
        "With --video, show small pictures of it behind the keypoints in the "
        ".html viewer.",
        flag_values=flag_values,
    )
