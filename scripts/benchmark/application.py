"""A real DBOS application with many workflows in its SQLite database. Goes on until it is killed."""

import json
import os
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path

from dbos import DBOS, DBOSConfig, SetWorkflowID


@DBOS.workflow()
def order(item: str) -> str:
    """The one whose record is copied."""
    return f"shipped {item}"


def multiply(database: Path, count: int) -> None:
    """Copy the one workflow's record until there are ``count``, a tenth of a second apart."""
    with closing(sqlite3.connect(database)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(workflow_status)")]
        changed = {
            "workflow_uuid": "printf('%08x-aaaa-4bbb-8ccc-%012x', number, number)",
            "created_at": "created_at + number * 100",
            "updated_at": "updated_at + number * 100",
        }
        connection.execute(
            "WITH RECURSIVE numbers(number) AS "
            "(SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?) "
            f"INSERT INTO workflow_status ({', '.join(columns)}) "
            f"SELECT {', '.join(changed.get(name, name) for name in columns)} FROM workflow_status, numbers",
            (count - 1,),
        )


def main(url: str, key: str, database: str, count: str) -> None:
    """Run it.

    Args:
        url: of the conductor, ws://host:port.
        key: API key, which the application's name stands before in the socket's path.
        database: path of the SQLite file; filled unless it exists.
        count: how many workflows it is to hold.
    """
    is_new = not Path(database).exists()
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": f"sqlite:///{database}",
        "application_version": "1",
        "conductor_url": url,
        "conductor_key": key,
    }
    DBOS(config=config)
    DBOS.launch()
    if is_new:
        with SetWorkflowID("first"):
            order("item")
        multiply(Path(database), int(count))
    print(json.dumps({"ready": os.getpid()}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
