"""The frames of connect's protocol: kinds, payloads and ids, by the SDK's own protobuf module."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from inngest.connect._internal import connect_pb2 as pb
from story_records import encoded

Sender = Literal["gateway", "worker"]

# What the payload of a kind is; the other kinds have none.
PAYLOADS: dict[str, type[Any]] = {
    "WORKER_CONNECT": pb.WorkerConnectRequestData,
    "GATEWAY_CONNECTION_READY": pb.GatewayConnectionReadyData,
    "GATEWAY_EXECUTOR_REQUEST": pb.GatewayExecutorRequestData,
    "WORKER_REQUEST_ACK": pb.WorkerRequestAckData,
    "WORKER_REQUEST_EXTEND_LEASE": pb.WorkerRequestExtendLeaseData,
    "WORKER_REQUEST_EXTEND_LEASE_ACK": pb.WorkerRequestExtendLeaseAckData,
    "WORKER_REPLY": pb.SDKResponse,
    "WORKER_REPLY_ACK": pb.WorkerReplyAckData,
}


@dataclass(frozen=True)
class Frame:
    """A frame that went over a socket: `connection` is its number, from 1, in order of opening."""

    connection: int
    sender: Sender
    kind: str
    payload: Any = None

    @property
    def request_id(self) -> str:
        """The executor request that the frame belongs to, or ""."""
        return str(getattr(self.payload, "request_id", ""))

    @property
    def fields(self) -> list[str]:
        """The names of the fields that are set, in the order of their numbers."""
        return (
            [] if self.payload is None else [field.name for field, _ in self.payload.ListFields()]
        )


def written(frame: Frame) -> bytes:
    """Return a frame as it goes over the socket."""
    payload = b"" if frame.payload is None else frame.payload.SerializeToString()
    kind = pb.GatewayMessageType.Value(frame.kind)
    return pb.ConnectMessage(kind=kind, payload=payload).SerializeToString()


def read(raw: bytes, connection: int) -> Frame:
    """Return what a worker sent; a frame that is none raises `DecodeError`."""
    message = pb.ConnectMessage.FromString(raw)
    kind = pb.GatewayMessageType.Name(message.kind)
    payload_type = PAYLOADS.get(kind)
    payload = None if payload_type is None else payload_type.FromString(message.payload)
    return Frame(connection, "worker", kind, payload)


def new_ulid(at: datetime) -> str:
    """Return a new id of 26 characters whose time is the one given, in milliseconds.

    A request's id has the time when it was sent, a lease's the time when it runs out.
    """
    return encoded(int(at.timestamp() * 1000), 10) + encoded(secrets.randbits(80), 16)
