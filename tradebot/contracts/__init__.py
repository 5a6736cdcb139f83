"""The shared vocabulary: messages, value types, ports and errors. Pure: no framework, no I/O."""
