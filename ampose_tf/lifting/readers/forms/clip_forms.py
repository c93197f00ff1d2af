"""Readers for a clip in JSON: all frames in one value.

* COCO annotations, https://cocodataset.org/#format-data: `images` and
  `annotations`; PoseTrack, CVAT and Roboflow use this form.
* COCO results, https://cocodataset.org/#format-results: a list of people
  with `image_id`; AlphaPose too, where image_id is a file's name.
* MMPose's video inferencer: a list of `{"frame_id", "instances"}`; its demos:
  `{"meta_info", "instance_info"}`, which count frames from 1.
* `{"frames": […], "image_size": [width, height], "fps": 30}`, this project's
  own format: frames in any form of `frame_forms`, with the image size and
  frame rate that other tools omit; optionally `skeleton`, a name, `notes`,
  sentences for the user, and `of_video`. `Keypoints.save` writes it.
* An object with frames by their numbers or images, as AlphaPose's
  `--format open`.
* A list of frames in any of these forms, as text (Ultralytics' `to_json`) or
  as JSON values; or a list of people, each with the number or image of the
  frame. For a list of bodies with neither, see `evidence`.
* One frame.
"""

import re

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.keypoints import find_skeleton
from ampose_tf.lifting.readers import confidence, evidence, vocabulary
from ampose_tf.lifting.readers.forms import (
    array_files,
    coco_forms,
    nesting,
    tables,
)
from ampose_tf.lifting.readers.forms.fields import (
    fields_of,
    is_empty,
    rate_of,
    size_of,
)
from ampose_tf.lifting.readers.forms.frame_forms import (
    is_person,
    read,
    with_names,
)
from ampose_tf.lifting.readers.forms.tools import form_of
from ampose_tf.lifting.readers.records import Account, Group, Recording
from ampose_tf.lifting.readers.sequences import (
    Options,
    check_format,
    numbered,
    record,
)
from ampose_tf.lifting.untrusted import brief

# The skeletons of MMPose's datasets.
_DATASETS = {
    "coco": "COCO-17",
    "coco_wholebody": "COCO-WholeBody-133",
    "halpe": "Halpe-136",
    "halpe26": "Halpe-26",
    "posetrack18": "PoseTrack-17",
    "mpii": "MPII-16",
    "h36m": "H36M-17",
}
# Fields around frames that only this module reads.
_OWN = ("meta_info", "skeleton", "categories", "notes", "of_video")
# Forms whose lists contain people, by the tools' definitions.
_OF_PEOPLE = ("mmpose", "ultralytics", "tfjs", "coco")


def read_clip(value, options: Options, account: Account) -> Recording:
    """Reads a clip.

    Args:
        value: Contents of a JSON file.
        options: The user's options.
        account: Account of the file.

    Raises:
        ValueError: If the form is unknown, differs from the user's format, or
            the contents are invalid.
    """
    if isinstance(value, dict) and {"images", "annotations"} <= value.keys():
        check_format("coco", options.format)
        return coco_forms.read_annotations(value, options, account)
    value, about = _opened(value, account)
    value = nesting.records_of(value)
    if tables.are_records(value):
        recording = tables.read_records(value, options, account)
        return with_about(recording, about, account)
    members = nesting.as_arrays(value)
    if members is not None:
        recording = array_files.read_npz(members, options, account)
        return with_about(recording, about, account)
    groups = _groups(value, options, account)
    form = _form_of(value)
    clip = numbered(groups, options, account, form in _OF_PEOPLE)
    frames = clip.frames
    of_demo = not about.keys().isdisjoint(("meta_info", "instance_info"))
    if of_demo and frames and frames[0][0] == 1:
        # MMPose's demos count from 1.
        frames = [(number - 1, people) for number, people in frames]
    names = next(iter(_of(about, vocabulary.JOINT_NAMES)), None)
    if names is not None:
        frames = [
            (number, [with_names(person, names) for person in people])
            for number, people in frames
        ]
    recording = record(
        clip._replace(frames=frames),
        options.skeleton or _skeleton_of(about, account),
        account,
        form,
    )
    notes = about.get("notes")
    if isinstance(notes, list) and all(isinstance(n, str) for n in notes):
        for note in notes:
            account.note(note)
    recording = recording._replace(
        third=confidence.kind_of(recording.third, options.format),
        of_video=about.get("of_video") is True,
    )
    return with_about(recording, about, account)


def with_about(
    recording: Recording, about: dict, account: Account
) -> Recording:
    """Returns a recording with an object's frame rate and image size."""
    return recording._replace(
        image_size=size_of(about, account) or recording.image_size,
        fps=_fps_of(about, account) or recording.fps,
    )


def read_one(
    value, options: Options, account: Account
) -> tuple[Group, str | None]:
    """Reads one frame of a folder, and detects its form.

    Raises:
        ValueError: If `read_clip` would raise it, or if there are several
            frames.
    """
    value, about = _opened(value, account)
    groups = _groups(value, options, account)
    named = {group.label for group in groups if group.people}
    if len(named) < 2 and all(group.is_person for group in groups):
        options = options._replace(frames=evidence.PEOPLE)
    clip = numbered(groups, options, account)
    if len(clip.frames) > 1:
        raise ValueError(
            "several frames; expected one frame in each file of a folder"
        )
    people = [person for _, own in clip.frames for person in own]
    group = Group(
        people,
        size=size_of(about, account) or clip.size,
        fps=_fps_of(about, account) or clip.fps,
    )
    return group, _form_of(value)


