"""What is said of replicas that diverged: the same of a cell of the experiments and of own data.

In an experiment a divergence is a result: it is counted where it occurs, the other cells go on, and the exit code is 0.
A training on own data of which nothing is left ends with an error.
"""

__all__ = ["Diverged", "divergence"]

from pimvae.config.schema import Cell
from pimvae.errors import UserError


class Diverged(UserError):
    """Every replica diverged: there is no model."""


def divergence(lost: int, replicas: int, cell: Cell) -> str:
    """One line about ``lost`` of the ``replicas`` of a cell; empty if there is nothing to say.

    If none is left, it says what to try.
    """
    if not lost:
        return ""
    text = f"{lost} of {replicas} replicas of {cell.name} diverged"
    if lost < replicas:
        return text
    rate, clip = cell.train.learning_rate, cell.train.clip
    bound = f"below {clip:g}" if clip is not None else "of gradients"
    return f"{text}: try a train.learning_rate below {rate:g} or a train.clip {bound}"
