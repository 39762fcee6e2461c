"""``orkee sandbox shell`` in a real terminal: colours, sizes, keys, pastes, and coming back."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections.abc import Callable, Iterator

import pytest

from orkee_jupyter.client import OrkeeError, Sandbox

from .processes import until
from .servers import TOKEN, Server
from .terminals import ORKEE, Terminal
from .test_bad_input import said
from .wire_cutter import Cutter

PROMPT = r"[#$] (?!.*[#$] )"
#: 100 kB in lines, as a paste has them, with characters of more than one byte.
TEXT = "".join(f"{number:06} {'ä€x' * 11}\n" for number in range(1400)).encode()

Opening = Callable[..., Terminal]


@pytest.fixture
def shell(server: Server, sandbox: Sandbox) -> Iterator[Opening]:
    """Give what opens a shell of the sandbox in a terminal."""
    opened: list[Terminal] = []

    def make(*words: str, url: str | None = None, rows: int = 24) -> Terminal:
        env = server.env | {"ORKEE_SOCKET": str(server.socket)}
        if url is not None:
            env |= {"ORKEE_URL": url, "ORKEE_TOKEN": TOKEN}
        terminal = Terminal(
            *ORKEE, "sandbox", "shell", sandbox.id, *words, env=env, cwd=server.project, rows=rows
        )
        opened.append(terminal)
        return terminal

    yield make
    for terminal in opened:
        terminal.close()


def shells(sandbox: Sandbox) -> list[str]:
    return [each.name for each in sandbox.processes() if each.kind == "terminal"]


def test_a_shell_has_colours_a_size_and_an_exit_code(shell: Opening) -> None:
    terminal = shell()
    terminal.until(PROMPT)
    terminal.type("stty size; echo $TERM $(tput colors) $PWD; printf '\\e[31m%s\\e[0m\\n' red\r")
    terminal.until("24 80\r\nxterm-256color 256 /app\r\n\x1b\\[31mred")
    terminal.resize(40, 120)
    terminal.type("until [ \"$(stty size)\" = '40 120' ]; do sleep 0.05; done; echo wi''de\r")
    terminal.until("wide\r\n")
    terminal.type("exit 7\r")
    assert terminal.end() == 7
    assert terminal.modes == terminal.before


def test_an_interrupt_ends_the_command_not_the_shell(shell: Opening) -> None:
    terminal = shell()
    terminal.until(PROMPT)
    terminal.type("sleep 600; echo code $((100 + $?))\r")
    until(lambda: "sleep" in running(terminal), 10, what="the sleep")
    terminal.type("\x03")
    terminal.until("\\^C")
    terminal.type("echo still $((40 + 2))\r")
    terminal.until("still 42")


def running(terminal: Terminal) -> str:
    """Return what the terminal has shown of the command so far."""
    return terminal.look().decode(errors="replace")


@pytest.mark.parametrize("program", ["sh -c 'stty -echo; echo ready; cat > pasted'", "bash"])
def test_a_long_paste_arrives_byte_for_byte(shell: Opening, sandbox: Sandbox, program: str) -> None:
    terminal = shell("--", "sh", "-c", program)
    if program == "bash":
        terminal.until(PROMPT)
        terminal.type("cat > pasted; echo re''ady\r")
    else:
        terminal.until("ready\r\n")
    terminal.type(TEXT + b"\x04")
    if program == "bash":
        terminal.until("ready\r\n")
        terminal.type("exit\r")
    assert terminal.end() == 0
    pasted = sandbox.files.read("pasted")
    assert hashlib.sha256(pasted).digest() == hashlib.sha256(TEXT).digest()


def test_a_bracketed_paste_is_one_edit_of_the_line(shell: Opening) -> None:
    terminal = shell()
    terminal.until(r"\x1b\[\?2004h.*[#$] ")  # the shell asks for them
    terminal.type("\x1b[200~echo a\necho b~.\x1b[201~")
    terminal.until(r"echo b~\.")
    terminal.type("\r")
    terminal.until("a\r\nb~\\.\r\n")


def test_a_shell_is_found_again_when_its_terminal_was_killed(
    shell: Opening, sandbox: Sandbox
) -> None:
    terminal = shell()
    terminal.until(PROMPT)
    terminal.type("kept=here; echo first $kept\r")
    terminal.until("first here\r\n")
    os.kill(terminal.process.pid, signal.SIGKILL)
    terminal.process.wait()
    again = shell()
    again.until("back in shell 1")
    again.until("first here\r\n")
    again.type("echo again $kept; exit 3\r")
    again.until("again here\r\n")
    assert again.end() == 3
    until(lambda: shells(sandbox) == [], 5, what="the end of the shell")


def test_a_full_screen_program_comes_back_as_it_was(shell: Opening, sandbox: Sandbox) -> None:
    sandbox.files.write("text", "".join(f"line {number}\n" for number in range(500)))
    sandbox.files.write("pager", PAGER)
    terminal = shell("--name", "pager", "--", "sh", "pager")
    terminal.until(r"\x1b\[\?1049h")
    terminal.until("page 1 size 24 80")
    terminal.type(" ")
    terminal.until("page 2")
    os.kill(terminal.process.pid, signal.SIGKILL)
    again = shell("--name", "pager", rows=30)
    again.until(r"\x1b\[\?1049h")
    again.until("size 30 80")
    again.type("q")
    assert again.end() == 0
    assert b"\x1b[?1049l" in again.seen


#: A pager in a few lines, for images that have none: it draws anew at a change of the size.
PAGER = r"""
page=1
draw() {
    printf '\033[2J\033[H'; head -n $((page * 22)) text | tail -n 22
    printf 'page %s size %s' $page "$(stty size)"
}
trap 'draw' WINCH
trap "printf '\033[?1049l'; stty sane" EXIT
printf '\033[?1049h'; stty -icanon -echo min 0 time 1; draw
while :; do
    key=$(dd bs=1 count=1 2>/dev/null)
    case $key in ' ') page=$((page + 1)); draw ;; q) exit 0 ;; esac
    if [ -z "$key" ]; then sleep 0.05; fi
