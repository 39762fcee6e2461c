"""What the errors of the engine become; the messages are those of the real one."""

from __future__ import annotations

import dagger
import gql
import pytest
from dagger._exceptions import QueryErrorValue

from orkee_jupyter.dagger.failures import translate
from orkee_jupyter.sandbox.errors import OrkeeError

REQUEST = gql.gql("{ container { id } }")
TRACE = " [traceparent:199ccc95d8498d6f9312a853789d5ae0-fc60a6a4fcb8dca8]"
RESOLVE = 'failed to resolve image "{0}" (platform: "linux/amd64"): failed to resolve source '
HEAD = RESOLVE + 'metadata for {0}: failed to do request: Head "https://{1}/v2/foo/manifests/1": '


def query_error(message: str) -> dagger.QueryError:
    return dagger.QueryError([QueryErrorValue(message + TRACE)], REQUEST)


def exec_error(
    code: int, stdout: str = "", stderr: str = "", message: str = ""
) -> dagger.QueryError:
    extensions = {
        "_type": "EXEC_ERROR",
        "cmd": ["sh", "-c", "make it"],
        "exitCode": code,
        "stdout": stdout,
        "stderr": stderr,
    }
    value = QueryErrorValue((message or f"exit code: {code}") + TRACE, extensions=extensions)
    return dagger.QueryError([value], REQUEST)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (
            RESOLVE.format("docker.io/library/x:1") + "metadata for x:1: x:1: not found",
            "The image 'x:1' does not exist or may not be pulled.",
        ),
        (
            HEAD.format("registry.invalid/foo:1", "registry.invalid")
            + "dial tcp: lookup registry.invalid on 10.87.0.1:53: no such host",
            "No registry answers for the image 'x:1'.",
        ),
        (
            HEAD.format("localhost:9/foo:1", "localhost:9")
            + "dial tcp [::1]:9: connect: connection refused",
            "No registry answers for the image 'x:1'.",
        ),
        (
            HEAD.format("10.0.0.1/foo:1", "10.0.0.1")
            + "tls: failed to verify certificate: x509: cannot validate certificate",
            "No registry answers for the image 'x:1'.",
        ),
        (
            "failed to parse image address Not A Name: invalid reference format: repository "
            "name (library/Not A Name) must be lowercase",
            "'x:1' is not the name of an image.",
        ),
    ],
)
def test_an_image_that_cannot_be_had_is_told_with_the_reason(message: str, cause: str) -> None:
    error = translate(query_error(message), image="x:1")
    assert (error.code, error.cause) == ("unknown_image", cause)
    assert error.remedy


def test_an_engine_that_fails_at_a_pull_does_not_blame_the_image() -> None:
    error = translate(query_error("failed to get session: client is closed"), image="x:1")
    assert error.code == "engine_failed"
    assert "traceparent" not in error.cause


@pytest.mark.parametrize(
    "error",
    [
        query_error("failed to commit: write /var/lib/dagger/x: no space left on device"),
        exec_error(1, stderr="unpacking\ncp: write error: No space left on device\n"),
        OSError(28, "No space left on device"),
    ],
)
def test_a_full_disk_is_told_wherever_it_shows(error: Exception) -> None:
    assert translate(error, image="x:1").code == "disk_full"


def test_a_failed_setup_command_is_told_with_its_code_and_last_line() -> None:
    error = translate(exec_error(3, "out\n", "err\nno such package\n"))
    assert error.code == "setup_failed"
    assert error.cause == "The setup command 'make it' ended with code 3: no such package."
    assert error.details == {"exit_code": 3, "lines": ["out", "err", "no such package"]}


def test_a_setup_command_that_never_ran_is_told_with_the_engines_reason() -> None:
    error = translate(exec_error(-1, message="get user: unable to find user nobodyx"))
    assert error.code == "setup_failed"
    assert error.cause.endswith("could not be run: get user: unable to find user nobodyx.")


def test_much_output_of_a_setup_command_is_cut() -> None:
    error = translate(exec_error(1, stderr="\n".join(["x" * 1000] * 100)))
    assert len(error.details["lines"]) == 20
    assert len(error.cause) < 600


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), "engine_timeout"),
        (dagger.TransportError("Server disconnected without sending a response."), "engine_lost"),
        (dagger.ClientConnectionError("All connection attempts failed"), "engine_lost"),
        (ConnectionResetError(), "engine_lost"),
        (dagger.InvalidQueryError("Required field got a null response"), "engine_failed"),
        (query_error("get user: unable to find user nobodyx"), "engine_failed"),
    ],
)
def test_what_is_not_the_users_fault_is_the_engines(error: Exception, code: str) -> None:
    found = translate(error)
    assert found.code == code
    assert ".." not in found.cause


def test_an_error_of_ours_stays_as_it_is() -> None:
    error = OrkeeError("internal", "It broke.")
    assert translate(error, image="x:1") is error
