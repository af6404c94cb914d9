"""Who gets which entry of a Maglev table: the loop that takes the time.

"Maglev: A Fast and Reliable Software Network Load Balancer", section 3.4, with Envoy's weights.  A table of 65,537 entries takes the interpreter
100 ms, during which nobody else gets a turn, and a tenth of that compiled.
"""

from __future__ import annotations


def assign_entries(firsts: list[int], skips: list[int], shares: list[float], size: int) -> tuple[list[int], list[int]]:
    """The number of its host for each of *size* entries, and how many each host has.

    Hosts take turns at taking the next entry of their own permutation that is free; one with a smaller share misses turns.
    firsts, skips: of the permutations, by host.
    """
    next_entry = firsts.copy()
    count = len(shares)
    most = max(shares)
    targets = [0.0] * count
    table, counts = [-1] * size, [0] * count
    left, turn = size, 0
    while left:
        turn += 1
        for number in range(count):
            if turn * shares[number] < targets[number]:
                continue
            targets[number] += most
            entry, skip = next_entry[number], skips[number]
            while table[entry] >= 0:
                entry += skip
                if entry >= size:
                    entry -= size
            table[entry] = number
            counts[number] += 1
            next_entry[number] = entry
            left -= 1
            if not left:
                break
    return table, counts
