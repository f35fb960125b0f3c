"""The Kubernetes API: from a pod's service account, or from a kubeconfig."""

from __future__ import annotations

from typing import Any

from bertworks.errors import EnvironmentFault

SECONDS = (10, 30)
CERTIFICATE = (
    "Outside the cluster certificate-authority-data of the kubeconfig must be the authority that signed "
    "it; in a pod it is /var/run/secrets/kubernetes.io/serviceaccount/ca.crt, from the ConfigMap "
    "kube-root-ca.crt of the namespace: kubectl get configmap kube-root-ca.crt -o yaml."
)


def api_client() -> Any:
    """A `kubernetes.client.ApiClient`.

    Raises:
        EnvironmentFault: There is neither a kubeconfig nor a pod's service account, or it is broken.
    """
    from kubernetes import client, config

    given = client.Configuration()
    given.retries = 1
    try:
        config.load_incluster_config(client_configuration=given)
        return _client(given)
    except config.ConfigException:
        pass
    try:
        config.load_kube_config(client_configuration=given)
    except config.ConfigException as error:
        raise EnvironmentFault(
            f"No cluster is configured: {str(error).rstrip('.')}.",
            "Set KUBECONFIG to a kubeconfig, and choose the cluster with "
            "`kubectl config use-context NAME`.",
        ) from None
    except Exception as error:  # a kubeconfig can break in many ways: YAML, files, plug-ins
        raise EnvironmentFault(
            f"The kubeconfig cannot be used: {type(error).__name__}: {error}",
            "`kubectl get pods` must work first.",
        ) from None
    return _client(given)


def _client(given: Any) -> Any:
    from kubernetes import client

    from bertworks.tls import forgiving

    made = client.ApiClient(given)
    forgiving(made.rest_client, "the Kubernetes API")
    return made


def why(error: Exception) -> EnvironmentFault:
    """A failed call to the Kubernetes API in words: `raise why(error) from None`."""
    from kubernetes.client import ApiException

    if isinstance(error, EnvironmentFault):
        return error
    if isinstance(error, ApiException) and error.status:
        import json

        try:
            said = json.loads(error.body or "{}").get("message", "")
        except (ValueError, AttributeError):
            said = ""
        fix = {
            401: "Log in again: `kubectl get pods` must work first.",
            403: "Ask for the right; `bertworks doctor` lists what is needed.",
            404: "Check the namespace and the name.",
        }.get(error.status, "Try again; `kubectl get pods` must work first.")
        return EnvironmentFault(
            f"The Kubernetes API answered {error.status}: {said or error.reason}", fix
        )
    text = str(getattr(error, "reason", None) or error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return EnvironmentFault(
            f"The certificate of the Kubernetes API is not trusted: {' '.join(text.split())}",
            CERTIFICATE,
        )
    return EnvironmentFault(
        f"The Kubernetes API cannot be reached: {type(error).__name__}: {' '.join(text.split())}",
        "`kubectl get pods` must work first: check the cluster, the VPN and KUBECONFIG.",
    )
