"""What huggingface_hub raises where the hub is not reached."""


def http_error() -> type[Exception]:
    """Return the base of all errors of requests: of httpx, or of httpx2 in newer versions."""
    from huggingface_hub.errors import HfHubHTTPError

    bases: list[type[Exception]] = [
        base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError"
    ]
    return bases[0] if bases else HfHubHTTPError
