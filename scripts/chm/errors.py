"""The one exception that the command line turns into a message."""


class ChmError(Exception):
    """A problem that the user can mend; its text is the whole message shown."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
