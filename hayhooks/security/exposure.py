"""What is said at the start of a server that other machines can reach."""

from __future__ import annotations

from hayhooks.logger import log
from hayhooks.security.key_ring import KeyRing
from hayhooks.security.locality import HOW_TO_OPEN, is_loopback
from hayhooks.settings import Settings


def warn_of_exposure(settings: Settings, keys: KeyRing, *, host: str) -> None:
    """Log what anybody may do on an address that is not loopback, if no key is asked for."""
    if is_loopback(host):
        return
    if keys.is_in_use:
        if not keys.may_deploy and settings.deploy != "off":
            log.warning("No key may deploy: nobody can deploy over HTTP. {}", HOW_TO_OPEN)
    elif settings.deploy == "on":
        log.warning("Whoever reaches {} can run pipelines and deploy code: no keys are set up", host)
    elif settings.deploy == "off":
        log.warning("Whoever reaches {} can run pipelines: no keys are set up", host)
    else:
        log.warning("Whoever reaches {} can run pipelines, and nobody can deploy: no keys. {}", host, HOW_TO_OPEN)
