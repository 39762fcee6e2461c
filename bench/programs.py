"""What runs in the containers: the same in every subject. Perl, as each Debian image has it."""

from __future__ import annotations

#: The same files for all: what the subjects call this is up to them.
IMAGE = "debian:bookworm-slim"
PORT = 8000

#: Greets with ``+``, then does what the first line says: ``echo``, ``down BYTES``, ``up BYTES``.
_SERVER = r"""
use strict; use IO::Socket::INET; use Socket qw(IPPROTO_TCP TCP_NODELAY);
$SIG{CHLD} = "IGNORE";
my $listener = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 128, ReuseAddr => 1) or die;
while (my $peer = $listener->accept) {
    next if fork;
    setsockopt($peer, IPPROTO_TCP, TCP_NODELAY, 1);
    syswrite $peer, "+";
    my ($head, $data) = ("", "");
    while ($head !~ /\n/) { sysread($peer, $data, 1) or exit; $head .= $data }
    my ($verb, $left) = split " ", $head;
    if ($verb eq "echo") { while (sysread $peer, $data, 65536) { syswrite $peer, $data } }
    if ($verb eq "down") {
        my $block = "\0" x 262144;
        while ($left > 0) {
            my $done = syswrite $peer, $block, $left < 262144 ? $left : 262144;
            last unless $done;
            $left -= $done;
        }
    }
    if ($verb eq "up") {
        while ($left > 0) { my $done = sysread $peer, $data, 262144 or last; $left -= $done }
        syswrite $peer, "!";
    }
    exit;
}
"""
SERVER = ("perl", "-e", _SERVER, str(PORT))

#: Writes the time, in seconds since 1970, as a line of its own every 10 ms.
CLOCK = (
    "perl",
    "-MTime::HiRes=time,sleep",
    "-e",
    '$| = 1; while (1) { printf "%.6f\\n", time; sleep 0.01 }',
)

#: Sends what it says to a unix socket: what a link carries without anything of ours.
SENDER = (
    "perl",
    "-MSocket",
    "-e",
    r"""
my ($path, $left) = @ARGV; my $block = "\0" x 262144;
socket(my $peer, PF_UNIX, SOCK_STREAM, 0) or die; connect($peer, sockaddr_un($path)) or die;
while ($left > 0) {
    my $done = syswrite $peer, $block, $left < 262144 ? $left : 262144 or die;
    $left -= $done;
}
shutdown($peer, 1); sysread $peer, my $end, 1;
""",
)

SLEEP = ("sleep", "100000")


def flood(size: int) -> tuple[str, ...]:
    """Return what writes ``size`` bytes of lines of 100 to its stdout, and then waits."""
    line = "x" * 99
    return ("sh", "-c", f"sleep 0.3; yes {line} | head -c {size}; exec sleep 100000")
