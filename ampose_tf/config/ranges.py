"""Ranges of everything that is drawn at random for motion archives.

`Cameras` are fixed around each trial for a whole run. In training with drawn
cameras, every pose of every epoch has a new camera (`Viewpoints`), a new body
and a new imperfect detector. Pairs are (lowest, highest); the reasons for the
defaults are given with them.
"""

import dataclasses

from ampose_tf.config.fields import at_least, within


@dataclasses.dataclass
class Cameras:
    """Virtual cameras around each trial of a motion archive (spec: "fixed").

    Attributes:
        number: Cameras per trial.
        azimuth_jitter_deg: Cameras are spaced evenly around the trial from a
            random start; each is displaced by up to this many degrees.
        distance_m: Nearest and farthest distance from the trial's mean hip.
        height_m: Lowest and highest position above the floor.
        aim_m: Lowest and highest point that a camera is aimed at, above the
            trial's mean hip's place on the floor.
        focal_length_px: Focal length of the ideal pinhole, in pixels.
        image_width: Width of the image in pixels.
        image_height: Height of the image in pixels.
        noise: Standard deviation of Gaussian noise on each axis of a keypoint,
            as a fraction of the projected length of 1.7 m at the hip's depth.
        inside_image: Whether frames with a joint outside the image are
            dropped. Frames with a joint less than a metre in front of the
            camera's plane are always dropped.
        train_seed: Seed of the cameras for training poses and their noise.
        validation_seed: Seed of the cameras for validation poses and their
            noise.
    """

    number: int = at_least(1, 4)
    azimuth_jitter_deg: float = within(0, 180, 17.0)
    distance_m: tuple[float, float] = at_least(0.1, (4.0, 6.0))
    height_m: tuple[float, float] = (1.2, 1.8)
    aim_m: tuple[float, float] = (0.7, 1.1)
    focal_length_px: float = at_least(1.0, 1145.0)
    image_width: int = at_least(1, 1000)
    image_height: int = at_least(1, 1000)
    noise: float = at_least(0, 0.0)
    inside_image: bool = False
    train_seed: int = at_least(0, 0)
    validation_seed: int = at_least(0, 1)


@dataclasses.dataclass
class Viewpoints:
    """Ranges of cameras, see `data.augmentation.viewpoints`.

    Attributes:
        field_of_view_deg: Along the longer side of the image. Human3.6M's
            cameras have 47, phones 60 to 75, wide-angle and action cameras 95.
        aspect: Width divided by height: portrait phones 9/16, landscape 16/9.
        distance_m: Distance on the floor from the camera to the person; the
            camera may move back further, see `fit`.
        height_m: Height of the camera above the floor: from a phone leaning
            against something to one held up.
        tilted: Share of cameras whose height follows from `tilt_deg`.
        tilt_deg: How far these cameras look down, as under ceilings and in
            sports halls, or up (negative), before the point aimed at is
            displaced; `distance_m` is then measured along their axis.
        aim_m: Height above the floor of the point aimed at.
        off_center: Largest distance of the person from the image's centre, in
            halves of the image's width.
        fit: The camera moves back until the visible range at the person's
            place covers this share of the way from the point aimed at to the
            floor and to 1.8 m. People who crouch, jump, or stand at the side
            may still be cut off; larger values make this rarer.
        roll_deg: Largest rotation about the optical axis; small rotations are
            drawn more often.
        rolled: Share of cameras that are rotated by up to `rolled_deg`.
        rolled_deg: Largest rotation of cameras that are mounted or held askew.
    """

    field_of_view_deg: tuple[float, float] = within(5, 150, (38.0, 100.0))
    aspect: tuple[float, float] = within(0.1, 10, (9 / 16, 16 / 9))
    distance_m: tuple[float, float] = at_least(0.5, (2.0, 7.0))
    height_m: tuple[float, float] = (0.15, 2.4)
    tilted: float = within(0, 1, 0.5)
    tilt_deg: tuple[float, float] = within(-80, 80, (-10.0, 60.0))
    aim_m: tuple[float, float] = (0.6, 1.2)
    off_center: float = within(0, 1, 0.6)
    fit: float = at_least(0, 1.0)
    roll_deg: float = within(0, 180, 8.0)
    rolled: float = within(0, 1, 0.15)
    rolled_deg: float = within(0, 180, 30.0)


