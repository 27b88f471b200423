"""In depth: every layer of a service, from its routes to its runtime, and how much room is left."""

from blocks import variables
from blocks.board import Board
from in_depth import dependencies, process, requests, work


def board() -> Board:
    """The dashboard."""
    made = Board(
        "battlearena-in-depth",
        "In depth",
        "The chosen services and endpoints layer by layer: HTTP, doors, gRPC, SQL, queues, runtime, errors, capacity.",
        variables=[variables.service(), variables.endpoint()],
    )
    made.row("HTTP by endpoint", *requests.http())
    made.row("Errors", *requests.errors())
    made.row("Doors", *requests.doors())
    made.row("gRPC", *dependencies.grpc())
    made.row("SQL and the pool", *dependencies.sql())
    made.row("Queues and caches", *work.queues())
    made.row("Event log", *work.event_log())
    made.row("Runtime", *process.runtime())
    return made.row("Capacity", *process.capacity())
