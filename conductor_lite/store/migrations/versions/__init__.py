"""One module per revision, oldest first; a migration that has been released is never edited."""