@dataclasses.dataclass
class Bodies:
    """Ranges of bodies, see `data.augmentation.bodies`.

    All factors multiply the captured lengths.

    Attributes:
        size: Factor of the whole body. The captured people are adults of
            about 1.75 m.
        limbs: Largest relative change of each pair of limbs, the neck, the
            head and each half of the spine.
        hips: Factor of the width of the hips. CMU's are 0.09 m a side,
            Human3.6M's 0.13, those of detectors' skeletons in between.
        shoulders: Factor of the width of the shoulders.
        thorax: Position of the thorax between its captured place (0) and the
            middle of the shoulders (1), in poses given as Human3.6M's joints.
            CMU's is 6 cm below that middle, Human3.6M's above it.
        hips_up_m: Displacement of the hips towards the shoulders. Mocap
            measures joint centres; annotators, and detectors trained on their
            work, mark hips higher or lower.
        shoulders_up_m: Displacement of the shoulders away from the hips.
    """

    size: tuple[float, float] = at_least(0.01, (0.88, 1.12))
    limbs: float = within(0, 0.9, 0.1)
    hips: tuple[float, float] = at_least(0.01, (0.85, 1.6))
    shoulders: tuple[float, float] = at_least(0.01, (0.85, 1.15))
    thorax: tuple[float, float] = (-0.2, 1.4)
    hips_up_m: tuple[float, float] = (-0.04, 0.03)
    shoulders_up_m: tuple[float, float] = (-0.03, 0.02)


@dataclasses.dataclass
class Postures:
    """Ranges of postures, see `data.augmentation.postures`.

    Attributes:
        exchanged: Share of upright poses that get the upper body of another.
        turned: Share of poses in which the trunk is turned against the hips,
            and whole arms and legs in the shoulders and hips.
        turn_deg: Standard deviation of these turns about each axis; each pose
            draws its own, up to this value.
    """

    exchanged: float = within(0, 1, 0.2)
    turned: float = within(0, 1, 0.5)
    turn_deg: float = within(0, 90, 20.0)


@dataclasses.dataclass
class Detector:
    """Errors of a 2D detector, see `data.augmentation.detector`.

    Lengths in the image are fractions of the person's size, which is the
    projected length of 1.7 m at the person's distance.

    Attributes:
        exact: Share of the poses given as Human3.6M's joints; the others are
            given as landmarks of detectors. `head_turn_deg` to `honesty`, and
            `stray_covered`, apply to these others only.
        head_turn_deg: Standard deviation of the head's turn to the side,
            relative to the shoulders.
        head_nod_deg: Standard deviation of its nod, relative to the neck.
        ears_up: Height of the middle of the ears between the middle of the
            shoulders (0) and Human3.6M's Head (1).
        ears_front_m: Distance of the ears in front of that line.
        hips_off_m: Standard deviation of the detector's bias for both hips,
            outwards and upwards.
        shoulders_off_m: The same for the shoulders.
        hips_surface_m: How far in front of the hips' centres the hips are
            marked, on the front or the back of the body, if the person faces
            the camera or faces away.
        covered_factor: Factor of the error of joints hidden by the body.
        honesty: How far the scores of hidden joints may fall from 1 (at 0) to
            `SEEN_SCORE` (at 1); one value is drawn per pose and, below it, one
            per limb.
        clean: Share of the poses given as Human3.6M's joints that have no
            noise.
        noise: Standard deviation of the independent error of each joint,
            before `tail` and `drift`; drawn per pose, small values more often.
            COCO's annotators differ by 0.01 to 0.02 among themselves.
        tail: Share of joints whose error is multiplied by `tail_factor`.
        tail_factor: Factor of the error of these joints.
        stray: Share of visible joints that are placed far off.
        stray_covered: The same for joints hidden by the body.
        stray_size: Standard deviation of the error of stray joints.
        drift: Error shared by the joints of a limb, as a multiple of `noise`.
        swap: Share of poses with left and right exchanged, of arms, legs or
            both.
        hide_joint: Largest share of joints hidden individually; the share is
            drawn for each pose.
        hide_limb: Share of poses in which the outer half of a limb, or all of
            it, is hidden.
        hide_half: Share of poses in which the legs, the left or the right side
            are hidden.
        crop: Share of poses cut off at a border of the image.
    """

    exact: float = within(0, 1, 0.3)
    head_turn_deg: float = within(0, 90, 20.0)
    head_nod_deg: float = within(0, 90, 12.0)
    ears_up: tuple[float, float] = (0.7, 0.95)
    ears_front_m: tuple[float, float] = (-0.01, 0.04)
    hips_off_m: float = at_least(0, 0.018)
    shoulders_off_m: float = at_least(0, 0.008)
    hips_surface_m: tuple[float, float] = (0.0, 0.04)
    covered_factor: float = at_least(1, 1.8)
    honesty: tuple[float, float] = at_least(0, (0.5, 2.5))
    clean: float = within(0, 1, 0.5)
    noise: tuple[float, float] = within(1e-6, 1, (0.003, 0.02))
    tail: float = within(0, 1, 0.06)
    tail_factor: float = at_least(0, 3.0)
    stray: float = within(0, 1, 0.003)
    stray_covered: float = within(0, 1, 0.1)
    stray_size: float = within(0, 1, 0.15)
    drift: float = at_least(0, 0.7)
    swap: float = within(0, 1, 0.01)
    hide_joint: float = within(0, 1, 0.06)
    hide_limb: float = within(0, 1, 0.06)
    hide_half: float = within(0, 1, 0.05)
    crop: float = within(0, 1, 0.1)
