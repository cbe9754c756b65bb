"""What tests of Ctrl-C need."""

import signal


def hears_ctrl_c():
    """Run in a new process: tests that run in the background make it ignore the signal."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
