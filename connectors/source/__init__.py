"""Office files as rows: CSV, XLSX and JSON lines, and the folder they lie in.

`read_table` is pure on bytes; `load` reads the file first; `FolderSource` says which files are worth reading now.
"""

from connectors.source.folder import FileContent, FolderSettings, FolderSource
from connectors.source.problem import FileBusy, FileRefused, ProblemCode, RowProblem
from connectors.source.reader import load, read_table
from connectors.source.table import Cell, Format, FormatOptions, Limits, Row, Table

__all__ = [
    "Cell",
    "FileBusy",
    "FileContent",
    "FileRefused",
    "FolderSettings",
    "FolderSource",
    "Format",
    "FormatOptions",
    "Limits",
    "ProblemCode",
    "Row",
    "RowProblem",
    "Table",
    "load",
    "read_table",
]