def is_one_frame(value) -> bool:
    """Whether a JSON value is a single frame; True if it is undecidable."""
    account = Account()
    try:
        if isinstance(value, dict) and isinstance(value.get("images"), list):
            return len(value["images"]) <= 1
        groups = _groups(_opened(value, account)[0], Options(), account)
        return len(numbered(groups, Options(), account).frames) <= 1
    except ValueError:
        return True


def _groups(value, options, account):
    """Returns the groups in the value from `_opened`."""
    if isinstance(value, dict) and _is_keyed(value):
        return _of_keyed(value, options, account)
    if isinstance(value, dict):
        value = [value]
    return _of_list(value, options, account)


def _opened(value, account):
    """Returns a list or an object of frames or people, and its description.

    See `nesting`.
    """
    about = {}
    while isinstance(value, dict) and not _is_keyed(value):
        split = nesting.bodies_of(value)
        key = _frames_key(value) or nesting.around(value)
        tracks = None if split else nesting.tracks_of(value, account)
        if tracks is not None:
            return tracks, about
        if split is None and key is None:
            if is_person(value):
                return value, about
            return value, nesting.described(value) | about
        value, rest = split or (
            value[key],
            {name: own for name, own in value.items() if name != key},
        )
        account.unread(
            name
            for name, own in rest.items()
            if vocabulary.meaning(name) is None
            and name not in _OWN
            and not _describes(own)
        )
        about = (
            nesting.described(rest) | about | ({} if split else {key: None})
        )
    for place in (0, -1):
        if (
            isinstance(value, list)
            and len(value) > 1
            and nesting.is_about(value[place])
        ):
            about = nesting.described(value[place]) | about
            value = value[1:] if place == 0 else value[:-1]
    return nesting.tracks_of(value, account) or value, about


def _describes(value):
    """Whether a value is an object that describes a clip: rate or size."""
    return isinstance(value, dict) and any(
        vocabulary.meaning(name) in nesting.ABOUT for name in value
    )


def _frames_key(value):
    """Returns the field that contains a list of frames, or None."""
    for what in (vocabulary.FRAMES, vocabulary.FRAME):
        for key in fields_of(value).get(what, ()):
            inner = value[key]
            if isinstance(inner, list) or (
                isinstance(inner, dict) and _is_keyed(inner)
            ):
                return key
    for key in fields_of(value).get(vocabulary.PEOPLE, ()):
        if nesting.are_of_frames(value[key]):
            return key
    return None


def _is_keyed(value):
    """Whether an object contains frames by their numbers or images' names."""
    if (
        not value
        or is_person(value)
        or not all(
            is_empty(own) or isinstance(own, (list, dict))
            for own in value.values()
        )
    ):
        return False
    return all(
        re.search(r"[0-9]", key) and vocabulary.meaning(key) is None
        for key in value
    ) and any(
        is_person(own) or nesting.holds_people(own) for own in value.values()
    )


def _of_keyed(value, options, account):
    """Reads an object with frames by their numbers or images."""
    groups = []
    for key, item in value.items():
        group = _read(item, key, account)
        if group.number is None and group.image is None:
            named = {"number": int(key)} if _is_number(key) else {"image": key}
            group = group._replace(**named)
        groups.append(group._replace(is_person=False))
    return groups


def _is_number(key):
    return re.fullmatch(r"[0-9]{1,8}", key) is not None


def _of_list(value, options, account):
    """Reads a list of frames or of people."""
    check_format(_form_of(value), options.format)
    if is_person(value) or not isinstance(value, list):
        return [read(value, account)]
    if len(value) > untrusted.MAX_FRAMES * untrusted.MAX_PEOPLE:
        raise ValueError(f"a list of {len(value)} items, which is too long")
    value = [_parsed(item) for item in value]
    if len(value) == 1:
        return [read(value[0], account)]
    return [_read(item, place, account) for place, item in enumerate(value)]


def _form_of(value):
    """Returns the form of the first frame of a value; None if it has none."""
    if isinstance(value, dict) and _is_keyed(value):
        value = list(value.values())
    if isinstance(value, list):
        value = next((item for item in value if not is_empty(item)), None)
    return form_of(_parsed(value))


def _read(item, place, account):
    try:
        return read(item, account)
    except ValueError as error:
        raise ValueError(f"frame {place}: {error}") from error


def _parsed(item):
    if not isinstance(item, str):
        return item
    try:
        return untrusted.parse(item)
    except ValueError as error:
        raise ValueError(
            f"expected frames as JSON, got the text {brief(item)}: {error}"
        ) from error


def _of(about, meaning):
    """Returns the values of the fields with a meaning, except null."""
    keys = fields_of(about).get(meaning, ())
    return [about[key] for key in keys if about[key] is not None]


def _fps_of(about, account):
    return next(
        (rate_of(fps, account) for fps in _of(about, vocabulary.FPS)), None
    )


def _skeleton_of(about, account):
    """Returns the skeleton that a clip names, or None."""
    meta = about.get("meta_info")
    name = meta.get("dataset_name") if isinstance(meta, dict) else None
    if isinstance(name, str):
        if name not in _DATASETS:
            raise ValueError(
                f"its joints are those of the dataset {brief(name)}; expected "
                f"{', '.join(_DATASETS)}, or name your own skeleton"
            )
        return find_skeleton(_DATASETS[name])
    name = about.get("skeleton")
    if isinstance(name, str):
        try:
            return find_skeleton(name)
        except ValueError as error:
            account.note(f"Not used: {error}.")
    return None
