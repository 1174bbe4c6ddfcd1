"""The database and the data folder: schema, migrations, one module per family of tables, backup and restore.

Knows no HTTP and no sockets; of ours it imports only ``errors``. No row, statement or dialect leaks out.
"""
