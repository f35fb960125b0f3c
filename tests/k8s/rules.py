"""Every rule that manifests are held to: a function from objects to complaints."""

import access_rules
import object_rules
import pod_rules
import schema_rules

RULES = [
    schema_rules.schema_valid,
    schema_rules.inference_services_valid,
    schema_rules.monitors_resolve,
    schema_rules.alerts_valid,
    schema_rules.dashboards_valid,
    object_rules.names_valid,
    object_rules.labels_valid,
    object_rules.selectors_match,
    object_rules.references_exist,
    pod_rules.restricted,
    pod_rules.read_only_root,
    pod_rules.requests_fit_limits,
    pod_rules.images_pinned,
    pod_rules.servers_probed,
    pod_rules.mounts_exist,
    pod_rules.bounded_jobs,
    access_rules.roles_are_narrow,
    access_rules.bindings_resolve,
    access_rules.no_secrets,
    access_rules.servers_have_no_token,
    access_rules.quota_spares_kubeflow,
    access_rules.one_namespace,
]
