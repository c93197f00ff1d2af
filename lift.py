r"""Lifts people in a video, or the keypoints of a clip, to 3D.

    python lift.py --video=clip.mp4 --output=lifted/ --formats=npz,bvh,html

BlazePose finds the people. Download its models once:

    python -m ampose_tf.lifting.blazepose.models

Keypoints from another detector can be lifted instead of a video:

    python lift.py --keypoints=clip.json --image_size=1920x1080 \
        --output=lifted/ --formats=npz,bvh

Reads the output of COCO, AlphaPose, OpenPose, MMPose, Ultralytics, Detectron2,
MediaPipe, MoveNet and tfjs, and plain arrays; see
ampose_tf/lifting/formats.py. By default, writes lifted/clip.npz, which states
its units, coordinate frame and joint names, and lifted/clip.png, which shows
2D and 3D; --formats chooses other formats. Every assumption is reported.

JSON lines on standard input are answered one by one, as they arrive:

    detector | python lift.py --keypoints=- --image_size=640x480 \
        --smooth=one_euro

Convert a saved result, .npz or .json, to other formats without lifting again:

    python lift.py --keypoints=lifted/clip.npz --formats=html

Check a file for common mistakes, without lifting it:

    python lift.py --keypoints=clip.json --doctor
"""

from ampose_tf import config
from ampose_tf.lifting.command import define_flags, main

if __name__ == "__main__":
    config.run(main, define_flags)
