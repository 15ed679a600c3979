"""One tree of errors. A message says what is wrong with the value, where, and what to do next."""


class PacoError(Exception):
    """Anything that this project raises on purpose; its text is meant for the person at the keyboard."""


class BadInput(PacoError):
    """The user's input can't be used as it is (exit code 2)."""


class ObjectFailed(PacoError):
    """One object could not be processed by one backend; the pipeline falls back and lists it, it never stops."""


class MissingDependency(PacoError):
    """An optional package or system library is not there; the text names the command that installs it."""


def error_text(error: BaseException, longest: int = 160) -> str:
    """One line for people: the message of an error, with its type where the message alone says little."""
    text = " ".join(str(error).split())
    said = text if isinstance(error, PacoError) and text else f"{type(error).__name__}: {text}".removesuffix(": ")
    return said if len(said) <= longest else f"{said[: longest - 1]}…"
