"""A program that runs one pipeline in many processes at once, and tells of each in a line of JSON.

kill_many.py FOLDER ORIGIN PROCESSES ROUNDS
"""

import os
import sys
from pathlib import Path

from kill_events import Events
from kill_runs import Chain, say


def at_once(chains: list[Chain], start: int) -> None:
    """Forks for all of them, which wait until the pipe `start` is closed."""
    children = []
    for chain in chains:
        child = os.fork()
        if child == 0:
            os.close(start)
            os.read(chain.gate, 1)
            status, document = chain.run(Events())
            say({"status": status, "paid_calls": document["paid_calls"], "said": chain.said})
            os._exit(0)
        children.append(child)
    os.close(start)
    for child in children:
        os.waitpid(child, 0)


def main(folder: Path, origin: str, processes: int, rounds: int) -> None:
    Chain(folder / "first", origin, simulated=True).told()
    say({"ready": True})
    for number in range(rounds):
        sys.stdin.readline()
        chain = Chain(folder / f"round-{number}", origin, simulated=True)
        gate, start = os.pipe()
        chains = [chain.beside(f"out-{one}.json", gate) for one in range(processes)]
        at_once(chains, start)
        os.close(gate)
        chain.tell({"end": chain.ended()})


if __name__ == "__main__":
    place, base, many, times = sys.argv[1:]
    main(Path(place), base, int(many), int(times))
