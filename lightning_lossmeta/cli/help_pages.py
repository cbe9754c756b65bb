"""Help that a person reads: a command's own options first, the Trainer's on a page of their own."""

from __future__ import annotations

import argparse
from typing import Any

from jsonargparse import DefaultHelpFormatter

_MOST_NAMES = 12
_OWN = "lightning_lossmeta."
_TRAINER = "trainer"


class BriefFormatter(DefaultHelpFormatter):
    """Names of all classes that would do only this package's, and only a few of them."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text, known, classes = super()._get_help_string(action).partition(", known subclasses: ")
        if not known:
            return text
        names = [name.removeprefix(_OWN) for name in classes.rstrip(")").split(", ")]
        own = [name for name in names if "." not in name]
        if not own:
            return f"{text})"
        more = f", ... ({len(own)} in all)" if len(own) > _MOST_NAMES else ""
        return f"{text}; ready: {', '.join(own[:_MOST_NAMES])}{more})"


class TrainerHelp(argparse._HelpAction):
    """``--help.trainer``: the options of Lightning's ``Trainer``, and nothing else."""

    def __call__(self, parser: Any, *_: Any) -> None:
        """Print the page and exit."""
        groups = parser._action_groups
        parser._action_groups = [group for group in groups if group_rank(group) == _LAST]
        parser.trainer_shown = True
        parser.print_help()
        parser.exit()


#: Where groups of options stand in the help.
_SUBJECT, _LAST = 2, 3
_TITLES = {"model": "The module that is trained", "data": "Its data"}


def group_rank(group: Any) -> int:
    """Where a group stands: how to ask first, the command's own, model and data, the Trainer's."""
    roots = {str(action.dest).partition(".")[0] for action in group._group_actions}
    if _TRAINER in roots:
        return _LAST
    if "help" in roots:
        return 0
    return _SUBJECT if len(roots) == 1 and roots <= set(_TITLES) else 1


def in_order(groups: list[Any], trainer_shown: bool) -> list[Any]:
    """The groups of options as a person looks for them."""
    for group in groups:
        for action in group._group_actions:
            if group_rank(group) == _SUBJECT:
                group.title = _TITLES[str(action.dest).partition(".")[0]]
    ordered = sorted(groups, key=group_rank)
    return ordered if trainer_shown else [g for g in ordered if group_rank(g) != _LAST]
