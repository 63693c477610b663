"""A stream's lifecycle as a small graph, and the shortest legal way through it.

Nodes are (status, is the wanted record there?), edges are kinds of event. A breadth-first search finds the way; it
depends on nothing but the two nodes, so it is found once.
"""

from __future__ import annotations

from collections import deque
from functools import cache

from hub.domain.stream import EventKind

Node = tuple[str | None, bool]  # None: there is no entity yet


@cache
def way(kinds: tuple[EventKind, ...], start: Node, goal: Node) -> tuple[EventKind, ...] | None:
    """Return the shortest way; of several, the one whose events the stream lists first. None where no way leads."""
    ways: dict[Node, tuple[EventKind, ...]] = {start: ()}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        if node == goal:
            return ways[node]
        for kind in kinds:
            if node[0] in kind.legal_in:
                after = (kind.status_after or node[0], node[1] or kind.carries_record)
                if after not in ways:
                    ways[after] = (*ways[node], kind)
                    queue.append(after)
    return None
