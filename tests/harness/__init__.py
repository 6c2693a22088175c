"""Peers and tools that the loopback suite, the interop suite and packaging/demo share; standard library only."""
