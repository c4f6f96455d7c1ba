"""Reading the files in a tar archive one after another, without ever holding one whole; names and links are not followed.

Only how an archive is cut into its files is told here; what is in them is read as of any other file.
"""

import tarfile
from collections.abc import Iterator

from pipelines.sources.line_reader import FileProblem

__all__ = ["ArchivedFile", "files_of_tar", "is_tar"]

_BLOCK = 512
_MAGIC, _MAGIC_AT = b"ustar", 257


class ArchivedFile:
    """One file of an archive: its bytes in pieces, to be read before the next file is asked for.

    Attributes:
        offset: where its bytes begin in the archive.
    """

    def __init__(self, offset: int, source: "_Source", size: int) -> None:
        self.offset = offset
        self._source, self._left = source, size

    def chunks(self) -> Iterator[bytes]:
        """Yield what is left of the file.

        Raises:
            FileProblem: the archive ends or is damaged within it.
        """
        while self._left:
            piece = self._source.some(self._left)
            if not piece:
                self._source.is_torn = True
                raise FileProblem("tar archive ends within a file")
            self._left -= len(piece)
            yield piece


class _Source:
    """An archive's bytes, with their place.

    Attributes:
        offset: of the next byte.
        is_torn: whether a reader was told already that the archive goes no further.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held = chunks, b""
        self.offset = 0
        self.is_torn = False

    def some(self, most: int) -> bytes:
        """At least one byte, unless the archive has ended."""
        if not self._held:
            try:
                self._held = next(self._chunks, b"")
            except FileProblem:
                self.is_torn = True
                raise
        piece, self._held = self._held[:most], self._held[most:]
        self.offset += len(piece)
        return piece

    def block(self) -> bytes:
        """One block, or less at the end."""
        found = b""
        while len(found) < _BLOCK and (piece := self.some(_BLOCK - len(found))):
            found += piece
        return found


def is_tar(first: bytes) -> bool:
    """Say whether a file that begins like this is a tar archive."""
    return first[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC


def files_of_tar(chunks: Iterator[bytes]) -> Iterator[ArchivedFile]:
    """Yield the regular files of an archive; what is left of one when the next is asked for is passed over.

    Args:
        chunks: the unpacked archive in pieces of any size.

    Raises:
        FileProblem: the archive ends early or is damaged; the files before were yielded. Not again if reading a file said so.
    """
    source = _Source(chunks)
    while header := source.block():
        if header == bytes(_BLOCK):
            return  # archives end with blocks of zeros
        try:
            told = tarfile.TarInfo.frombuf(header, "utf-8", "replace")
        except tarfile.HeaderError as error:
            raise FileProblem(f"tar archive is damaged at byte {source.offset - len(header)}: {error}") from None
        if told.type == tarfile.GNUTYPE_SPARSE:
            raise FileProblem(
                f"tar archive has a sparse file at byte {source.offset - _BLOCK}; pack it without --sparse"
            )
        size = told.size if told.size > 0 else 0
        file = ArchivedFile(source.offset, source, size)
        if told.isreg():
            yield file
            if source.is_torn:
                return
        for _ in file.chunks():
            pass
        for _ in ArchivedFile(source.offset, source, -size % _BLOCK).chunks():
            pass
