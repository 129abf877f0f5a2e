"""The manifests of deploy/kubernetes are valid, fit together, and fit the service."""

import ipaddress
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from flask import Flask

from app import __version__, create_app, wired_of
from app.config import load
from app.config.section import is_secret
from app.config.settings import definitions
from app.config.sources import file_name
from tests.servers.fixtures import require
from tests.servers.process import own_folder

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
KUSTOMIZE = ROOT / ".tools/kustomize/kustomize"
NOT_PUBLISHED = ("/metrics", "/dev/mail")
"""What is for the inside of the cluster, or for development."""
VERSIONS = ("1.30", "1.37")
"""The oldest version of Kubernetes that is said to do, and the newest whose schemas are at hand."""
VARIANTS: dict[str, list[str]] = {
    "base": ["base"],
    "production": ["overlays/production"],
    "sql": ["overlays/production", "components/sql"],
    "rotation": ["overlays/production", "components/rotation"],
    "monitoring": ["overlays/production", "components/monitoring"],
    "sql and rotation": ["overlays/production", "components/sql", "components/rotation"],
}
"""What can be built: a base or an overlay, with the components that are added to it."""
PLAIN = {name: field for fields in definitions().values() for name, field in fields.items() if not is_secret(field)}
SECRET = {name: field for fields in definitions().values() for name, field in fields.items() if is_secret(field)}

schema_contents = cache(kubernetes_validate.utils.schema_contents)
"""What the library reads again for each manifest, though its definitions are megabytes."""

every_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(autouse=True)
def _kustomize() -> None:
    require(None if KUSTOMIZE.exists() else "kustomize is missing: make tools")


@pytest.fixture
def manifests(variant: str) -> list[dict[str, Any]]:
    return built(variant)


@pytest.fixture
def production() -> list[dict[str, Any]]:
    return built("production")


@pytest.fixture(scope="module")
def served() -> Iterator[Flask]:
    """The application with all that it serves."""
    application = create_app(load({"FLASK_ENV": "testing", "SECRET_KEY": secrets.token_urlsafe(48)}, None))
    yield application
    wired_of(application).close()


