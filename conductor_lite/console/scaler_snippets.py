"""What a scaler is set up with: the address that it asks, for KEDA and for a shell. Text only; no HTML."""

from urllib.parse import quote

import msgspec
from starlette.requests import Request


class ScalerSnippets(msgspec.Struct, frozen=True, kw_only=True):
    """How to ask for the number of executors of one application."""

    #: The address; answers the number alone to who wants plain text.
    url: str
    #: Makes the key, and puts it where KEDA finds it.
    keda_key: str
    #: Manifests.
    keda: str
    shell: str


def scaler_snippets(request: Request, organization_id: str, application_name: str) -> ScalerSnippets:
    """The lines to paste.

    Args:
        request: tells under which address the reader reaches this server.
        organization_id: the reader's.
        application_name: whose executors.
    """
    organization, application = (quote(part, safe="") for part in (organization_id, application_name))
    base = f"{request.url.scheme}://{request.url.netloc}"
    url = f"{base}/v2/orgs/{organization}/apps/{application}/autoscale/versions/latest/desired-executors"
    # Names in Kubernetes have no underscores.
    name = application_name.replace("_", "-").strip("-") or "app"
    return ScalerSnippets(
        url=url,
        keda_key=_KEDA_KEY.format(application=application_name),
        keda=_KEDA.format(name=name, url=url),
        shell=_SHELL.format(url=url),
    )


_KEDA_KEY = """\
conductor-lite key create keda-{application} --app {application} --permission application.read
kubectl create secret generic conductor-lite-keda --from-literal=token=dbos_...\
"""

_KEDA = """\
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: conductor-lite
spec:
  secretTargetRef:
    - parameter: token
      name: conductor-lite-keda
      key: token
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {name}
spec:
  scaleTargetRef:
    name: {name}
  pollingInterval: 30
  minReplicaCount: 0
  maxReplicaCount: 20
  triggers:
    - type: metrics-api
      metadata:
        url: "{url}"
        valueLocation: "desiredExecutors"
        targetValue: "1"
        authMode: "bearer"
      authenticationRef:
        name: conductor-lite\
"""

_SHELL = """\
url={url}
while sleep 30; do
    wanted=$(curl -fsS -H "Authorization: Bearer $CONDUCTOR_KEY" -H "Accept: text/plain" "$url") &&
        docker compose up --detach --no-recreate --scale "worker=$wanted" worker
done\
"""
