"""Who HQ is and what it says in its own name: its keys and trust note, the hq lane, the centers that it enrols."""
