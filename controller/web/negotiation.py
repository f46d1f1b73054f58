"""Choice between two media types and two encodings by the headers of a request (RFC 9110, section 12.5). Pure."""

HEALTH_JSON = "application/health+json"


def wants_health_json(accept: str) -> bool:
    """Return True where `Accept` names application/health+json, and nothing that covers plain JSON weighs more.

    Browsers and curl accept everything; they get plain JSON, as the contract has it.
    """
    weights = dict(_weighed(part) for part in accept.split(","))
    wanted = weights.get(HEALTH_JSON, 0.0)
    return wanted > 0 and wanted >= weights.get("application/json", 0.0)


def takes_gzip(accept_encoding: str) -> bool:
    """Return True where `Accept-Encoding` names gzip, and does not rule it out with a weight of 0."""
    return dict(_weighed(part) for part in accept_encoding.split(",")).get("gzip", 0.0) > 0


def _weighed(part: str) -> tuple[str, float]:
    """Return a media range or an encoding and its weight; one that cannot be read weighs nothing."""
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return kind, float(value)
            except ValueError:
                return kind, 0.0
    return kind, 1.0
