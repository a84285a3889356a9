"""One file per figure: ``data(results)`` gives the table behind it, ``plot(table)`` draws that table and nothing else.

The first name in a file's ``__all__`` is the figure's ``Drawing``; the file's name is the figure's name.
"""
