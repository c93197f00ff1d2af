"""Serves models for lifting with KServe's model server.

`__main__` contains the command, `server` the process, and `model` the served
model. `rest` and `rpc` receive requests by REST and gRPC, within `limits`;
`bodies`, `messages` and `tensors` read them and write answers. `connections`
contains the HTTP server, and `logs` writes logs and metrics.
"""
