"""Positions of Human3.6M's joints relative to those of detectors.

Human3.6M's Thorax, Neck/Nose and Head are motion-capture joints on the axis of
the neck, which detectors do not provide. If a skeleton has ears, these joints
are placed on the line from the midpoint of the shoulders to the midpoint of
the ears (0.22 m long in adults): Neck/Nose at its middle, Head a tenth of its
length beyond its end. The Spine is at 0.45 of the line from the hip to the
midpoint of the shoulders, between CMU's 0.42 and Human3.6M's 0.5.

If an ear is not seen, the midpoint of the ears is estimated from other joints
with the proportions of adults who look straight ahead: ears 0.15 m apart, eyes
0.065 m, shoulders 0.36 m. In order of preference:

1. One ear, moved inwards by a fifth of the line between the shoulders.
2. The midpoint of the eyes, which is 0.1 m in front of that of the ears.
3. One eye, moved inwards by a tenth of the line between the shoulders.
4. The nose; then, if a shoulder is not seen, one eye or ear without a shift.

The errors of these estimates, measured where both ears are seen, are 16 mm
(1, from the front and behind), 17 mm (2), 20 mm (3) and 47 mm (4, the nose,
all from the front) in OpenPose's detections of one man, and 26, 29, 31 and
51 mm in MediaPipe's. Neck/Nose is again at the middle. Head is a fifth beyond,
because that man's ears are 0.17 m from the midpoint of his shoulders in the
images, and mocap's Head is at 0.23 m. With it, the errors of the other joints
that `ampose_s` of 2026-11-23 predicts from OpenPose's keypoints are 1.9 mm
larger than with the head unseen; with a tenth beyond, they are 3.2 mm larger.

Without shoulders, Head is the midpoint of the ears, and Neck/Nose is not seen.
"""

_SIDES = ("Hip", "Knee", "Foot", "Shoulder", "Elbow", "Wrist")


def middle(*joints):
    """Returns the weights of the midpoint of joints."""
    return {joint: 1 / len(joints) for joint in joints}


def _combined(*parts):
    """Adds up (weight, {joint: weight}) pairs."""
    total = {}
    for factor, weights in parts:
        for joint, weight in weights.items():
            total[joint] = total.get(joint, 0) + factor * weight
    return {joint: weight for joint, weight in total.items() if weight}


def limbs(left, right, names):
    """Returns the weights of the twelve joints of the limbs."""
    return {
        prefix + joint: {side.format(name): 1.0}
        for prefix, side in (("L", left), ("R", right))
        for joint, name in zip(_SIDES, names, strict=True)
    }


def _first_of(alternatives):
    """Returns a joint's weights, without alternatives that are never used.

    These require all sources of an earlier alternative.
    """
    kept = []
    for weights in alternatives:
        if not any(set(earlier) <= set(weights) for earlier in kept):
            kept.append(weights)
    return kept[0] if len(kept) == 1 else tuple(kept)


def _ears(joints):
    """Returns alternatives for the midpoint of the ears, best first.

    Args:
        joints: Joints of the skeleton. Alternatives that need others are left
            out.
    """
    inwards = {"left": 1, "right": -1}

    def moved(joint, part):
        return [
            {
                f"{side}_{joint}": 1.0,
                "right_shoulder": sign * part,
                "left_shoulder": -sign * part,
            }
            for side, sign in inwards.items()
        ]

    alternatives = (
        middle("left_ear", "right_ear"),
        *moved("ear", 0.2),
        middle("left_eye", "right_eye"),
        *moved("eye", 0.1),
        {"nose": 1.0},
        *({f"{side}_eye": 1.0} for side in inwards),
        *({f"{side}_ear": 1.0} for side in inwards),
    )
    return [one for one in alternatives if set(one) <= set(joints)]


def below_top(neck):
    """Returns the weights of Head, which in mocap is below the head's top."""
    return {neck: 0.35, "head_top": 0.65}


def trunk(hips, shoulders):
    """Returns the weights of the axis up to the shoulders.

    Args:
        hips: Alternatives for the midpoint of the hips.
        shoulders: Alternatives for the midpoint of the shoulders.
    """
    return {
        "Hip": _first_of(hips),
        "Spine": _first_of(
            _combined((0.55, hip), (0.45, thorax))
            for hip in hips
            for thorax in shoulders
        ),
        "Thorax": _first_of(shoulders),
    }


def axis(joints, hips, shoulders, necks=(), heads=()):
    """Returns the weights of the five joints of the body's axis.

    Args:
        joints: Joints of the skeleton.
        hips: As in `trunk`.
        shoulders: As in `trunk`.
        necks: Alternatives for Neck/Nose that are preferred to those from
            ears, eyes and nose.
        heads: The same for Head.
    """
    ears = _ears(joints)
    necks, heads = list(necks), list(heads)
    for one in ears:
        beyond = 0.1 if one is ears[0] else 0.2
        for thorax in shoulders:
            necks.append(_combined((0.5, one), (0.5, thorax)))
            heads.append(_combined((1 + beyond, one), (-beyond, thorax)))
    return trunk(hips, shoulders) | {
        "Neck/Nose": _first_of(necks),
        "Head": _first_of([*heads, *ears]),
    }
