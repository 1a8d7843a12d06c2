"""In the tests, the hosts below localhost are this machine. Python loads this file when it starts."""

import socket

look_up = socket.getaddrinfo


def look_up_here(host, *rest, **named):
    is_here = isinstance(host, str) and host.endswith(".localhost")
    return look_up("127.0.0.1" if is_here else host, *rest, **named)


socket.getaddrinfo = look_up_here
