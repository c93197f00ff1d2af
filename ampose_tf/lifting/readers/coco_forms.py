"""COCO's results and annotations: clips, or collections of images."""

from ampose_tf.conversion import Conversion
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers import frame_forms
from ampose_tf.lifting.readers.detections import Recording
from ampose_tf.lifting.readers.frame_forms import FramePeople, is_empty
from ampose_tf.lifting.readers.sequences import (
    number_frames,
    read_frames,
    record,
)
from ampose_tf.lifting.untrusted import brief


def read_results(
    people: list, format: str | None, skeleton: Conversion | None
) -> Recording:
    """Reads COCO's results, and AlphaPose's; see `clip_forms.read_clip`."""
    images = {}
    for person in people:
        if not isinstance(person, dict):
            raise ValueError(f"expected results, got {brief(person)}")
        label = person.get("image_id", 0)
        if isinstance(label, bool) or not isinstance(label, (int, str)):
            raise ValueError(f"image_id: got {brief(label)}")
        images.setdefault(label, []).append(person)
    frames, _ = read_frames(list(images.values()), format)
    if any(map(has_index, people)):
        frames = without_useless_ids(frames)
    return record(frames, number_frames(list(images)), skeleton, "coco")


def has_index(person: dict) -> bool:
    """Whether it has AlphaPose's `idx`, which may be no id; `are_tracked`."""
    return "idx" in person


def without_useless_ids(frames: list[FramePeople]) -> list[FramePeople]:
    """Returns frames whose people have no ids unless `are_tracked`."""
    if are_tracked([[p.track_id for p in frame.people] for frame in frames]):
        return frames
    return [
        frame._replace(
            people=[p._replace(track_id=None) for p in frame.people]
        )
        for frame in frames
    ]


def are_tracked(ids: list[list[int | None]]) -> bool:
    """Whether the ids of the people of each frame are of any use.

    AlphaPose writes `idx` in any case; where it has followed nobody,
    everybody's is 0.
    """
    return any(own != 0 for frame in ids for own in frame) and all(
        len(set(frame)) == len(frame) for frame in ids
    )


def read_annotations(value: dict, skeleton: Conversion | None) -> Recording:
    """Reads COCO's annotations; see `clip_forms.read_clip`.

    Categories say the joints' names, and so their order.
    """
    images, people = value["images"], value["annotations"]
    for what, items in (("images", images), ("annotations", people)):
        if not isinstance(items, list) or not all(
            isinstance(item, dict) for item in items
        ):
            raise ValueError(f"{what}: expected a list of objects")
    ids = [image.get("id") for image in images]
    if not all(isinstance(own, (int, str)) for own in ids) or len(
        set(ids)
    ) < len(ids):
        raise ValueError("images: expected every one to have an id of its own")
    names = _names_of_categories(value.get("categories"))
    found = {own: [] for own in ids}
    for person in people:
        # A crowd has no joints, and whoever is unlabelled has none either.
        if person.get("iscrowd") == 1 or is_empty(person.get("keypoints")):
            continue
        image = person.get("image_id")
        if not isinstance(image, (int, str)) or image not in found:
            raise ValueError(f"annotations: there is no image {brief(image)}")
        found[image].append(_named(frame_forms.coco_person(person), names))
    labels = [image.get("file_name", image["id"]) for image in images]
    if not all(isinstance(label, (int, str)) for label in labels):
        raise ValueError("images: expected every file_name to be a text")
    if len(set(labels)) < len(labels):
        labels = ids
    frames = [FramePeople(None, found[own]) for own in ids]
    recording = record(frames, number_frames(labels), skeleton, "coco")
    sizes = {
        untrusted.image_size((image["width"], image["height"]), "images")
        for image in images
        if "width" in image and "height" in image
    }
    return recording._replace(
        image_size=next(iter(sizes)) if len(sizes) == 1 else None,
        # Photographs of several sizes do not follow each other.
        is_clip=len(sizes) <= 1,
    )


def _names_of_categories(categories):
    """Returns the joints of the only category that names some, or None."""
    if not isinstance(categories, list):
        return None
    named = [
        category["keypoints"]
        for category in categories
        if isinstance(category, dict) and category.get("keypoints")
    ]
    if len(named) != 1 or not isinstance(named[0], list):
        return None
    return tuple(map(str, named[0]))


def _named(person, names):
    if names is None:
        return person
    if len(names) != len(person.points):
        raise ValueError(
            f"annotations: a person of {len(person.points)} joints, its "
            f"category has {len(names)}"
        )
    return person._replace(names=names)
