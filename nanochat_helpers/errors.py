"""Every error a user can meet, in one tree. Each message says what was wrong, where, and what to do next.

NanoChatError
├── SettingsError            a knob has a value that is not allowed
├── MessageError             a message cannot be used: empty, damaged, or in a role that does not exist
├── TokenError               a token id, or a tokenizer, cannot do what was asked
├── ContextError             the prompt does not fit into the model's context window
├── ModelError
│   ├── UnknownModelError    no model has this name (the nearest name is offered)
│   ├── ModelMissingError    the model is not on this machine and could not be fetched
│   ├── ModelDamagedError    a file of the model is incomplete or not what it should be
│   ├── EngineError          this engine cannot do what was asked, or is not installed
│   ├── CannotChatError      the model is an encoder: it reads text but cannot write it
│   └── RemoteError          a server with a model refused, broke off or did not answer
├── DocumentError            a file or folder of texts cannot be used for a search
├── ServeError               NanoChat's own server or page cannot be started
│   └── BusyError            as many as may wait for the model are waiting; `retry_after` says when to come again
├── WorkflowError            a workflow has a mistake; names the step and the key
├── TraceError               a trace file is damaged or from another version
├── CheckError               a check did not pass where a grader runs the sheet; or the sheet does not exist
├── RepositoryError          a name of a repository cannot be used, or a folder is no copy of NanoChat's
├── SheetError               an exercise sheet has a mistake; names the sheet and the cell
├── PublishingError          slides or a site cannot be made: a lesson is not there, or one of its cells fails
├── BundleError              a memory stick for a room without internet cannot be made as asked
└── GradingError             a class cannot be graded as asked: a folder, a roster or a number is not what it should be
    ├── RejectedError        what one student handed in cannot be read; the others are graded
    ├── WallsError           this machine does not allow the stronger walls around students' code
    └── WireError            what a student's process sent is not what was agreed on
        └── TooMuchError     a value, or code, is too large to be looked at
"""


class NanoChatError(Exception):
    """The root of all errors that NanoChat raises on purpose."""


class SettingsError(NanoChatError, ValueError):
    """A knob has a value that is not allowed."""


class MessageError(NanoChatError, ValueError):
    """A message cannot be used as it is."""


class TokenError(NanoChatError, ValueError):
    """A token id, or a tokenizer, cannot do what was asked."""


class ContextError(NanoChatError, ValueError):
    """The prompt does not fit into the context window."""


class ModelError(NanoChatError):
    """Something about a model: its name, its files or its engine."""


class UnknownModelError(ModelError, LookupError):
    """No model has this name."""


class ModelMissingError(ModelError):
    """The model is not on this machine and could not be fetched."""


class ModelDamagedError(ModelError):
    """A file of the model is incomplete or not what it should be."""


class EngineError(ModelError):
    """The engine cannot do what was asked, or is not installed."""


class CannotChatError(ModelError):
    """The model is an encoder: it reads text but cannot write it."""


class RemoteError(ModelError):
    """A server with a model refused, broke off or did not answer."""


class DocumentError(NanoChatError, ValueError):
    """A file or folder of texts cannot be used for a search."""


class ServeError(NanoChatError):
    """NanoChat's own server or page cannot be started."""


class BusyError(ServeError):
    """As many as may wait for the model are waiting. retry_after: when to come again, in seconds."""

    def __init__(self, message: str, retry_after: int):
        super().__init__(message)
        self.retry_after = retry_after


class WorkflowError(NanoChatError, ValueError):
    """A workflow has a mistake."""


class TraceError(NanoChatError, ValueError):
    """A trace file is damaged or from another version."""


class CheckError(NanoChatError, AssertionError):
    """A check did not pass, and a grader runs the sheet; or the sheet does not exist."""


class RepositoryError(NanoChatError, ValueError):
    """A name of a repository cannot be used, or a folder is no copy of NanoChat's."""


class SheetError(NanoChatError, ValueError):
    """An exercise sheet has a mistake, or is not where it should be."""


class BundleError(NanoChatError, ValueError):
    """A bundle for a room without internet cannot be made as asked."""


class PublishingError(NanoChatError, ValueError):
    """Slides or a site cannot be made as asked: a lesson is not there, or one of its cells fails."""


class GradingError(NanoChatError, ValueError):
    """A class cannot be graded as asked: a folder, a roster, an archive or a number is not what it should be."""


class RejectedError(GradingError):
    """What one student handed in cannot be read; says why and where."""


class WallsError(GradingError, OSError):
    """The stronger walls around students' code are not allowed on this machine."""


class WireError(GradingError):
    """What a student's process sent is not what was agreed on: too much, cut off, or of another form."""


class TooMuchError(WireError):
    """A value, or code, is too large to be looked at."""
