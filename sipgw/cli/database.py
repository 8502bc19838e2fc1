"""The database of a command. It is the gateway's database if both run in the same folder."""

from pathlib import Path

from rich.markup import escape

from sipgw.config.records import StoreOptions
from sipgw.config.storage import StorageOptions
from sipgw.console import err
from sipgw.records.store.store import Store


def database(options: StoreOptions, storage: StorageOptions | None = None) -> Store:
    """The database of a command. Prints a note if the file does not exist yet."""
    tell_if_new(options)
    return Store(options, storage)


def tell_if_new(options: StoreOptions) -> None:
    """Print a note if the database file does not exist yet. Its name is relative to the folder of the process: a
    gateway that runs in another folder has another do-not-call list, other users and other records.
    """
    if not options.url and not Path(options.path).exists():
        told = f"{Path(options.path).absolute()} is a new database; if a gateway runs, run this in its working folder"
        err.print(f"[yellow]note[/]   {escape(told)}", soft_wrap=True)
