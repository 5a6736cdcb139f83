"""`python -m tests.outside.llm`: prints its address; add /v1 for LLM_URL. LLM_MODEL chooses how it behaves (GET
/v1/models lists them), LLM_STAND_IN_KEY is the key it asks for, if any."""

from __future__ import annotations

import os

from tests.outside.launch import serve
from tests.outside.llm.server import handler

if __name__ == "__main__":
    serve(handler(os.environ.get("LLM_STAND_IN_KEY", "")))
