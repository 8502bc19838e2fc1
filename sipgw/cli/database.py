"""The database of a command: that of the gateway, if both run in the same folder."""

from pathlib import Path

from rich.markup import escape

from sipgw.config.records import StoreOptions
from sipgw.config.storage import StorageOptions
from sipgw.console import err
from sipgw.records.store.store import Store


def database(options: StoreOptions, storage: StorageOptions | None = None) -> Store:
    """The database of a command, which says so if there is none yet."""
    tell_if_new(options)
    return Store(options, storage)


def tell_if_new(options: StoreOptions) -> None:
    """Print a note if the file of the database is made now: its name counts from the folder of the process, and a
    gateway that runs in another folder has another list of numbers, other users and other records.
    """
    if not options.url and not Path(options.path).exists():
        told = f"{Path(options.path).absolute()} is a new database; if a gateway runs, run this in its working folder"
        err.print(f"[yellow]note[/]   {escape(told)}", soft_wrap=True)