done
"""


def test_to_detach_leaves_the_shell_and_the_screen_in_order(
    shell: Opening, sandbox: Sandbox
) -> None:
    terminal = shell("--name", "work")
    terminal.until(PROMPT)
    for key in "~.":
        terminal.type(key)
        until(lambda: not terminal.waits_for_input(), 5, what="that the key is read")
    assert terminal.end() == 0
    assert b"detached: shell work goes on" in terminal.seen
    assert terminal.modes == terminal.before
    assert shells(sandbox) == ["work"]


def test_a_newcomer_takes_a_named_shell_over(shell: Opening) -> None:
    first = shell("--name", "work")
    first.until(PROMPT)
    second = shell("--name", "work")
    second.until("back in shell work")
    assert first.end() == 125
    assert b"terminal_taken" in first.seen
    second.type("exit\r")
    assert second.end() == 0


def test_a_broken_connection_is_mended_without_a_gap(shell: Opening, server: Server) -> None:
    with Cutter(server.url) as cutter:
        terminal = shell(url=cutter.url)
        terminal.until(PROMPT)
        terminal.type("for i in $(seq 300); do echo no $i; sleep 0.01; done; echo al''l\r")
        terminal.until("no 100\r\n")
        cutter.cut()
        seen = terminal.seen
        terminal.until("the connection broke")
        found = terminal.until("(?s)(.*)all\r\n")
    shown = (seen + found[0]).decode()
    numbers = [int(each) for each in re.findall(r"no (\d+)\r\n", shown)]
    assert numbers[-1] == 300
    assert sorted(set(numbers)) == numbers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_in_order(shell: Opening, number: signal.Signals) -> None:
    terminal = shell()
    terminal.until(PROMPT)
    os.kill(terminal.process.pid, number)
    assert terminal.end() == 128 + number
    assert terminal.modes == terminal.before


def test_without_a_terminal_it_reads_commands(server: Server, sandbox: Sandbox) -> None:
    script = b"echo out; echo err >&2; test -t 0 || exit 5\n"
    done = server.cli("sandbox", "shell", sandbox.id, stdin=script)
    assert (done.returncode, done.stdout, said(done.stderr)) == (5, b"out\n", ["err"])
    done = server.cli("sandbox", "shell", sandbox.id, "--", "cat", stdin=bytes(range(256)))
    assert (done.returncode, done.stdout) == (0, bytes(range(256)))


def test_a_terminal_in_the_hands_of_python(sandbox: Sandbox) -> None:
    with sandbox.terminal(["sh"], rows=30, columns=100, env={"PS1": "> "}) as terminal:
        terminal.write("stty size\r")
        shown = b""
        while b"30 100\r\n" not in shown:
            piece = terminal.read(10)
            assert piece is not None
            shown += piece[1]
    name, seen = terminal.name, terminal.seen
    again = sandbox.terminal(name=name, attach=True, seen=seen)
    with again:
        assert (again.reattached, again.replay) == (True, 0)
        again.write("exit 4\r")
        assert again.wait(10).exit_code == 4
    with pytest.raises(OrkeeError) as caught:
        sandbox.terminal(name="nobody", attach=True)
    assert caught.value.code == "terminal_not_found"


def test_a_shell_ends_with_its_sandbox(shell: Opening, sandbox: Sandbox) -> None:
    terminal = shell()
    terminal.until(PROMPT)
    sandbox.stop()
    assert terminal.end() in (125, 129, 137, 143)
    assert terminal.modes == terminal.before


def test_jupyters_own_terminal_shows_a_shell(server: Server, sandbox: Sandbox) -> None:
    shown = sandbox.show_terminal()
    assert sandbox.show_terminal() == shown
    listed = [each["name"] for each in server.api("GET", "terminals")]
    assert listed.count(shown["name"]) == 1
    until(lambda: shells(sandbox) == ["1"], 20, what="the shell in Jupyter's terminal")
    server.api("DELETE", f"terminals/{shown['name']}")
    assert shells(sandbox) == ["1"]
