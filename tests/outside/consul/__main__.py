"""`python -m tests.outside.consul`: an agent to try NODE_REGISTRY with; CONSUL_TOKEN is what it asks for."""

from __future__ import annotations

import os

from tests.outside.consul.agent import Agent
from tests.outside.consul.server import handler
from tests.outside.launch import serve

if __name__ == "__main__":
    serve(handler(Agent(os.environ.get("CONSUL_TOKEN", "")), []))
