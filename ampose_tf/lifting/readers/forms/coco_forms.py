"""Reader for COCO annotations: clips, or collections of images."""

from ampose_tf.lifting.readers import labels, vocabulary
from ampose_tf.lifting.readers.forms import fields, frame_forms
from ampose_tf.lifting.readers.forms.fields import is_empty
from ampose_tf.lifting.readers.forms.frame_forms import with_names
from ampose_tf.lifting.readers.records import Account, Recording
from ampose_tf.lifting.readers.sequences import Numbered, Options, record
from ampose_tf.lifting.untrusted import brief


def read_annotations(
    value: dict, options: Options, account: Account
) -> Recording:
    """Reads COCO annotations; see `clip_forms.read_clip`.

    The categories contain the joints' names, and thereby their order.
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
        raise ValueError("images: expected each image to have its own id")
    names = _names_of_categories(value.get("categories"), account)
    _account_for([value], ("images", "annotations", "categories"), account)
    _account_for(images, ("license", "vid_id"), account)
    found = {own: [] for own in ids}
    for person in people:
        # Crowds and unlabelled people have no joints.
        if person.get("iscrowd") == 1 or is_empty(person.get("keypoints")):
            _account_for([person], (), account)
            continue
        image = person.get("image_id")
        if not isinstance(image, (int, str)) or image not in found:
            raise ValueError(
                f"annotations: image {brief(image)} is not among the images"
            )
        # `id` is the annotation's, not the person's.
        own = {k: v for k, v in person.items() if k not in ("id", "image_id")}
        for body in frame_forms.read(own, account).people:
            if names is not None and len(names) != len(body.points):
                raise ValueError(
                    f"annotations: a person has {len(body.points)} joints, "
                    f"but its category has {len(names)}"
                )
            found[image].append(with_names(body, names))
    sizes = [fields.size_of(image, account) for image in images]
    known = {size for size in sizes if size is not None}
    numbers = _numbers(images, ids, account)
    frames = sorted(
        zip(numbers, (found[own] for own in ids), strict=True),
        key=lambda frame: frame[0],
    )
    # Images with different sizes are photographs, not a clip.
    clip = Numbered(
        frames,
        next(iter(known)) if len(known) == 1 else None,
        len(known) <= 1,
    )
    return record(clip, options.skeleton, account)


def _account_for(objects, known, account):
    """Notes the fields that are neither read nor irrelevant."""
    for names in {tuple(value) for value in objects}:
        account.unread(
            name
            for name in names
            if name not in known and vocabulary.meaning(name) is None
        )


def _numbers(images, ids, account):
    """Returns the frame numbers of the images."""
    names = [image.get("file_name") for image in images]
    if len(set(map(str, names))) < len(names) or not all(
        isinstance(name, (int, str)) for name in names
    ):
        names = ids
    return labels.of_images(names, account)


def _names_of_categories(categories, account):
    """Returns the joint names of the only category with any, or None."""
    if not isinstance(categories, list):
        return None
    named = [
        category["keypoints"]
        for category in categories
        if isinstance(category, dict) and category.get("keypoints")
    ]
    if len(named) != 1 or not isinstance(named[0], list):
        if len(named) > 1:
            account.note(
                "Several categories contain joint names: these are not used."
            )
        return None
    return tuple(map(str, named[0]))
