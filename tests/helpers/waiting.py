"""How tests wait for what happens in another process or thread."""

import time


def wait_for(condition, seconds=120.0):
    """Ask again and again until there is a true answer, and return that.

    The deadline is for what never happens; nothing that is right takes so long, however busy the
    machine is.
    """
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} seconds in vain")
        time.sleep(0.02)
    return answer
