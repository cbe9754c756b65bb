"""The build step that puts ``checkpoints/``, at the top of the repository, into the package."""

from __future__ import annotations

from pathlib import Path

from setuptools.command.build_py import build_py

CHECKPOINTS = Path("checkpoints")


class BuildWithCheckpoints(build_py):  # type: ignore[misc]  # setuptools has no types
    """Setuptools' ``build_py``; an editable install needs no copy and gets none."""

    def run(self) -> None:
        """Build, then copy the learned losses beside the package's modules."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "lightning_lossmeta" / CHECKPOINTS
            target.mkdir(parents=True, exist_ok=True)
            for file in _files():
                self.copy_file(file, str(target))

    def get_source_files(self) -> list[str]:
        """What belongs into a source distribution, with the learned losses."""
        return [*super().get_source_files(), *_files()]


def _files() -> list[str]:
    return [str(path) for path in sorted(CHECKPOINTS.glob("*.json"))]
