"""
How long a wait may last. A bound is there so that a test that cannot go on fails instead of hanging; how quick something is, no
bound says, for the machine may be busy with anything. What has to be quick is compared with something else that takes long.
"""

LEAST = 60.0  # seconds


def patience(seconds):
    """The bound of a wait; a wait of less than a second is a look, and is taken at its word."""
    return seconds if seconds < 1 else max(seconds, LEAST)
