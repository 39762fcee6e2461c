"""The magics in a real kernel: interrupts, the form of errors, floods, Tab."""

from __future__ import annotations

import pytest

from .conftest import Kernel, Ran


@pytest.fixture(autouse=True)
def _one_sandbox(kernel: Kernel) -> None:
    kernel.stub.sandboxes.clear()
    kernel.stub.add(name="web")
    kernel.stub.logs = [{"seq": 1, "time": 1.0, "stream": "stdout", "text": "hello\n"}]
    kernel.stub.log_end = "exited"
    kernel.stub.exec_ended.clear()
    kernel.stub.log_left.clear()


#: Seconds, of commands that run for minutes: on a busy machine a second may be too few.
SOON = 10


def said_hello(ran: Ran) -> bool:
    return "hello" in ran.text("stdout")


def test_an_interrupt_ends_following_at_once_and_the_kernel_is_free(
    kernel: Kernel,
) -> None:
    kernel.stub.log_end = None
    ran = kernel.run("%sandbox logs web -f", said_hello)
    assert ran.status == "ok"
    assert ran.seconds < SOON
    assert "Interrupted: sandbox web goes on running" in ran.text("stderr")
    assert ran.text("stderr").count("\n") == 1
    assert kernel.stub.log_left.wait(SOON)
    assert kernel.run("%sandbox list").status == "ok"
    assert kernel.stub.find("web")["status"] == "active"


def test_an_interrupt_ends_the_command_and_not_the_sandbox(kernel: Kernel) -> None:
    ran = kernel.run("%sandbox exec web -- sh -c 'echo hello; sleep 600'", said_hello)
    assert (ran.status, ran.seconds < SOON) == ("error", True)
    line = "Interrupted: the command was ended, sandbox web goes on running."
    assert ran.only("error")["traceback"] == [line]
    assert kernel.stub.exec_ended.wait(SOON)
    assert kernel.stub.find("web")["status"] == "active"


def test_an_interrupt_ends_a_flood(kernel: Kernel) -> None:
    ran = kernel.run("%sandbox exec web -- sh -c 'echo hello; yes'", said_hello)
    assert (ran.status, ran.seconds < SOON) == ("error", True)
    assert kernel.stub.exec_ended.wait(SOON)


def test_an_error_has_two_lines_and_fails_the_cell(kernel: Kernel) -> None:
    ran = kernel.run("%sandbox logs nope")
    assert ran.status == "error"
    error = ran.only("error")
    assert error["ename"] == "SandboxError"
    assert error["evalue"] == "There is no sandbox nope. List them."
    assert len(error["traceback"]) == 2
    assert error["traceback"][1] == "List them. [sandbox_not_found]"


def test_a_flood_stays_within_what_jupyter_carries_and_says_what_is_missing(
    kernel: Kernel,
) -> None:
    ran = kernel.run("%sandbox exec web -- sh -c 'seq 3000000; echo the end; echo err >&2'")
    assert ran.status == "ok"
    streams = [content["text"] for kind, content in ran.messages if kind == "stream"]
    assert sum(map(len, streams)) < 1_500_000 + 256_000 * ran.seconds
    assert len(streams) < 50 * max(1, ran.seconds)
    assert ran.text("stdout").startswith("1\n2\n3\n")
    assert ran.text("stdout").endswith("3000000\nthe end\n")
    assert "left out here, more than a cell carries" in ran.text("stderr")
    assert "orkee sandbox exec 000100010001 -- sh -c" in ran.text("stderr")


def test_streams_stay_apart_and_in_order(kernel: Kernel) -> None:
    ran = kernel.run(
        "c = %sandbox exec web -- sh -c 'echo a; sleep 0.3; echo b >&2; sleep 0.3; echo c'"
    )
    streams = [(c["name"], c["text"]) for kind, c in ran.messages if kind == "stream"]
    assert streams == [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n")]


def test_captured_output_is_captured(kernel: Kernel) -> None:
    ran = kernel.run("%%capture got\n%sandbox logs web")
    assert ran.text("stdout") == ""
    assert kernel.run("print(got.stdout, end='')").text("stdout") == "hello\n"


def test_values_have_a_card_in_html_and_text(kernel: Kernel) -> None:
    data = kernel.run("%sandbox create node --name app").only("execute_result")["data"]
    assert data["text/plain"].startswith("● app  active\n")
    assert 'class="orkee-card"' in data["text/html"]
    data = kernel.run("%sandbox list").only("execute_result")["data"]
    assert data["text/plain"].startswith("ID ")
    assert "orkee-table" in data["text/html"]


def test_tab_asks_the_server(kernel: Kernel) -> None:
    for _ in range(20):  # an answer that comes late is used at the next Tab
        reply = kernel.client.complete("%sandbox logs we", reply=True, timeout=30)
        if reply["content"]["matches"]:
            break
    assert reply["content"]["matches"] == ["web"]


def test_a_slow_create_says_what_it_does_and_can_be_interrupted(kernel: Kernel) -> None:
    kernel.stub.silent = True

    def repainted(ran: Ran) -> bool:
        return any(kind == "update_display_data" for kind, _ in ran.messages)

    try:
        ran = kernel.run("%sandbox create node", repainted)
    finally:
        kernel.stub.silent = False
    assert (ran.status, ran.seconds < SOON) == ("error", True)
    assert "creating the sandbox … 1 s" in ran.only("display_data")["data"]["text/plain"]
    last = [c["data"]["text/plain"] for k, c in ran.messages if k == "update_display_data"][-1]
    assert last.startswith("not finished after")
    assert "`%sandbox list` shows whether it was made" in ran.only("error")["evalue"]
