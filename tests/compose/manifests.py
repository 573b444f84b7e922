"""What no schema of Kubernetes sees: names in manifests that lead nowhere. manifests.py FILE..."""

import sys

import yaml

# Made by hand, from compose/kube/secrets.sh or by the administrator.
GIVEN = {("Secret", "pulp-secrets"), ("Secret", "pulp-s3")}


def template(thing):
    """The pod that an object makes, and its labels."""
    if thing["kind"] == "Pod":
        return thing["spec"], thing["metadata"].get("labels", {})
    inner = thing.get("spec", {}).get("template", {})
    return (inner["spec"], inner["metadata"].get("labels", {})) if "spec" in inner else (None, {})


def problems(things):
    there = {(thing["kind"], thing["metadata"]["name"]) for thing in things} | GIVEN
    pods = [template(thing) for thing in things]
    pods = [(pod, labels) for pod, labels in pods if pod]
    for thing in things:
        who = f"{thing['kind']}/{thing['metadata']['name']}"
        pod, labels = template(thing)
        if pod:
            yield from of_pod(who, thing, pod, labels, there)
        elif thing["kind"] in ("Service", "PodDisruptionBudget"):
            selector = thing["spec"]["selector"]
            selector = selector.get("matchLabels", selector)
            meant = [pod for pod, labels in pods if selector.items() <= labels.items()]
            if not meant:
                yield f"{who} selects no pod: {selector}"
            ports = {port["name"] for pod in meant for it in pod["containers"] for port in it.get("ports", []) if "name" in port}
            for port in thing["spec"].get("ports", []):
                if port["targetPort"] not in ports:
                    yield f"{who}: no container has the port {port['targetPort']}"
        elif thing["kind"] == "HorizontalPodAutoscaler":
            target = thing["spec"]["scaleTargetRef"]
            if (target["kind"], target["name"]) not in there:
                yield f"{who} scales nothing: {target}"


def of_pod(who, thing, pod, labels, there):
    if "selector" in thing.get("spec", {}) and not thing["spec"]["selector"]["matchLabels"].items() <= labels.items():
        yield f"{who} does not select its own pods"
    claims = {claim["metadata"]["name"] for claim in thing.get("spec", {}).get("volumeClaimTemplates", [])}
    volumes = {volume["name"] for volume in pod.get("volumes", [])} | claims
    for volume in pod.get("volumes", []):
        for key, kind, name in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName"),
                                ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName")):
            # podman makes the volumes of its pod by itself.
            ours = key in volume and (thing["kind"], key) != ("Pod", "persistentVolumeClaim")
            if ours and (kind, volume[key][name]) not in there:
                yield f"{who}: there is no {kind} {volume[key][name]}"
    for container in pod.get("initContainers", []) + pod["containers"]:
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"{who}: there is no volume {mount['name']}"
        for source in container.get("envFrom", []):
            if ("ConfigMap", source["configMapRef"]["name"]) not in there:
                yield f"{who}: there is no ConfigMap {source['configMapRef']['name']}"
        # podman's pod is no cluster's.
        if thing["kind"] != "Pod":
            yield from restricted(who, pod, container)


def restricted(who, pod, container):
    """The Pod Security Standard of that name, as far as these manifests touch it."""
    context = container.get("securityContext", {})
    if not (pod["securityContext"].get("runAsNonRoot") and pod["securityContext"].get("seccompProfile", {}).get("type") == "RuntimeDefault"
            and context.get("allowPrivilegeEscalation") is False and context.get("capabilities", {}).get("drop") == ["ALL"]
            and context.get("readOnlyRootFilesystem")):
        yield f"{who}: {container['name']} is not restricted"


found = []
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        found += [f"{path}: {problem}" for problem in problems([thing for thing in yaml.safe_load_all(file) if thing])]
sys.exit("\n".join(found) or 0)
