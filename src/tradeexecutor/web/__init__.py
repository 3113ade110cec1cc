"""The HTTP API: what clients of the reference expect, a versioned interface beside it, and a stream of changes."""
