"""KEDA's ``metrics-api`` trigger, as far as it calls an address and what Kubernetes makes of the answer.

Facts from KEDA's documentation: a GET with three seconds' time, a bearer token from the
TriggerAuthentication, 200 and nothing else, a number at a GJSON path. Kubernetes divides it by the target for
each replica, and leaves replicas alone that are within a tenth of it.
"""

import math
import re
from typing import Any, NamedTuple

import httpx
import yaml

TIMEOUT_SECS = 3.0
_TOLERANCE = 0.1


class TriggerError(Exception):
    """What KEDA would take for a failure: replicas stay as they are."""


class Trigger(NamedTuple):
    """One trigger of a ScaledObject, and the bounds of its replicas."""

    url: str
    value_location: str
    target_value: float
    activation_value: float
    #: The name under which the TriggerAuthentication has the token; None for no authentication.
    token_parameter: str | None
    min_replicas: int
    max_replicas: int

    def value(self, base_url: str, token: str | None, **headers: str) -> float:
        """Call the address, at another server.

        Args:
            base_url: scheme, host and port to call in the place of those in the address.
            token: what the secret holds.
            headers: that would differ from Go's own.
        """
        url = httpx.URL(self.url)
        sent = {"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip", "Host": url.netloc.decode()}
        if self.token_parameter is not None:
            sent["Authorization"] = f"Bearer {token}"
        target = httpx.URL(base_url).join(url.raw_path.decode())
        with httpx.Client(trust_env=False, timeout=TIMEOUT_SECS) as client:
            # httpx would add headers that Go does not send.
            client.headers.clear()
            try:
                answer = client.get(target, headers={**sent, **headers})
            except httpx.TimeoutException:
                raise TriggerError(f"no answer within {TIMEOUT_SECS:g} s") from None
        if answer.status_code != 200:
            raise TriggerError(f"{answer.status_code}: {answer.text}")
        value = _at(answer.json(), self.value_location)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TriggerError(f"{self.value_location} is not a number: {value!r}")
        return value

    def replicas(self, value: float, current: int) -> int:
        """How many there are to be, some time after."""
        if value <= self.activation_value:
            return self.min_replicas
        if current == 0:
            return max(1, self.min_replicas)
        wanted = current
        if abs(1 - value / (self.target_value * current)) > _TOLERANCE:
            wanted = math.ceil(value / self.target_value)
        return max(1, self.min_replicas, min(wanted, self.max_replicas))


def trigger_of(manifests: str) -> Trigger:
    """The only trigger of a ScaledObject in YAML that stands beside its TriggerAuthentication."""
    by_kind: dict[str, dict[str, Any]] = {item["kind"]: item for item in yaml.safe_load_all(manifests)}
    spec = by_kind["ScaledObject"]["spec"]
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "metrics-api"
    metadata = trigger["metadata"]
    # What a trigger is told is text, numbers too.
    assert all(isinstance(value, str) for value in metadata.values()), metadata
    assert metadata.get("format", "json") == "json"
    return Trigger(
        url=metadata["url"],
        value_location=metadata["valueLocation"],
        target_value=float(metadata["targetValue"]),
        activation_value=float(metadata.get("activationTargetValue", 0)),
        token_parameter=_token_parameter(by_kind, trigger),
        min_replicas=spec.get("minReplicaCount", 0),
        max_replicas=spec.get("maxReplicaCount", 100),
    )


def _token_parameter(by_kind: dict[str, dict[str, Any]], trigger: dict[str, Any]) -> str | None:
    mode = trigger["metadata"].get("authMode")
    if mode is None:
        return None
    assert mode == "bearer"
    authentication = by_kind["TriggerAuthentication"]
    assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
    (reference,) = authentication["spec"]["secretTargetRef"]
    assert reference["parameter"] == "token"
    parameter: str = reference["parameter"]
    return parameter


def _at(value: Any, path: str) -> Any:
    """What stands at a GJSON path of names and numbers; None where nothing does."""
    for part in re.split(r"(?<!\\)\.", path):
        if isinstance(value, dict):
            value = value.get(part.replace("\\.", "."))
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
