"""``input()`` in ``%%sandbox python`` cells, asked by the notebook's own prompt."""

from __future__ import annotations

import builtins
import getpass
from collections.abc import Callable

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from orkee_jupyter.magics import questions
from orkee_jupyter.magics.errors import InnerError
from tests.client.stub_server import StubServer

from .conftest import Kernel
from .test_cells import cell, outputs, python

__all__ = ["python"]
ASK = "%%sandbox python web\n"


@pytest.fixture(autouse=True)
def _web(stub: StubServer) -> None:
    stub.add(name="web", template="debian", image="debian:bookworm-slim")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Answer each question with its prompt in capitals, and return the prompts."""
    prompts: list[str] = []

    def answer(prompt: str = "") -> str:
        prompts.append(prompt)
        return prompt.upper()

    monkeypatch.setattr(builtins, "input", answer)
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": f"secret {answer(prompt)}")
    return prompts


def test_a_question_is_asked_here_and_the_answer_goes_inside(
    shell: InteractiveShell, python: str, asked: list[str]
) -> None:
    found = outputs(
        shell,
        f"{ASK}import getpass\nprint('before')\na = input('name? ')\nb = getpass.getpass('key? ')\n"
        "print('after')\n(a, b)",
    )
    assert asked == ["name? ", "key? "]
    assert found.outputs[-1].data["text/plain"] == "('NAME? ', 'secret KEY? ')"
    assert found.stdout == "before\nafter\n"


def test_a_prompt_is_shown_without_what_a_terminal_would_obey(
    shell: InteractiveShell, python: str, asked: list[str]
) -> None:
    cell(shell, f"{ASK}_ = input('a\\x1b]0;title\\x07b')")
    assert asked == ["ab"]


def test_the_end_of_input_is_an_error_inside(
    shell: InteractiveShell, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtins, "input", raising(EOFError))
    with pytest.raises(InnerError, match="EOFError"):
        cell(shell, f"{ASK}input()")


def test_an_interrupt_of_a_question_keeps_the_interpreter(
    shell: InteractiveShell, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtins, "input", raising(KeyboardInterrupt))
    with pytest.raises(InnerError, match="KeyboardInterrupt"):
        cell(shell, f"{ASK}x = 1\ninput()")
    monkeypatch.setattr(builtins, "input", lambda prompt="": "again")
    found = outputs(shell, f"{ASK}x, input()")
    assert found.outputs[0].data["text/plain"] == "(1, 'again')"


def test_a_front_end_without_input_is_not_asked(
    shell: InteractiveShell, python: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orkee_jupyter.magics.magics.takes_input", lambda shell: False)
    with capture_output(), pytest.raises(InnerError) as caught:
        cell(shell, f"{ASK}input()")
    assert "does not" in str(caught.value)
    assert asked == []


def test_an_answer_that_is_no_text_ends_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", raising(EOFError))
    assert questions.ask({"prompt": 7, "password": True}) is None


def test_a_notebooks_own_prompt_is_asked(kernel: Kernel) -> None:
    kernel.stub.sandboxes.clear()
    kernel.stub.add(name="web")
    request = kernel.client.execute(f"{ASK}print(input('name? ') * 2)", allow_stdin=True)
    question = kernel.client.get_stdin_msg(timeout=30)
    assert question["content"] == {"prompt": "name? ", "password": False}
    kernel.client.input("ab")
    assert kernel.client._recv_reply(request, timeout=30)["content"]["status"] == "ok"
    said = ""
    while "abab" not in said:
        message = kernel.client.get_iopub_msg(timeout=10)
        said += message["content"].get("text", "")


def raising(kind: type[BaseException]) -> Callable[..., str]:
    """Return a function that raises."""

    def ask(prompt: str = "") -> str:
        raise kind

    return ask
