"""An MTProto 2.0 server: TCP full transport, authorization keys, encrypted messages, one connection a client."""

from __future__ import annotations

import asyncio
import gzip
import os
import struct
import time
from hashlib import sha256
from typing import Any
from zlib import crc32

import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from telethon.crypto import AES, AuthKey
from telethon.extensions import BinaryReader
from telethon.network.mtprotostate import MTProtoState
from telethon.tl import functions, types
from telethon.tl.core import GzipPacked, MessageContainer, TLMessage
from telethon.tl.tlobject import TLObject

from tests.outside.telegram.handshake import Handshake
from tests.outside.telegram.methods import Caller, Methods, RpcFailure
from tests.outside.telegram.world import Channel, Message, World

_RPC_RESULT = 0xF35C6D01
_VECTOR = 0x1CB5C415
_UNKNOWN_KEY = struct.pack("<i", -404)
_WRAPPERS = (
    functions.InvokeWithLayerRequest,
    functions.InitConnectionRequest,
    functions.InvokeWithoutUpdatesRequest,
    functions.InvokeAfterMsgRequest,
)


class MtprotoServer:
    """Serves one world. `key` is its public RSA key, as a client must be told it."""

    def __init__(self, world: World) -> None:
        self.world = world
        made = generate_private_key(65_537, 2_048)
        numbers = made.private_numbers()
        self._private = rsa.PrivateKey(numbers.public_numbers.n, 65_537, numbers.d, numbers.p, numbers.q)
        self.key = made.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
        self.keys: dict[int, AuthKey] = {}
        self.callers: dict[int, Caller] = {}
        self._connections: set[Connection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.methods = Methods(world)
        world.listeners.append(self._told)

    async def start(self, port: int) -> int:
        """Listen; returns the port."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        bound = int(server.sockets[0].getsockname()[1])
        self.methods.port = bound
        return bound

    def end_sessions(self) -> None:
        """As when a person ends all sessions: the keys stay, the logins are gone."""
        for caller in self.callers.values():
            caller.phone = ""

    def lose_keys(self) -> None:
        """As a server that has never seen these clients, and ends their connections."""
        self.keys.clear()
        self.callers.clear()
        self.drop_connections()

    def drop_connections(self) -> None:
        """End all connections at once."""
        assert self._loop
        for connection in list(self._connections):
            self._loop.call_soon_threadsafe(connection.close)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer, Handshake(self._private))
        self._connections.add(connection)
        try:
            await connection.run()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.discard(connection)
            writer.close()

    def _told(self, what: str, channel: Channel, messages: list[Message]) -> None:
        assert self._loop
        for update in self.methods.updates(what, channel, messages):
            self._loop.call_soon_threadsafe(self._push, update)

    def _push(self, update: Any) -> None:
        for connection in list(self._connections):
            if connection.wants_updates:
                connection.send(bytes(update), content=True)


class Connection:
    """One TCP connection, from handshake to its end."""

    def __init__(
        self, server: MtprotoServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handshake: Handshake
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._handshake = handshake
        self._key: AuthKey | None = None
        self._session = 0
        self._packets = 0
        self._last_id = 0
        self._sent = 0
        self.wants_updates = False

    def close(self) -> None:
        self._writer.transport.abort()

    async def run(self) -> None:
        while True:
            packet = await self._packet()
            if packet[:8] == bytes(8):
                self._plain(packet)
                continue
            key = self._server.keys.get(struct.unpack("<q", packet[:8])[0])
            if key is None:
                self._write(_UNKNOWN_KEY)
                continue
            self._encrypted(packet, key)
            await self._writer.drain()

    # --- packets -----------------------------------------------------------------------------------------------------

    async def _packet(self) -> bytes:
        head = await self._reader.readexactly(8)
        length, _ = struct.unpack("<ii", head)
        rest = await self._reader.readexactly(length - 8)
        if struct.unpack("<I", rest[-4:])[0] != crc32(head + rest[:-4]):
            raise ConnectionError("checksum")
        return rest[:-4]

    def _write(self, payload: bytes) -> None:
        data = struct.pack("<ii", len(payload) + 12, self._packets) + payload
        self._packets += 1
        self._writer.write(data + struct.pack("<I", crc32(data)))

    def _plain(self, packet: bytes) -> None:
        request = BinaryReader(packet[20:]).tgread_object()
        answer = bytes(self._handshake.answer(request))
        self._write(bytes(8) + struct.pack("<qi", self._next_id(), len(answer)) + answer)
        if self._handshake.key:
            key = self._handshake.key
            self._server.keys[struct.unpack("<q", struct.pack("<Q", key.key_id))[0]] = key

    # --- messages ----------------------------------------------------------------------------------------------------

    def _encrypted(self, packet: bytes, key: AuthKey) -> None:
        msg_key = packet[8:24]
        plain = AES.decrypt_ige(packet[24:], *MTProtoState._calc_key(key.key, msg_key, True))
        if sha256(key.key[88 : 88 + 32] + plain).digest()[8:24] != msg_key:
            raise ConnectionError("msg_key")
        self._key = key
        _, session, msg_id, seq, length = struct.unpack("<qqqii", plain[:32])
        if session != self._session:
            self._session = session
            self.send(bytes(types.NewSessionCreated(msg_id, 1, 1)), content=True)
        self._take(TLMessage(msg_id, seq, BinaryReader(plain[32 : 32 + length]).tgread_object()))

    def _take(self, message: TLMessage) -> None:
        body = message.obj
        if isinstance(body, GzipPacked):
            body = BinaryReader(body.data).tgread_object()
        if isinstance(body, MessageContainer):
            for inner in body.messages:
                self._take(inner)
        elif isinstance(body, (functions.PingRequest, functions.PingDelayDisconnectRequest)):
            self.send(bytes(types.Pong(message.msg_id, body.ping_id)))
        elif not isinstance(body, (types.MsgsAck, types.HttpWait)):
            self._call(message.msg_id, body)

    def _call(self, msg_id: int, request: Any) -> None:
        updates = True
        while isinstance(request, _WRAPPERS):
            updates = updates and not isinstance(request, functions.InvokeWithoutUpdatesRequest)
            request = request.query
        assert self._key
        caller = self._server.callers.setdefault(self._key.key_id, Caller())
        try:
            answer = _serialised(self._server.methods.call(caller, request))
        except RpcFailure as failure:
            answer = bytes(types.RpcError(failure.code, failure.message))
        if updates and caller.phone and not isinstance(request, functions.help.GetConfigRequest):
            self.wants_updates = True
        packed = struct.pack("<I", GzipPacked.CONSTRUCTOR_ID) + TLObject.serialize_bytes(gzip.compress(answer))
        body = packed if len(packed) < len(answer) else answer
        self.send(struct.pack("<Iq", _RPC_RESULT, msg_id) + body, content=True)

    def send(self, body: bytes, *, content: bool = False) -> None:
        """Encrypt and write one message."""
        assert self._key
        self._sent += content
        seq = self._sent * 2 - (1 if content else 0)
        data = struct.pack("<qqqii", 1, self._session, self._next_id(), seq, len(body)) + body
        data += os.urandom(-(len(data) + 12) % 16 + 12)
        msg_key = sha256(self._key.key[96 : 96 + 32] + data).digest()[8:24]
        sealed = AES.encrypt_ige(data, *MTProtoState._calc_key(self._key.key, msg_key, False))
        self._write(struct.pack("<Q", self._key.key_id) + msg_key + sealed)

    def _next_id(self) -> int:
        self._last_id = max(self._last_id + 4, (int(time.time() * 2**32) & ~3) | 1)
        return self._last_id


def _serialised(answer: Any) -> bytes:
    if isinstance(answer, bool):
        return bytes(types.BoolTrue() if answer else types.BoolFalse())
    if isinstance(answer, list):
        return struct.pack("<Ii", _VECTOR, len(answer)) + b"".join(map(bytes, answer))
    return bytes(answer)
