"""The network of `AMPose` in idiomatic PyTorch.

For comparison only: it supports the defaults of `config.Model` for all options
except depth, width, heads and the input of the embedding. The weights of a
Keras model fit into it, see `peer_of`.
"""

import os

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_EPSILON = 1e-6


class GraphConv(nn.Module):
    def __init__(self, width, adjacency):
        super().__init__()
        groups, joints, _ = adjacency.shape
        self.width = width
        self.dense = nn.Linear(width, groups * width)
        # (J, J groups): row i weights the input from joint k through group g.
        stacked = adjacency.transpose(1, 2, 0).reshape(joints, -1)
        self.register_buffer("adjacency", torch.tensor(stacked))

    def forward(self, x):
        sent = self.dense(x).reshape(len(x), -1, self.width)
        return torch.matmul(self.adjacency, sent)


class Block(nn.Module):
    """Position embedding, transformer encoder, GCN block."""

    def __init__(self, width, heads, adjacency):
        super().__init__()
        self.heads = heads
        joints = adjacency.shape[1]
        self.position = nn.Parameter(0.02 * torch.randn(joints, width))
        self.norm_1 = nn.LayerNorm(width, _EPSILON)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width, _EPSILON)
        self.expand = nn.Linear(width, 2 * width)
        self.contract = nn.Linear(2 * width, width)
        self.conv_1 = GraphConv(width, adjacency)
        self.gcn_norm_1 = nn.LayerNorm(width, _EPSILON)
        self.conv_2 = GraphConv(width, adjacency)
        self.gcn_norm_2 = nn.LayerNorm(width, _EPSILON)

    def forward(self, x):
        x = x + self.position
        x = x + self.projection(self._attend(self.norm_1(x)))
        x = x + self.contract(functional.gelu(self.expand(self.norm_2(x))))
        y = functional.gelu(self.gcn_norm_1(self.conv_1(x)))
        return y + functional.gelu(self.gcn_norm_2(self.conv_2(y)))

    def _attend(self, x):
        batch, joints, width = x.shape
        query, key, value = (
            self.query_key_value(x)
            .reshape(batch, joints, 3, self.heads, width // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        x = functional.scaled_dot_product_attention(query, key, value)
        return x.transpose(1, 2).reshape(batch, joints, width)


class AMPose(nn.Module):
    def __init__(
        self,
        adjacency,
        depth,
        width,
        heads,
        seen_input=False,
        frame="screen",
    ):
        super().__init__()
        self.frame = frame
        channels = {"screen": 2, "person": 5}[frame] + seen_input
        self.embedding = nn.Linear(channels, width)
        self.blocks = nn.Sequential(
            *(Block(width, heads, adjacency) for _ in range(depth))
        )
        self.head = nn.Linear(width, 3)

    def forward(self, keypoints_2d, seen=None):
        x = self._channels(keypoints_2d, seen)
        return self.head(self.blocks(self.embedding(x)))

    def _channels(self, x, seen):
        """`models.inputs.InputChannels`."""
        told = []
        if seen is None:
            seen = torch.ones_like(x[..., :1])
        else:
            seen = seen[..., None]  # (B, J, 1)
            told = [seen]
            x = x * seen
        if self.frame == "person":
            count = seen.sum(dim=1, keepdim=True).clamp(min=1)
            middle = x.sum(dim=1, keepdim=True) / count
            x = (x - middle) * seen
            squared = x.square().sum(dim=(1, 2), keepdim=True)
            spread = (squared / count + 1e-8).sqrt()  # (B, 1, 1)
            place = torch.cat([middle, spread], dim=-1)  # (B, 1, 3)
            told = [place * seen, *told]
            x = x / spread
        return torch.cat([x, *told], dim=-1) if told else x


def peer_of(model) -> AMPose:
    """Returns the same network with the weights of a Keras model.

    Args:
        model: An `AMPose`, float32, with every option except depth, width,
            heads, `seen_input` and `frame` at its default.
    """
    peer = AMPose(*_arguments(model))
    _copy(model.get_layer("embedding"), peer.embedding)
    _copy(model.get_layer("poses_3d"), peer.head)
    for index, block in enumerate(peer.blocks, start=1):
        position = model.get_layer(f"position_{index}").embedding
        block.position.data = torch.tensor(np.asarray(position))
        encoder = model.get_layer(f"encoder_{index}")
        gcn = model.get_layer(f"gcn_{index}")
        for keras_layer, layer in (
            (encoder.norm_1, block.norm_1),
            (encoder.query_key_value, block.query_key_value),
            (encoder.projection, block.projection),
            (encoder.norm_2, block.norm_2),
            (encoder.mlp.expand, block.expand),
            (encoder.mlp.contract, block.contract),
            (gcn.convs[0].dense, block.conv_1.dense),
            (gcn.norms[0], block.gcn_norm_1),
            (gcn.convs[1].dense, block.conv_2.dense),
            (gcn.norms[1], block.gcn_norm_2),
        ):
            _copy(keras_layer, layer)
    return peer


def save(model, path: str | os.PathLike) -> None:
    """Writes the peer of a Keras model, for a process without Keras."""
    adjacency, *others = _arguments(model)
    torch.save(
        {
            "arguments": [torch.tensor(adjacency), *others],
            "state": peer_of(model).state_dict(),
        },
        path,
    )


def load(path: str | os.PathLike) -> AMPose:
    """Returns the network that `save` wrote."""
    stored = torch.load(path, weights_only=True)
    adjacency, *others = stored["arguments"]
    peer = AMPose(adjacency.numpy(), *others)
    peer.load_state_dict(stored["state"])
    return peer


def _arguments(model):
    return (
        model.adjacency,
        model.depth,
        model.width,
        model.heads,
        model.seen_input,
        model.frame,
    )


def _copy(keras_layer, layer):
    weight, bias = (np.asarray(w) for w in keras_layer.weights)
    layer.weight.data = torch.tensor(weight.T.copy())
    layer.bias.data = torch.tensor(bias)
