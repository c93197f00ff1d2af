r"""Lifts people in a video, or the keypoints of a clip, to 3D.

    python lift.py --video=clip.mp4 --output=lifted/ --formats=npz,bvh,html

People are found by BlazePose, whose models this puts into your cache:

    python -m ampose_tf.lifting.blazepose.models

Keypoints of another detector are lifted in place of a video:

    python lift.py --keypoints=clip.json --image_size=1920x1080 \
        --output=lifted/ --formats=npz,bvh

Reads what COCO, AlphaPose, OpenPose, MMPose, Ultralytics, Detectron2,
MediaPipe, MoveNet and tfjs write, and plain arrays; see
ampose_tf/lifting/formats.py. Writes lifted/clip.npz, which states units, frame
and joint names, and lifted/clip.png, 2D beside 3D, or the formats of your
choice. Says what it assumed.

JSON lines on standard input are answered line by line, as they come:

    detector | python lift.py --keypoints=- --image_size=640x480 \
        --smooth=one_euro

What it has saved as .npz or .json it writes in other formats, as it is:

    python lift.py --keypoints=lifted/clip.npz --formats=html

What looks wrong with a file, in plain words:

    python lift.py --keypoints=clip.json --doctor
"""

from ampose_tf import config
from ampose_tf.lifting.command import define_flags, main

if __name__ == "__main__":
    config.run(main, define_flags)
