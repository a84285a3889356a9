"""One file per table: ``table_x(source) -> str``, a booktabs ``tabular``; float and caption are the paper's.

The first name in a file's ``__all__`` is the function; the file's name is the table's name.
"""
