"""Other stream processors on the same topics in the same run, each as its own documentation would write it.

Each keeps the latest event of every entity. `guarantees` says what each of them promises beyond that, and what not;
`installed` brings what they need, in a virtual environment of their own; `task` is what each is given and hands back.
"""

from typing import Final

PEERS: Final = ("faust-table", "quix-streams", "faststream", "kafka-streams")
