"""Which files below a folder are images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from lightning_lossmeta.data.images.decoding import counted, image_formats

#: Folders that systems and programs leave among one's files, besides those with a dot.
_SYSTEM_FOLDERS = {
    "__macosx",
    "__pycache__",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "lost+found",
    "system volume information",
}
#: Files that are never data and not worth a word.
_SYSTEM_FILES = {".ds_store", "thumbs.db", "desktop.ini"}


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name was not made to be looked at."""
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS


def visible_folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted, without hidden ones."""
    return sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and not is_hidden(entry.name)
    )


def holds_images(folder: Path) -> bool:
    """Whether images lie in the folder itself."""
    return any(
        entry.is_file() and not is_hidden(entry.name) and is_image(entry)
        for entry in folder.iterdir()
    )


def is_image(path: Path) -> bool:
    """Whether a file is an image by its suffix, or, if that is none we know, by its content."""
    formats = image_formats()
    if Image.registered_extensions().get(path.suffix.lower()) in formats:
        return True
    try:
        with Image.open(path, formats=formats):
            return True
    except (UnidentifiedImageError, OSError):
        return False
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return True  # which decoding refuses with a word
    except Exception:  # what looks like an image and is damaged: decoding says how
        return True


@dataclass
class Listing:
    """Images below the folders of classes, and what was not read on the way.

    Args:
        root: What names in messages are relative to.
        passed_over: Files that are no images, hidden ones, and folders not gone into.
    """

    root: Path
    passed_over: list[str] = field(default_factory=list)

    def images(self, start: Path, elsewhere: Collection[str]) -> list[Path]:
        """All images below a folder, sorted by folder and name.

        Each folder is read once, however many symbolic links lead to it, and no link leads out of
        the class into the folders of others.

        Args:
            start: The folder of a class.
            elsewhere: Real paths of the folders that links must not lead into.

        Raises:
            OSError: If a folder can't be listed.
        """
        read = {*elsewhere, os.path.realpath(start)}
        files = sorted(self._files(start, read))
        paths = (Path(folder, name) for folder, name in files)
        return [path for path in paths if self._is_kept(path)]

    def pass_over_beside_classes(self, folder: Path) -> None:
        """Note what lies beside the folders of the classes."""
        visible = set(visible_folders(folder))
        for entry in sorted(folder.iterdir()):
            if entry.name not in visible:
                self._pass_over(entry)

    def note(self) -> str:
        """One line on what was passed over; empty if nothing was."""
        if not self.passed_over:
            return ""
        suffixes = (os.path.splitext(name)[1].lower() for name in self.passed_over)
        kinds = Counter(suffix or "without a suffix" for suffix in suffixes).most_common()
        return (
            f"Not read in '{self.root}', as no images, hidden, in no class or read elsewhere: "
            f"{counted(self.passed_over)}. By suffix: "
            f"{', '.join(f'{count} {kind}' for kind, count in kinds)}."
        )

    def _files(self, start: Path, read: set[str]) -> Iterator[tuple[str, str]]:
        """Folder and name of every file; notes the folders that it does not go into."""
        for folder, names, files in os.walk(start, followlinks=True, onerror=_raise):
            below = []
            for name in sorted(names):
                path = os.path.join(folder, name)
                if is_hidden(name) or os.path.realpath(path) in read:
                    self._pass_over(Path(path))
                else:
                    read.add(os.path.realpath(path))
                    below.append(name)
            names[:] = below
            yield from ((folder, name) for name in files)

    def _is_kept(self, path: Path) -> bool:
        if not is_hidden(path.name) and is_image(path):
            return True
        self._pass_over(path)
        return False

    def _pass_over(self, path: Path) -> None:
        if path.name.lower() not in _SYSTEM_FILES and not path.name.startswith("._"):
            self.passed_over.append(str(path.relative_to(self.root)))


def _raise(error: OSError) -> None:
    raise error
