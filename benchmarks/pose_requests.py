"""Builds requests to `ampose_tf.serving`, for benchmarks and tests."""

import os
import pathlib

import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

# gRPC method of V2.
INFER = "/inference.GRPCInferenceService/ModelInfer"


def instances(pixels, scores, skeleton="COCO-17", size=(1000, 900)):
    """Returns V1's instances.

    Args:
        pixels: (N, S, 2) array.
        scores: (N, S) array.
        skeleton: Name of the skeleton of the S joints.
        size: (width, height) of the image in pixels.
    """
    return [
        {
            "pixels": p.tolist(),
            "scores": s.tolist(),
            "image_size": list(size),
            "skeleton": skeleton,
        }
        for p, s in zip(pixels, scores, strict=True)
    ]


def json_v2(pixels, scores, size=(1000, 900), datatypes=("FP32",) * 3):
    """Returns a V2 request for REST, before it is encoded.

    Args:
        pixels: (N, 17, 2) array.
        scores: (N, 17) array.
        size: (width, height) of the image in pixels.
        datatypes: Datatypes of pixels, scores and size.
    """
    return {
        "parameters": {"skeleton": "COCO-17"},
        "inputs": [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": datatype,
                "data": array.ravel().tolist(),
            }
            for (name, array), datatype in zip(
                _tensors(pixels, scores, np.array(size)).items(),
                datatypes,
                strict=True,
            )
        ],
    }


def grpc_v2(model, pixels, scores, size=(1000, 900), *, raw=True, **fields):
    """Returns a V2 request for gRPC, a `ModelInferRequest`.

    Args:
        model: Name of the model.
        pixels: (N, 17, 2) float32 array.
        scores: (N, 17) float32 array.
        size: (width, height) of the image in pixels.
        raw: Whether tensors are sent as raw bytes.
        **fields: Other fields of the message.
    """
    tensors = _tensors(pixels, scores, np.array([size], np.float32))
    request = pb.ModelInferRequest(
        model_name=model,
        inputs=[
            {"name": name, "shape": array.shape, "datatype": "FP32"}
            for name, array in tensors.items()
        ],
    )
    for tensor, array in zip(request.inputs, tensors.values(), strict=True):
        if raw:
            request.raw_input_contents.append(array.tobytes())
        else:
            tensor.contents.fp32_contents.extend(array.ravel())
    request.parameters["skeleton"].string_param = "COCO-17"
    request.MergeFrom(pb.ModelInferRequest(**fields))
    return request


def _tensors(pixels, scores, size):
    return {"pixels": pixels, "scores": scores, "image_size": size}


def resident(pid):
    """Returns the resident memory of a process in bytes."""
    fields = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
