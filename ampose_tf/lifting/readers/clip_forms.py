"""A clip's people in JSON: all frames in one value.

* COCO's annotations, https://cocodataset.org/#format-data: `images` and
  `annotations`; PoseTrack's and CVAT's are of this form.
* COCO's results, https://cocodataset.org/#format-results: a list of people
  with `image_id`; AlphaPose's too, whose image_id is a file's name.
* MMPose's video inferencer: a list of `{"frame_id", "instances"}`; its demos:
  `{"meta_info", "instance_info"}`, which count frames from 1.
* `{"frames": […], "image_size": [width, height], "fps": 30}`, this project's
  own: what tools do not say, beside frames in any form of `frame_forms`.
* A list of frames in any of these forms, as text (Ultralytics' `to_json`) or
  as it is. A list of lists of points is one of frames, not of people, and a
  list of more than `_MANY` poses of tfjs is a clip of one person.
* One frame.
"""

from ampose_tf.conversion import Conversion
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.keypoints import find_skeleton
from ampose_tf.lifting.readers import coco_forms
from ampose_tf.lifting.readers.detections import Recording
from ampose_tf.lifting.readers.frame_forms import form_of, is_empty
from ampose_tf.lifting.readers.sequences import (
    check_format,
    own_numbers,
    read_frames,
    record,
)
from ampose_tf.lifting.untrusted import brief

# MoveNet's MultiPose finds no more people in a frame.
_MANY = 6

# MMPose's names of its datasets' joints.
_DATASETS = {
    "coco": "COCO-17",
    "coco_wholebody": "COCO-17",
    "halpe26": "Halpe-26",
    "mpii": "MPII-16",
    "h36m": "H36M-17",
}


def read_clip(
    value, format: str | None, skeleton: Conversion | None
) -> Recording:
    """Reads a clip.

    Args:
        value: Of a JSON file.
        format: One of `formats.FORMATS`, where the user says it.
        skeleton: Of its joints, where the user says it.

    Raises:
        ValueError: Where it is no known form, not of that format, or wrong
            in itself.
    """
    if isinstance(value, dict):
        if "images" in value and "annotations" in value:
            check_format("coco", format)
            return coco_forms.read_annotations(value, skeleton)
        if "instance_info" in value:
            check_format("mmpose", format)
            return _mmpose_demo(value, skeleton)
        if isinstance(value.get("frames"), list):
            return _wrapped(value, format, skeleton)
    if form_of(value) == "coco" and isinstance(value, list):
        return coco_forms.read_results(value, format, skeleton)
    return _frames(value, format, skeleton)


def is_one_frame(value) -> bool:
    """Whether JSON holds a single frame; true of what cannot be told."""
    if isinstance(value, dict):
        for name in ("images", "frames", "instance_info"):
            items = value.get(name)
            if isinstance(items, list):
                # Demos of one image list its people.
                is_people = name == "instance_info" and (
                    not _is_list_of_frames(items)
                )
                return is_people or len(items) <= 1
        return True
    if form_of(value) == "coco":
        return not has_several_images(value)
    if _is_list_of_frames(value):
        return len(value) <= 1
    return not _are_many_poses(value)


def has_several_images(value) -> bool:
    """Whether COCO's results, in a list, are of more than one image."""
    if not isinstance(value, list) or form_of(value) != "coco":
        return False
    people = [person for person in value if isinstance(person, dict)]
    return len({str(person.get("image_id")) for person in people}) > 1


def _frames(value, format, skeleton):
    frames, form = _split(value, format)
    numbers = own_numbers(frames)
    return record(frames, numbers, skeleton, form)


def _split(value, format):
    """Returns the frames of a value, and their one form."""
    items = [value]
    if _is_list_of_frames(value):
        items = [_parsed(item) for item in value]
    elif form_of(value) == "tfjs" and _are_many_poses(value):
        items = [[item] if item else item for item in value]
    return read_frames(items, format)


def _is_list_of_frames(value):
    if not isinstance(value, list):
        return False
    first = next((item for item in value if not is_empty(item)), None)
    if first is None or isinstance(first, str):
        return bool(value)
    if isinstance(first, dict) and "keypoints" in first:
        return False  # A person.
    return form_of(first) is not None and not (
        isinstance(first, dict) and form_of(value) is not None
    )


def _are_many_poses(value):
    if not isinstance(value, list) or len(value) <= _MANY:
        return False
    return all(
        is_empty(item) or (isinstance(item, dict) and "keypoints" in item)
        for item in value
    )


def _parsed(item):
    if not isinstance(item, str):
        return item
    try:
        return untrusted.parse(item)
    except ValueError as error:
        raise ValueError(
            f"expected frames as JSON, got the text {brief(item)}: {error}"
        ) from error


def _wrapped(value, format, skeleton):
    items = [_parsed(item) for item in value["frames"]]
    frames, form = read_frames(items, format)
    recording = record(frames, own_numbers(frames), skeleton, form)
    size = value.get("image_size")
    if size is None and "width" in value and "height" in value:
        size = [value["width"], value["height"]]
    if size is not None:
        size = untrusted.image_size(size, "image_size")
    fps = value.get("fps")
    if fps is not None:
        fps = untrusted.frame_rate(fps, "fps")
    return recording._replace(image_size=size, fps=fps)


def _mmpose_demo(value, skeleton):
    items = value["instance_info"]
    if not isinstance(items, list):
        raise ValueError(f"instance_info: expected a list, got {brief(items)}")
    numbers = [0]
    if _is_list_of_frames(items):
        frames, form = read_frames(items, "mmpose")
        numbers = own_numbers(frames)
        if 0 not in numbers:
            numbers = [number - 1 for number in numbers]
    else:  # Of an image: its people.
        frames, form = read_frames([items], "mmpose")
    skeleton = skeleton or _skeleton_of_dataset(value.get("meta_info"))
    return record(frames, numbers, skeleton, form)


def _skeleton_of_dataset(meta):
    name = meta.get("dataset_name") if isinstance(meta, dict) else None
    if not isinstance(name, str):
        return None
    if name not in _DATASETS:
        raise ValueError(
            f"its joints are those of the dataset {brief(name)}; known: "
            f"{', '.join(_DATASETS)}, and others by a skeleton of one's own"
        )
    return find_skeleton(_DATASETS[name])
