"""A GET request to a daemon's own pages."""
import http.client


def http_get(address, port, path, timeout=60.0):
    """(status, text) of a GET request; (0, "") when nobody answers."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()
