"""Classes that make an instance of themselves, so that tests and docs need no table of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


class HasExample:
    """Gives instances to try a class with.

    The contract tests of a kind of class walk the package and take what :meth:`examples` gives, so
    that a class in a new file is held to its contract without a change elsewhere.
    """

    @classmethod
    def example(cls) -> Self:
        """The smallest useful instance.

        By default the one without arguments: a class that needs some, or is quicker to try with
        others, overrides this.

        Raises:
            NotImplementedError: If there is none, since the class reads files that only a user has.
        """
        return cls()

    @classmethod
    def examples(cls) -> list[Self]:
        """One instance for each kind of problem that the class is for; by default one in all."""
        return [cls.example()]
