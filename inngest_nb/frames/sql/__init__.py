"""SQL over a real Inngest server, and archives of it as Parquet files; both by DuckDB."""

from inngest_nb.frames.sql._archive import archive
from inngest_nb.frames.sql._sql import sql

__all__ = ["archive", "sql"]
