"""A stranger's gRPC client: knows addresses, learns everything else by reflection.

usage: grpc_client.py MATCH_ADDRESS ANALYTICS_ADDRESS
"""

import sys
import time

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


class Stranger:
    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def services(self):
        return set(self.database.get_services())

    def call(self, service, method, **fields):
        descriptor = self.pool.FindServiceByName(service).FindMethodByName(method)
        request = message_factory.GetMessageClass(descriptor.input_type)(**fields)
        answer = message_factory.GetMessageClass(descriptor.output_type)
        rpc = self.channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return rpc(request, timeout=5)


def main():
    match, analytics = Stranger(sys.argv[1]), Stranger(sys.argv[2])

    listed = match.services() | analytics.services()
    expected = {
        "battlearena.match.v1.MatchService",
        "battlearena.analytics.v1.AnalyticsService",
        "battlearena.events.v1.EventLogService",
        "grpc.health.v1.Health",
    }
    assert expected <= listed, f"missing: {expected - listed}"

    for stranger in (match, analytics):
        assert stranger.call("grpc.health.v1.Health", "Check").status == 1, "not SERVING"

    started = match.call(
        "battlearena.match.v1.MatchService",
        "StartMatch",
        match_type="solo",
        player_ids=[1, 2],
        server_region="eu-west",
    ).match
    assert (started.match_id, started.status) == (1, "in_progress"), started

    try:
        match.call("battlearena.match.v1.MatchService", "StartMatch", match_type="duel", player_ids=[1])
        raise AssertionError("an unknown match type was taken")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
        assert "duel" in error.details(), error

    until = time.monotonic() + 30
    while True:
        totals = analytics.call("battlearena.analytics.v1.AnalyticsService", "GetTotals")
        if [(total.status, total.count) for total in totals.matches] == [("started", 1)]:
            break
        assert time.monotonic() < until, f"the match does not show in the totals: {totals}"

    print("foreign client: listed", len(listed), "services, started a match and saw it in the totals")


if __name__ == "__main__":
    main()
