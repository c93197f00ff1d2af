"""AMPose: single-frame 2D-to-3D human pose lifting in TensorFlow and Keras 3.

After Lin, Chiu and Wu, "AMPose: Alternatively Mixed Global-Local Attention
Model for 3D Human Pose Estimation", ICASSP 2023, arXiv 2210.04216.
"""

__version__ = "0.1.0"
