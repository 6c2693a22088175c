"""Small questions to the network, asked from inside a namespace (see Net.call)."""
import contextlib
import socket


def can_connect(address, port, timeout=1.0):
    """Whether a TCP connection opens."""
    try:
        with socket.create_connection((address, port), timeout):
            return True
    except OSError:
        return False


def can_connect_from(source, address, port, timeout=1.0):
    try:
        with socket.create_connection((address, port), timeout, (source, 0)):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def listener(net, host, address, port):
    """A listening TCP socket in the host's namespace, so that a refusal is not just a closed port."""
    def listen():
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
        s.listen(8)
        return s
    with net.call(host, listen) as s:
        yield s
