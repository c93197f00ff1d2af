"""Lifting as a service, on KServe's model server.

`__main__` is the command, `server` the process, `model` what it serves,
`messages` what requests and answers look like, `rest` and `rpc` the two
doors, with `connections`, `limits` and `logs`.
"""
