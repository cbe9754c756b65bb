"""What is raised where a loss can't be exported."""


class ExportError(ValueError):
    """A loss can't be written in the format asked for; says why, and which can."""
