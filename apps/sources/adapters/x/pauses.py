"""How long to wait before the stream is connected again (docs.x.com: Handling disconnections)."""

from __future__ import annotations

NETWORK_STEP, NETWORK_MOST = 0.25, 16.0
HTTP_FIRST, HTTP_MOST = 5.0, 320.0
LIMIT_FIRST, LIMIT_MOST = 60.0, 900.0


class Pauses:
    """Seconds: none after a connection that worked, then a quarter more each time up to 16 for the network's errors,
    5 doubling to 320 for HTTP's, 60 doubling to 900 when X says that it is asked too often."""

    def __init__(self) -> None:
        self.connected()

    def connected(self) -> None:
        """There is a connection: the next wait is the first again."""
        self._network = -NETWORK_STEP
        self._http = HTTP_FIRST / 2
        self._limit = LIMIT_FIRST / 2

    def network(self) -> float:
        """After a connection that broke or could not be made."""
        self._network = min(self._network + NETWORK_STEP, NETWORK_MOST)
        return self._network

    def http(self) -> float:
        """After an answer that was no 200."""
        self._http = min(self._http * 2, HTTP_MOST)
        return self._http

    def limited(self, told: float) -> float:
        """After a 429; `told`: seconds until the moment that X named."""
        self._limit = min(self._limit * 2, LIMIT_MOST)
        return max(self._limit, told)
