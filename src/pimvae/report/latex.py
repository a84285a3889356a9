"""Plain text as LaTeX."""

__all__ = ["escape"]

SPECIAL = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
           "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "β": r"\ensuremath{\beta}"}  # fmt: skip


def escape(text: str) -> str:
    """Plain text as LaTeX."""
    return "".join(SPECIAL.get(letter, letter) for letter in str(text))
