"""The terminal face. Typer commands; each does its work through operations or a running server's API."""
