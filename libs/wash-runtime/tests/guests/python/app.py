"""A guest in Python: each path is one way to behave or to misbehave."""

import json
import time

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam

requests = 0


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        global requests
        requests += 1
        path = request.path_with_query() or "/"
        if path == "/":
            respond(response_out, 200, b"hello from Python")
        elif path == "/requests":
            # Each request has an instance of its own.
            respond(response_out, 200, str(requests).encode())
        elif path == "/echo":
            respond(response_out, 200, read(request))
        elif path == "/json":
            value = json.loads(read(request))
            answer = {"name": value["name"], "sum": sum(value["numbers"])}
            respond(response_out, 200, json.dumps(answer).encode())
        elif path == "/stream":
            respond(response_out, 200, *(f"chunk {number}\n".encode() for number in range(100)))
        elif path == "/sleep":
            time.sleep(0.05)
            respond(response_out, 200, b"slept")
        elif path == "/throw":
            raise RuntimeError("told to")
        elif path == "/spin":
            while True:
                pass
        elif path == "/allocate":
            held = []
            while True:
                held.append(b"x" * (1 << 20))
        elif path == "/recurse":
            respond(response_out, 200, str(recurse(1)).encode())
        else:
            respond(response_out, 404, b"not found")


def recurse(depth: int) -> int:
    return 1 + recurse(depth + 1)


def read(request: IncomingRequest) -> bytes:
    received = b""
    body = request.consume()
    with body.stream() as stream:
        try:
            while True:
                received += stream.blocking_read(1 << 16)
        except Err as err:
            if not isinstance(err.value, StreamError_Closed):
                raise
    IncomingBody.finish(body)
    return received


def respond(response_out: ResponseOutparam, status: int, *chunks: bytes) -> None:
    response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain")]))
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(response_out, Ok(response))
    with body.write() as stream:
        for chunk in chunks:
            for start in range(0, len(chunk), 4096):
                stream.blocking_write_and_flush(chunk[start : start + 4096])
    OutgoingBody.finish(body, None)
