"""Errors of the AWS SDK for Go as the agent logs them: version 1 and version 2 spell them differently.

    1: AccessDeniedException: <message>
    1: RequestError: send request failed
    1, wrapped: error calling RequestManagedInstanceRoleToken: AccessDeniedException: <message>
    2: operation error SSM: <Operation>, <answer>, <Code>: <message>
    2: operation error SSM: <Operation>, <answer>, api error <Code>: <message>
    2: operation error SSM: <Operation>, exceeded maximum number of attempts, 4, <answer>, request send failed,
       Post "https://...": dial tcp: ...
    <answer>: https response error StatusCode: 400, RequestID: <id>, or 0 and no id

Which versions use which is in `agent.versions`; both are understood whatever the version is. The forms of 2 are those
of the SDK; no line of an agent in that form was seen yet.
"""

from __future__ import annotations

import re

from fingerprint.types import Value

# The way to the service failed; version 1 has this code for it, version 2 has none.
NO_ANSWER = "RequestError"
# What no retry helps against.
MISMATCH, DENIED = "MachineFingerprintDoesNotMatch", "AccessDeniedException"
REJECTIONS = (MISMATCH, DENIED)
# What stands before an error where the name of an operation does; it is no code, though it may end like one.
_OPERATION = re.compile(r"\b(?:RequestManagedInstanceRoleToken|RegisterManagedInstance|UpdateManagedInstancePublicKey|"
                        r"UpdateInstanceInformation|GetCallerIdentity)\b")  # fmt: skip
_NAME = r"[A-Z][A-Za-z0-9_.]*"
# A code of the service behind other words.
_CODE = re.compile(r"\b([A-Z][A-Za-z]+(?:Exception|Error|Failure|DoesNotMatch|Expired|Token))(?=:|$)")
_AFTER_OPERATION = re.compile(rf"{_OPERATION.pattern}:? ({_NAME})(?=:|$)")
# Version 2.
_OPERATION_ERROR = re.compile(r"operation error [^:,]+: (\w+)(?:, (.*))?$", re.DOTALL)
_ANSWER = re.compile(r"\bhttps? response error StatusCode: (\d+)(?:, RequestID: ([^,]*))?(?:, (.*))?$", re.DOTALL)
_API_ERROR = re.compile(rf"\bapi error ({_NAME})(?=:|$)")
# Behind the answer, with any words of the service behind it.
_TOLD = re.compile(rf"(?:api error )?({_NAME})(?=: |:?$)")
_NOT_SENT = ("request send failed", "dial tcp", "context deadline exceeded", "i/o timeout", "connection reset")


class SdkError(Value):
    """One error.

    Attributes:
        code: of the service, or NO_ANSWER; "" for an error that is neither, such as one of the vault.
        sdk: major version of the SDK that spells it so; 0 where both would.
        operation: that failed; "" where it is not told.
        status: of the HTTP answer; 0 without one.
        request_id: of the request; "" without one.
        answered: whether the service answered with the error.
    """

    code: str
    sdk: int = 0
    operation: str = ""
    status: int = 0
    request_id: str = ""
    answered: bool = False


def sdk_error(text: str) -> SdkError:
    """Return what an error as it was logged tells.

    Args:
        text: the error, without the words that the agent puts before it.
    """
    # Of errors in one another, as of credentials that were needed for a call, the innermost tells the cause.
    _, mark, inner = text.rpartition("operation error ")
    found = _OPERATION_ERROR.search(mark + inner) if mark else None
    rest = (found[2] or "") if found else text
    answer = _ANSWER.search(rest)
    api = _API_ERROR.search(rest)
    if found or answer or text.startswith("api error "):
        return _of_version_2(found[1] if found else "", rest, answer, api[1] if api else "")
    return _of_version_1(text)


def code_of(text: str) -> str:
    """Return the code in an error as it was logged, such as "AccessDeniedException"; "" without one."""
    return sdk_error(text).code


def _of_version_2(operation: str, rest: str, answer: re.Match[str] | None, code: str) -> SdkError:
    status, request_id, told = (int(answer[1][:9]), answer[2] or "", answer[3] or "") if answer else (0, "", rest)
    first = _TOLD.match(told) if status else None
    if first:
        # The message may quote another error.
        code = first[1]
    if code:
        return SdkError(code, 2, operation, status, request_id.strip(), answered=True)
    no_answer = not status and (answer is not None or any(words in rest for words in _NOT_SENT))
    return SdkError(NO_ANSWER if no_answer else "", 2, operation, status, request_id.strip())


def _of_version_1(text: str) -> SdkError:
    operation = _OPERATION.search(text)
    named = operation[0] if operation else ""
    first = text.partition(":")[0].strip()
    if first.isidentifier() and first != named:
        code = first
    else:
        behind = _AFTER_OPERATION.search(text)
        codes = (found[1] for found in _CODE.finditer(text) if not _OPERATION.fullmatch(found[1]))
        code = behind[1] if behind else next(codes, "")
    return SdkError(code, 1 if code else 0, named, answered=bool(code) and code != NO_ANSWER)
