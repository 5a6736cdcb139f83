"""The embedded stack: brings a bare machine to a running tradebot with one command, and leaves nothing behind."""
