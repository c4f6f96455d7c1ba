"""Cutting a sequence into parts that are small enough to be worked on at once."""

from collections.abc import Iterator, Sequence

__all__ = ["parts_by_size"]


def parts_by_size(sizes: Sequence[int], limit: int, most: int | None = None) -> Iterator[list[int]]:
    """Places of the items of each part, in order; an item over the limit is a part of its own.

    Args:
        sizes: of each item.
        limit: of a part's items together.
        most: items of a part at most.
    """
    part: list[int] = []
    total = 0
    for place, size in enumerate(sizes):
        if part and (total + size > limit or len(part) == most):
            yield part
            part, total = [], 0
        part.append(place)
        total += size
    if part:
        yield part
