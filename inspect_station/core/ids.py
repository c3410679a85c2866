"""Identities made at the station, without asking anybody."""

from uuid import UUID


def uuid7(now_ms: int, random: bytes) -> str:
    """A UUIDv7 (RFC 9562): `now_ms` milliseconds since 1970 and the first ten of the `random` bytes.

    Sorts by time to the millisecond; within one millisecond the order is random.
    Raises ValueError for a time that does not fit in 48 bits, or for fewer than ten random bytes.
    """
    if not 0 <= now_ms < 1 << 48 or len(random) < 10:
        raise ValueError("uuid7 needs 48 bits of milliseconds and ten random bytes")
    bits = now_ms << 80 | int.from_bytes(random[:10])
    bits = bits & ~(0xF << 76) | 0x7 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=bits))
