"""What benchmarks ask of the database, one SQL file each."""

from functools import cache
from pathlib import Path


@cache
def query(name: str) -> str:
    """The text of `<name>.sql` of this folder."""
    return (Path(__file__).parent / f"{name}.sql").read_text()