@cache
def built(variant: str) -> list[dict[str, Any]]:
    """The manifests that kustomize makes of a variant; nobody changes them."""
    start, *components = VARIANTS[variant]
    with own_folder() as folder:
        copy = folder / "kubernetes"
        shutil.copytree(FOLDER, copy)
        if components:
            kustomization = copy / start / "kustomization.yaml"
            content = yaml.safe_load(kustomization.read_text())
            kustomization.write_text(yaml.safe_dump(content | {"components": [f"../../{name}" for name in components]}))
        done = subprocess.run([KUSTOMIZE, "build", copy / start], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def only(manifests: list[dict[str, Any]], kind: str, name: str | None = None) -> dict[str, Any]:
    """The one manifest of this kind, or of this kind and name."""
    (found,) = (
        manifest for manifest in manifests if manifest["kind"] == kind and name in (None, manifest["metadata"]["name"])
    )
    return found


def pod(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = only(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


def container(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = pod(manifests)["containers"]
    return dict(found)


def environment(manifests: list[dict[str, Any]]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container(manifests)["env"]}


@every_variant
@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(
    manifests: list[dict[str, Any]], version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", schema_contents)
    assert len(manifests) >= 9
    for manifest in manifests:
        if manifest["kind"] != "PodMonitor":  # of the Prometheus Operator: no part of Kubernetes
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schemas_refuse_what_is_wrong(production: list[dict[str, Any]]) -> None:
    deployment = deepcopy(only(production, "Deployment"))
    deployment["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


@every_variant
def test_everything_is_in_the_namespace(manifests: list[dict[str, Any]]) -> None:
    namespace = only(manifests, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for manifest in manifests:
        assert manifest is namespace or manifest["metadata"]["namespace"] == namespace["metadata"]["name"]


@every_variant
def test_every_selector_finds_the_pods(manifests: list[dict[str, Any]]) -> None:
    deployment = only(manifests, "Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    selectors = [
        deployment["selector"]["matchLabels"],
        only(manifests, "Service")["spec"]["selector"],
        only(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        only(manifests, "NetworkPolicy", "latchkey")["spec"]["podSelector"]["matchLabels"],
        *(spread["labelSelector"]["matchLabels"] for spread in pod(manifests)["topologySpreadConstraints"]),
    ]
    assert len(selectors) == 6
    assert all(selector and selector.items() <= labels.items() for selector in selectors)


@every_variant
def test_every_port_and_target_exists(manifests: list[dict[str, Any]]) -> None:
    ports = {port["name"]: port["containerPort"] for port in container(manifests)["ports"]}
    assert ports == {"http": load({"FLASK_ENV": "testing"}, None).server.port}
    service = only(manifests, "Service")
    (served,) = service["spec"]["ports"]
    assert served["targetPort"] in ports
    for _, path in paths(manifests):
        assert path["backend"]["service"] == {"name": service["metadata"]["name"], "port": {"name": served["name"]}}
    scaled = only(manifests, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    deployment = only(manifests, "Deployment")
    assert scaled == {key: deployment[key] for key in ("apiVersion", "kind")} | {"name": deployment["metadata"]["name"]}
    for rule in only(manifests, "NetworkPolicy", "latchkey")["spec"]["ingress"]:
        assert [port["port"] for port in rule["ports"]] == ["http"]


@every_variant
def test_prometheus_finds_the_pods_in_one_way(manifests: list[dict[str, Any]], variant: str) -> None:
    template = only(manifests, "Deployment")["spec"]["template"]["metadata"]
    (port,) = container(manifests)["ports"]
    if variant != "monitoring":
        assert template["annotations"] == {
            "prometheus.io/scrape": "true", "prometheus.io/port": str(port["containerPort"]),
            "prometheus.io/path": "/metrics",
        }  # fmt: skip
        return
    assert not template.get("annotations")
    monitor = only(manifests, "PodMonitor")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["spec"]["selector"]["matchLabels"].items() <= template["labels"].items()
    assert template["labels"][monitor["spec"]["jobLabel"]] == "latchkey"  # the job that the rules go by
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")


def test_the_probes_ask_what_is_there_under_any_host(production: list[dict[str, Any]], served: Flask) -> None:
    probes = {kind: container(production)[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: probe["httpGet"]["path"] for kind, probe in probes.items()} == {
        "startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready",
    }  # fmt: skip
    rules = {str(rule) for rule in served.url_map.iter_rules()}
    assert all(probe["httpGet"]["path"] in rules and probe["httpGet"]["port"] == "http" for probe in probes.values())
    # A store that does not answer is reported within 2 seconds (HealthService); a start waits for it for 30.
    assert probes["readiness"]["timeoutSeconds"] > 2
    assert probes["startup"]["periodSeconds"] * probes["startup"]["failureThreshold"] > 60


def test_a_pod_has_time_to_finish_what_it_began(production: list[dict[str, Any]]) -> None:
    (graceful,) = re.findall(r"^graceful_timeout = (\d+)", (ROOT / "gunicorn.conf.py").read_text(), re.MULTILINE)
    before = container(production)["lifecycle"]["preStop"]["sleep"]["seconds"]
    # An instance that went is not ready; the controller hears of it in that time.
    assert before >= container(production)["readinessProbe"]["periodSeconds"]
    assert pod(production)["terminationGracePeriodSeconds"] > before + int(graceful)


def test_a_rolling_update_takes_no_instance_away_first(production: list[dict[str, Any]]) -> None:
    spec = only(production, "Deployment")["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert "replicas" not in spec  # it would undo what the autoscaler did
    least = only(production, "HorizontalPodAutoscaler")["spec"]["minReplicas"]
    assert only(production, "PodDisruptionBudget")["spec"]["maxUnavailable"] < least


@every_variant
def test_a_container_has_no_more_rights_than_it_needs(manifests: list[dict[str, Any]]) -> None:
    spec = pod(manifests)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (user,) = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    context = spec["securityContext"]
    assert (str(context["runAsUser"]), str(context["runAsGroup"])) == user
    assert container(manifests)["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert spec["automountServiceAccountToken"] is False
    account = only(manifests, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == account["metadata"]["name"]


def test_a_container_is_limited_and_hashes_on_no_more_cores_than_it_has(production: list[dict[str, Any]]) -> None:
    resources = container(production)["resources"]
    assert {"cpu", "memory"} <= resources["limits"].keys()
    assert {"cpu", "memory"} <= resources["requests"].keys()
    given = environment(production)
    assert int(given["WEB_CONCURRENCY"]) * int(given["HASH_THREADS"]) <= int(resources["limits"]["cpu"])


@every_variant
def test_secrets_are_files_of_a_secret_that_is_not_written_down(manifests: list[dict[str, Any]]) -> None:
    assert not any(manifest["kind"] == "Secret" for manifest in manifests)
    volumes = {volume["name"]: volume for volume in pod(manifests)["volumes"]}
    folders = {
        mount["mountPath"]: mount
        for mount in container(manifests)["volumeMounts"]
        if "secret" in volumes[mount["name"]]
    }
    ((folder, mount),) = folders.items()
    assert mount["readOnly"] is True
    assert volumes[mount["name"]]["secret"]["defaultMode"] == 0o440
    given = environment(manifests)
    files = {name: value for name, value in given.items() if name.endswith("_FILE")}
    twins = {file_name(name): name for name in SECRET}
    assert {name: f"{folder}/{twins[name].lower()}" for name in files} == files
    assert not given.keys() & SECRET.keys()
    assert {"SECRET_KEY_FILE", "SMTP_URL_FILE"} <= files.keys()
    assert len({"MONGO_URI_FILE", "DATABASE_URL_FILE"} & files.keys()) == 1


@pytest.mark.parametrize("variant", ["sql and rotation"])
def test_the_components_change_the_store_and_add_the_other_secrets(manifests: list[dict[str, Any]]) -> None:
    assert {"DATABASE_URL_FILE", "SECRET_KEY_FALLBACKS_FILE"} <= environment(manifests).keys()


def test_the_settings_of_production_are_plain_ones_that_the_service_takes(production: list[dict[str, Any]]) -> None:
    settings = only(production, "ConfigMap")
    assert settings["data"].keys() <= PLAIN.keys()
    assert container(production)["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    assert re.fullmatch(r"latchkey-\w{10}", settings["metadata"]["name"])  # a change starts new instances
    given = {name: value for name, value in environment(production).items() if name in PLAIN} | settings["data"]
    taken = load(given | {"SECRET_KEY": secrets.token_urlsafe(48), "DATABASE_URL": "postgresql://a/b"}, None)
    assert taken.profile == "production"
    assert taken.server.public_url.startswith("https://")
    (host,) = {host for host, _ in paths(production)}
    assert taken.server.allowed_hosts == (host,)


def test_what_is_served_is_published_by_its_path_and_the_rest_is_not(
    production: list[dict[str, Any]], served: Flask
) -> None:
    for rule in served.url_map.iter_rules():
        assert published(production, str(rule)) is not str(rule).startswith(NOT_PUBLISHED), str(rule)
    assert not published(production, "/metrics")


def test_the_ingress_speaks_tls(production: list[dict[str, Any]]) -> None:
    (tls,) = only(production, "Ingress")["spec"]["tls"]
    assert tls["hosts"] == sorted({host for host, _ in paths(production)})
    assert tls["secretName"]


@every_variant
def test_nothing_goes_in_or_out_that_is_not_named(manifests: list[dict[str, Any]]) -> None:
    both = ["Ingress", "Egress"]
    assert only(manifests, "NetworkPolicy", "default-deny")["spec"] == {"podSelector": {}, "policyTypes": both}
    named = only(manifests, "NetworkPolicy", "latchkey")["spec"]
    assert named["policyTypes"] == both
    assert [
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in named["ingress"]
        for peer in rule["from"]
    ] == ["traefik", "monitoring"]
    assert only(manifests, "Ingress")["spec"]["ingressClassName"] == "traefik"
    names = named["egress"][0]
    assert {port["port"] for port in names["ports"]} == {53}
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in names["to"]  # NodeLocal DNSCache
    assert all(rule["ports"] for rule in (*named["ingress"], *named["egress"]))


def test_in_production_every_way_out_leads_to_a_place_that_is_named(production: list[dict[str, Any]]) -> None:
    for rule in only(production, "NetworkPolicy", "latchkey")["spec"]["egress"]:
        for peer in rule["to"]:
            network = peer.get("ipBlock", {}).get("cidr", "10.0.0.0/32")
            assert ipaddress.ip_network(network).prefixlen >= 8


def test_the_image_is_of_this_version(production: list[dict[str, Any]]) -> None:
    assert container(production)["image"] == f"registry.example.com/latchkey:{__version__}"
    assert container(built("base"))["image"] == f"latchkey:{__version__}"


def paths(manifests: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Each host and path of the Ingress."""
    rules = only(manifests, "Ingress")["spec"]["rules"]
    return [(rule["host"], path) for rule in rules for path in rule["http"]["paths"]]


def published(manifests: list[dict[str, Any]], path: str) -> bool:
    """Whether the Ingress leads there, as Kubernetes matches paths: exactly, or by whole segments."""
    return any(
        path == rule["path"] or (rule["pathType"] == "Prefix" and path.startswith(f"{rule['path'].rstrip('/')}/"))
        for _, rule in paths(manifests)
    )
