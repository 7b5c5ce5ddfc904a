"""Errors of the AWS SDK for Go as the agent logs them: version 1 and version 2 spell them differently.

    1: AccessDeniedException: <message>
    1: RequestError: send request failed
    1, wrapped: error calling RequestManagedInstanceRoleToken: AccessDeniedException: <message>
    2: operation error SSM: <Operation>, <answer>, <Code>: <message>
    2: operation error SSM: <Operation>, <answer>, api error <Code>: <message>
    2: operation error SSM: <Operation>, exceeded maximum number of attempts, 4, <answer>, request send failed,
       Post "https://...": dial tcp: ...
    <answer>: https response error StatusCode: 400, RequestID: <id>, or 0 and no id

`agent.versions` has the SDK of each agent; both forms are parsed for any version. The forms of 2 are from the SDK's
source; no agent's log with them has been seen yet.
"""

from __future__ import annotations

import re

from fingerprint.types import Value

# The connection to the service failed; version 1 has this code for it, version 2 has none.
NO_ANSWER = "RequestError"
# Errors that no retry resolves.
MISMATCH, DENIED = "MachineFingerprintDoesNotMatch", "AccessDeniedException"
REJECTIONS = (MISMATCH, DENIED)
# Names of operations before an error; they are not codes, although some end like one.
_OPERATION = re.compile(r"\b(?:RequestManagedInstanceRoleToken|RegisterManagedInstance|UpdateManagedInstancePublicKey|"
                        r"UpdateInstanceInformation|GetCallerIdentity)\b")  # fmt: skip
# Another operation that the agent's words name.
_CALLED = re.compile(r"\b(?:calling|occurred in|failed to call) ([A-Z]\w+)")
_NAME = r"[A-Z][A-Za-z0-9_.]*"
# A code of the service after other words.
_CODE = re.compile(r"\b([A-Z][A-Za-z]+(?:Exception|Error|Failure|DoesNotMatch|Expired|Token))(?=:|$)")
_AFTER_OPERATION = re.compile(rf"(?:{_OPERATION.pattern}|{_CALLED.pattern})(?: API)?:? ({_NAME})(?=:|$)")
# Version 2.
_OPERATION_ERROR = re.compile(r"operation error [^:,]+: (\w+)(?:, (.*))?$", re.DOTALL)
_ANSWER = re.compile(r"\bhttps? response error StatusCode: (\d+)(?:, RequestID: ([^,]*))?(?:, (.*))?$", re.DOTALL)
_API_ERROR = re.compile(rf"\bapi error ({_NAME})(?=:|$)")
# The code after the answer, before the message of the service.
_AFTER_ANSWER = re.compile(rf"(?:api error )?({_NAME})(?=: |:?$)")
_NOT_SENT = ("request send failed", "dial tcp", "context deadline exceeded", "i/o timeout", "connection reset")


class SdkError(Value):
    """One error, parsed.

    Attributes:
        code: of the service, or NO_ANSWER; "" for any other error, such as one of the vault.
        sdk: major version of the SDK with this form; 0 if both have it.
        operation: that failed; "" if it is not named.
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
    """Return the parts of a logged error.

    Args:
        text: the error, without the agent's words before it.
    """
    # The innermost of nested errors, such as one on the credentials for a call, is the cause.
    _, mark, inner = text.rpartition("operation error ")
    found = _OPERATION_ERROR.search(mark + inner) if mark else None
    rest = (found[2] or "") if found else text
    answer = _ANSWER.search(rest)
    api = _API_ERROR.search(rest)
    if found or answer or text.startswith("api error "):
        return _of_version_2(found[1] if found else "", rest, answer, api[1] if api else "")
    return _of_version_1(text)


def code_of(text: str) -> str:
    """Return the code in a logged error, such as "AccessDeniedException"; "" without one."""
    return sdk_error(text).code


def _of_version_2(operation: str, rest: str, answer: re.Match[str] | None, code: str) -> SdkError:
    status, request_id, message = (int(answer[1][:9]), answer[2] or "", answer[3] or "") if answer else (0, "", rest)
    first = _AFTER_ANSWER.match(message) if status else None
    if first:
        # The message may quote another error.
        code = first[1]
    if code:
        return SdkError(code, 2, operation, status, request_id.strip(), answered=True)
    no_answer = not status and (answer is not None or any(words in rest for words in _NOT_SENT))
    return SdkError(NO_ANSWER if no_answer else "", 2, operation, status, request_id.strip())


def _of_version_1(text: str) -> SdkError:
    operation, called = _OPERATION.search(text), _CALLED.search(text)
    named = operation[0] if operation else called[1] if called else ""
    first = text.partition(":")[0].strip()
    if first.isidentifier() and first != named:
        code = first
    else:
        behind = _AFTER_OPERATION.search(text)
        names = (found[1] for found in _CODE.finditer(text))
        codes = (name for name in names if name != named and not _OPERATION.fullmatch(name))
        code = behind[behind.lastindex or 0] if behind else next(codes, "")
    return SdkError(code, 1 if code else 0, named, answered=bool(code) and code != NO_ANSWER)
