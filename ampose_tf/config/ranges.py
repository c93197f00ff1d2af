"""What is drawn at random of motion archives, and from where to where.

`Cameras` stand around each trial as long as a run lasts. For training with
drawn cameras, every pose of every epoch is seen by a new camera
(`Viewpoints`), on a new body, by a new imperfect detector. Pairs are
(lowest, highest); the defaults' reasons stand with them.
"""

import dataclasses

from ampose_tf.config.fields import at_least, within


@dataclasses.dataclass
class Cameras:
    """Virtual cameras around each trial of a motion archive (spec: "fixed").

    Attributes:
        number: Cameras per trial.
        azimuth_jitter_deg: Cameras stand evenly around the trial from a
            random start, each off its place by up to this many degrees.
        distance_m: Nearest and farthest, from the trial's mean hip.
        height_m: Lowest and highest position above the floor.
        aim_m: Lowest and highest point above the trial's mean hip's place on
            the floor that a camera is aimed at.
        focal_length_px: Of the ideal pinhole.
        image_width: Pixels.
        image_height: Pixels.
        noise: Standard deviation of Gaussian noise on each axis of a keypoint,
            as a fraction of the image of 1.7 m at the hip's depth.
        inside_image: Whether frames with a joint outside the image are
            dropped. Frames with a joint nearer than a metre to the camera's
            plane always are.
        train_seed: Of the cameras that training poses are seen by, and of
            their noise.
        validation_seed: Of those for validation.
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
    """Cameras, see `data.augmentation.viewpoints`.

    Attributes:
        field_of_view_deg: Of the image's longer side. Human3.6M's cameras
            have 47, phones 60 to 75, wide-angle and action cameras 95.
        aspect: Width over height: portrait phones 9/16, landscape 16/9.
        distance_m: On the floor, from the camera to the person; the camera
            steps back as `fit` asks.
        height_m: Of the camera above the floor: from a phone that leans
            against something to one held up.
        tilted: Share of cameras whose height follows from `tilt_deg`.
        tilt_deg: How far these look down, under ceilings and in sports
            halls, or up (negative), before the point aimed at moves aside;
            `distance_m` is then along their axis.
        aim_m: Height above the floor of the point aimed at.
        off_center: How far beside the image's centre the person may stand,
            in halves of the image's width.
        fit: The camera steps back until what it sees at the person's place
            reaches this share of the way from the point aimed at to the floor
            and to 1.8 m. People who crouch over, jump, or stand at the side
            may still be cut off; the less, the larger.
        roll_deg: Largest turn about the optical axis; small turns are drawn
            more often.
        rolled: Share of cameras that are turned by up to `rolled_deg`.
        rolled_deg: Largest turn of cameras that are mounted or held askew.
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
    """Bodies, see `data.augmentation.bodies`.

    All factors multiply what was captured.

    Attributes:
        size: Of the whole body. The captured are adults of about 1.75 m.
        limbs: Largest relative change of each pair of limbs, the neck, the
            head and each half of the spine.
        hips: Width of the hips. CMU's are 0.09 m a side, Human3.6M's 0.13,
            those of detectors' skeletons between.
        shoulders: Width of the shoulders.
        thorax: Where the thorax lies between its captured place (0) and the
            middle of the shoulders (1), in poses that arrive as Human3.6M's
            joints. CMU's is 6 cm below that middle, Human3.6M's above it.
        hips_up_m: How far the hips lie towards the shoulders from where they
            were captured. Mocap gives joint centres; annotators, and
            detectors trained by them, mark hips higher or lower.
        shoulders_up_m: The same of the shoulders, away from the hips.
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
    """Postures, see `data.augmentation.postures`.

    Attributes:
        exchanged: Share of upright poses with the upper body of another.
        turned: Share of poses whose trunk turns against the hips, and whose
            whole arms and legs in shoulders and hips.
        turn_deg: Standard deviation of these turns about each axis; every
            pose has its own, up to this one.
    """

    exchanged: float = within(0, 1, 0.2)
    turned: float = within(0, 1, 0.5)
    turn_deg: float = within(0, 90, 20.0)


@dataclasses.dataclass
class Detector:
    """Errors of a 2D detector, see `data.augmentation.detector`.

    Lengths in the image are fractions of the person's size, of which 1 is the
    image of 1.7 m at the person's distance.

    Attributes:
        exact: Share of the poses that arrive as Human3.6M's joints; the rest
            as landmarks of detectors. `head_turn_deg` to `honesty`, and
            `stray_covered`, apply to the latter only.
        head_turn_deg: Standard deviation of the head's turn to a side,
            against the shoulders.
        head_nod_deg: The same up or down, against the neck.
        ears_up: Where the middle of the ears is, from the middle of the
            shoulders (0) to Human3.6M's Head (1).
        ears_front_m: How far it is in front of that line.
        hips_off_m: Standard deviation of how far a detector sees both hips
            farther out, or up, than they are.
        shoulders_off_m: The same for the shoulders.
        hips_surface_m: How far in front of the hips' centres, on the front or
            the back, they are marked if the person faces the camera or turns
            their back on it.
        covered_factor: Factor of the error of a joint that the body hides.
        honesty: How much of the way from 1 to `SEEN_SCORE` the scores of
            hidden joints may fall; one is drawn per pose, and how far it
            goes, for each limb.
        clean: Share of the poses that arrive as Human3.6M's joints which have
            no noise.
        noise: Standard deviation of the error of each joint by itself, before
            `tail` and `drift`; one per pose is drawn, small ones more often.
            COCO's annotators differ by 0.01 to 0.02 among themselves.
        tail: Share of joints whose error is several times as large.
        tail_factor: That many times.
        stray: Share of visible joints that are placed far off.
        stray_covered: The same for joints that the body hides.
        stray_size: Standard deviation of their error.
        drift: Error that the joints of a limb have in common, over `noise`.
        swap: Share of poses with left and right exchanged, of arms, legs or
            both.
        hide_joint: Largest share of joints hidden singly; the share is drawn
            for each pose.
        hide_limb: Share of poses with the far half of a limb or a whole one
            hidden.
        hide_half: Share of poses with the legs, the left or the right side
            hidden.
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
