"""The table of an application's workflows: filters, rows, tree, counts, files, import."""
