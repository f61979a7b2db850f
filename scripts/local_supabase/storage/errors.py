"""What the storage server answers when it refuses: the status, code, error and message of the hosted one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
import psycopg
from starlette.responses import Response


class StorageError(Exception):
    """A request that the storage server refuses.

    status: what the body says. The HTTP status is 400 for all that a client can mend, as hosted.
    code: the error's name today. error: its older name, which storage-py reads. message: one sentence.
    """

    def __init__(self, status: int, code: str, message: str, *, error: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.error = error or code
        self.message = message

    @property
    def http_status(self) -> int:
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.status
        return HTTPStatus.BAD_REQUEST

    def body(self) -> dict[str, str]:
        return {
            "statusCode": str(self.status),
            "code": self.code,
            "error": self.error,
            "message": self.message,
        }


def render(error: StorageError) -> Response:
    return Response(orjson.dumps(error.body()), error.http_status, media_type="application/json")


def access_denied(message: str) -> StorageError:
    return StorageError(403, "AccessDenied", message, error="Unauthorized")


def no_such_bucket() -> StorageError:
    return StorageError(404, "NoSuchBucket", "Bucket not found", error="Bucket not found")


def no_such_key() -> StorageError:
    return StorageError(404, "NoSuchKey", "Object not found", error="not_found")


def bucket_not_empty() -> StorageError:
    return StorageError(409, "ResourceNotEmpty", "The bucket you tried to delete is not empty")


def already_exists() -> StorageError:
    return StorageError(409, "KeyAlreadyExists", "The resource already exists", error="Duplicate")


def invalid_key(key: str) -> StorageError:
    return StorageError(400, "InvalidKey", f"Invalid key: {key}")


def invalid_bucket_name() -> StorageError:
    return StorageError(400, "InvalidBucketName", "Bucket name invalid", error="Invalid Input")


def invalid_request(message: str) -> StorageError:
    return StorageError(400, "InvalidRequest", message)


def invalid_mime_type(mime_type: str) -> StorageError:
    return StorageError(
        415, "InvalidMimeType", f"mime type {mime_type} is not supported", error="invalid_mime_type"
    )


def too_large() -> StorageError:
    message = "The object exceeded the maximum allowed size"
    return StorageError(413, "EntityTooLarge", message, error="Payload too large")


def invalid_range() -> StorageError:
    return StorageError(416, "InvalidRange", "invalid range provided", error="invalid_range")


def invalid_signature(message: str) -> StorageError:
    return StorageError(400, "InvalidSignature", message)


def not_served(what: str) -> StorageError:
    return StorageError(501, "NotSupported", f"The local storage server does not serve {what}.")


def from_database(error: psycopg.Error) -> StorageError:
    """The answer to what a statement failed with: policies and constraints speak through their SQLSTATE."""
    state, said = error.sqlstate, error.diag.message_primary or str(error)
    if state == "42501" and "row-level security" in said:
        return access_denied("new row violates row-level security policy")
    known: dict[str | None, Any] = {
        # A token may name a role that does not exist, or that nobody may become.
        "22023": lambda: access_denied(said),
        "42501": lambda: access_denied(said),
        "23505": already_exists,
        "23503": no_such_bucket,
        "55P03": lambda: StorageError(423, "ResourceLocked", "The resource is locked"),
        "57014": lambda: StorageError(504, "DatabaseTimeout", "The database did not answer in time"),
    }
    return known.get(state, lambda: StorageError(500, "DatabaseError", said))()  # type: ignore[no-any-return]
