#!/usr/bin/env python3
"""An independent OTLP receiver: it writes every span that it is sent as one JSON line.

    otlp_receiver.py [--http] PORT FILE      (127.0.0.1 alone; OTLP over gRPC, or over HTTP with protobuf bodies)

It decodes with the official protocol definitions and shares no code with what it receives from, so that it can serve as
a witness. It prints "otlp receiver up" to standard error once it listens. Each line has:

    service, resource    service.name, and all attributes of the resource
    scope                name of the instrumentation scope
    name, trace, span    trace and span ids in hexadecimal digits
    parent               id of the parent, empty for a root
    kind, status         the numbers of OTLP's enums (kind 1 internal, 2 server, 3 client, 4 producer, 5 consumer;
                         status 0 unset, 1 ok, 2 error), and status_message
    flags                the W3C trace flags
    start, end           nanoseconds since 1970; ms is the time between them
    attrs, events, links events have name and attrs; a link is "trace:span"
"""
import argparse
import gzip
import json
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(one) for one in any_value.array_value.values]
    return str(any_value.kvlist_value) if kind == "kvlist_value" else getattr(any_value, kind or "string_value")


def attributes(pairs):
    return {pair.key: value(pair.value) for pair in pairs}


def lines(request):
    for of_resource in request.resource_spans:
        resource = attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield {
                    "service": resource.get("service.name"),
                    "resource": resource,
                    "scope": of_scope.scope.name,
                    "name": span.name,
                    "trace": span.trace_id.hex(),
                    "span": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "kind": span.kind,
                    "status": span.status.code,
                    "status_message": span.status.message,
                    "flags": span.flags & 0xFF,
                    "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "ms": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
                    "attrs": attributes(span.attributes),
                    "events": [{"name": event.name, "attrs": attributes(event.attributes)} for event in span.events],
                    "links": [f"{link.trace_id.hex()}:{link.span_id.hex()}" for link in span.links],
                }


class Book:
    """The file. What is acknowledged to a sender has been written."""

    def __init__(self, path):
        self.file = open(path, "a")
        self.lock = threading.Lock()

    def write(self, request):
        text = "".join(json.dumps(line, default=str) + "\n" for line in lines(request))
        with self.lock:
            self.file.write(text)
            self.file.flush()


class OverGrpc(service.TraceServiceServicer):
    def __init__(self, book):
        self.book = book

    def Export(self, request, context):
        self.book.write(request)
        return messages.ExportTraceServiceResponse()


def serve_grpc(port, book):
    # Without the option, a second receiver could share the port, and each would get a part.
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    service.add_TraceServiceServicer_to_server(OverGrpc(book), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server.wait_for_termination


def serve_http(port, book):
    class OverHttp(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.path != "/v1/traces" or self.headers.get("content-type") != "application/x-protobuf":
                self.send_error(404 if self.path != "/v1/traces" else 415)
                return
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            book.write(messages.ExportTraceServiceRequest.FromString(body))
            answer = messages.ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), OverHttp).serve_forever


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--http", action="store_true", help="speak OTLP over HTTP, not over gRPC")
    arguments.add_argument("port", type=int)
    arguments.add_argument("file")
    given = arguments.parse_args()
    try:
        run = (serve_http if given.http else serve_grpc)(given.port, Book(given.file))
    except (OSError, RuntimeError) as error:
        sys.exit(f"cannot listen on port {given.port}: {error}")
    print("otlp receiver up", file=sys.stderr, flush=True)
    run()
