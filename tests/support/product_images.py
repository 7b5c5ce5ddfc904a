"""Files that products leave on a disk, for tests of `image check`: path, content, and the kind that it is found as."""

from __future__ import annotations

import gzip
import json

CODE, ID = "q9Zb4kT1mXw2Lr8sVd3e", "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
SECRET = "pLantedSecretKey0123456789abcdefghijklmn"
KEYS = f"[default]\naws_access_key_id = AKIAPLANTED000000000\naws_secret_access_key = {SECRET}\n"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nplanted-private-key\n-----END RSA PRIVATE KEY-----\n"
UNIT = "etc/systemd/system/amazon-ssm-agent.service"
DROP_IN = f"{UNIT}.d/credentials.conf"
IDENTITY = "var/lib/amazon/ssm/runtimeconfig/identity_config.json"
SHARED = "etc/aws/ssm-credentials"
NODE_CONFIG = f"""apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster: {{name: plant, region: eu-west-1}}
  hybrid:
    enableCredentialsFile: true
    ssm:
      activationCode: {CODE}
      activationId: {ID}
"""
ROLES_ANYWHERE = """kind: NodeConfig
spec:
  hybrid:
    iamRolesAnywhere:
      nodeName: node-7
      privateKeyPath: /opt/pki/node.key
"""
EFFECTIVE = """system:
  certificateFilePath: "/greengrass/v2/thingCert.crt"
  privateKeyPath: "/greengrass/v2/privKey.key"
  rootpath: "/greengrass/v2"
  thingName: "gateway-7"
"""
USER_DATA = f"""#!/bin/bash
/tmp/ssm/ssm-setup-cli -register \\
  -activation-code "{CODE}" -activation-id "{ID}" -region eu-west-1
"""


def identity(file: str = f"/{SHARED}", profile: str = "default") -> str:
    """Return a record of the agent's last credentials."""
    return json.dumps({"SchemaVersion": "1.1", "InstanceId": "mi-0123456789abcdef0", "IdentityType": "OnPrem",
                       "ShareFile": file, "ShareProfile": profile})  # fmt: skip


# Product -> its files: path, content, and the kind as which it is found; "" for what machines may share.
PRODUCTS: dict[str, list[tuple[str, str | bytes, str]]] = {
    "agent": [
        (IDENTITY, identity(), "identity-config"),
        (SHARED, KEYS, "shared-credentials"),
        ("etc/amazon/ssm/amazon-ssm-agent.json", '{"Profile": {"ShareProfile": "node"}}', ""),
    ],
    "agent-config": [
        ("etc/amazon/ssm/amazon-ssm-agent.json", '{"profile": {"sharefile": "/srv/agent/keys"}}', ""),
        ("srv/agent/keys", KEYS, "shared-credentials"),
    ],
    "custom-identity": [
        ("etc/amazon/ssm/amazon-ssm-agent.json",
         '{"Identity": {"CustomIdentities": [{"InstanceID": "plant-7", "Region": "eu-west-1"}]}}', "agent-config"),
    ],
    "unit": [
        (UNIT, "[Service]\nExecStart=/usr/bin/amazon-ssm-agent\n", ""),
        (DROP_IN, '[Service]\nEnvironment="A=b c" AWS_SHARED_CREDENTIALS_FILE=/data/node/keys\n', ""),
        ("data/node/keys", KEYS, "aws-keys"),
    ],
    "unit-variable": [(DROP_IN, f"[Service]\nEnvironment=AWS_SECRET_ACCESS_KEY={SECRET}\n", "service-secret")],
    "unit-continued": [
        (DROP_IN, "[Service]\nEnvironment=X=1 \\\n  AWS_CONFIG_FILE=/data/config\n", ""),
        ("data/config", f"[profile a]\naws_secret_access_key={SECRET}\naws_access_key_id=A\n", "aws-keys"),
    ],
    "unit-home": [
        (DROP_IN, "[Service]\nEnvironment=HOME=/data/agent-home\n", ""),
        ("data/agent-home/.aws/credentials", KEYS, "shared-credentials"),
    ],
    "common-drop-in": [
        ("usr/lib/systemd/system/amazon-.service.d/x.conf", "[Service]\nEnvironmentFile=-/data/env/*.env\n", ""),
        ("data/env/ssm.env", f"export SSM_ACTIVATION_CODE='{CODE}'\n", "activation"),
    ],
    "default-environment": [
        ("etc/systemd/system.conf.d/aws.conf",
         "[Manager]\nDefaultEnvironment=AWS_SHARED_CREDENTIALS_FILE=/data/k\n", ""),
        ("data/k", KEYS, "aws-keys"),
    ],
    "token-file": [
        ("etc/default/amazon-ssm-agent", "AWS_WEB_IDENTITY_TOKEN_FILE=/data/token\n", ""),
        ("data/token", "eyJhbGciOi.planted.token", "secret-file"),
    ],
    "systemd-credential": [
        (DROP_IN, "[Service]\nLoadCredential=key:/data/secret\n", ""), ("data/secret", "planted", "secret-file"),
    ],
    "unit-patterns": [
        (DROP_IN, "[Service]\nEnvironmentFile=-%S/agents/*/env.d/*\n", ""),
        ("var/lib/agents/a/env.d/1", f"AWS_SESSION_TOKEN={SECRET}\n", "service-secret"),
        ("var/lib/agents/b/env.d/2", "AWS_SHARED_CREDENTIALS_FILE=/data/k\n", ""), ("data/k", KEYS, "aws-keys"),
        ("etc/credstore/aws", "planted", "secret-file"),
    ],
    "snap": [
        ("etc/systemd/system/snap.amazon-ssm-agent.amazon-ssm-agent.service",
         "[Service]\nEnvironmentFile=-/etc/environment\n", ""),
        ("etc/environment", 'PATH="/usr/bin"\nAWS_SHARED_CREDENTIALS_FILE="/data/snap keys"\n', ""),
        ("data/snap keys", KEYS, "aws-keys"),
        ("root/snap/amazon-ssm-agent/7993/.aws/credentials", KEYS, "aws-keys"),
        ("var/snap/amazon-ssm-agent/common/.aws/config", KEYS, "aws-keys"),
    ],
    "greengrass": [
        ("greengrass/v2/config/effectiveConfig.yaml", EFFECTIVE, "greengrass-config"),
        ("greengrass/v2/config/config.tlog",
         '{"TS":1,"TP":["system","thingName"],"W":"changed","V":"gateway-7"}\n', "greengrass-config"),
        ("greengrass/v2/privKey.key", "KEY", "greengrass-key"),
        ("greengrass/v2/thingCert.crt", "CERTIFICATE", "greengrass-certificate"),
        ("greengrass/v2/claim-certs/claim.private.pem.key", PEM, "greengrass-key"),
        ("greengrass/v2/rootCA.pem", "public", ""),
    ],
    "greengrass-elsewhere": [
        ("etc/systemd/system/greengrass.service",
         "[Service]\nExecStart=/bin/sh /data/gg/alts/current/distro/bin/loader\n", ""),
        ("data/gg/config/effectiveConfig.yaml",
         '{system: {thingName: "gateway-7", privateKeyPath: /data/pki/device.pem}}', "greengrass-config"),
        ("data/pki/device.pem", PEM, "greengrass-key"),
    ],
    "greengrass-golden": [
        ("greengrass/v2/config/effectiveConfig.yaml", EFFECTIVE.replace("gateway-7", ""), ""),
        ("greengrass/v2/rootCA.pem", "public", ""),
    ],
    "greengrass-lite": [
        ("etc/greengrass/config.d/gg.yaml", 'system:\n  thingName: "gateway-7"\n', "greengrass-config"),
        ("var/lib/greengrass/config.db", b"SQLite format 3\0gateway-7", "greengrass-config"),
        ("var/lib/greengrass/credentials/private.pem", PEM, "greengrass-key"),
        ("var/lib/greengrass/credentials/certificate.pem", "CERTIFICATE", "greengrass-certificate"),
    ],
    "greengrass-1": [
        ("greengrass/config/config.json",
         '{"coreThing": {"thingArn": "arn:aws:iot:x", "keyPath": "c.private.key"}}', "greengrass-config"),
        ("greengrass/certs/c.private.key", PEM, "greengrass-key"),
        ("greengrass/certs/root.ca.pem", "public", ""),
    ],
    "eks-hybrid": [
        ("root/nodeConfig.yaml", NODE_CONFIG, "activation"),
        ("etc/eks/nodeConfig.yaml", "apiVersion: node.eks.aws/v1alpha1\nspec: {}\n", ""),
        ("root/.aws/credentials", KEYS, "shared-credentials"),
        ("eks-hybrid/.aws/credentials", KEYS, "aws-keys"),
        ("var/lib/kubelet/pki/kubelet-server-current.pem", PEM, "kubelet-key"),
        ("var/lib/kubelet/kubeconfig", "users:\n- user:\n    exec:\n      command: aws-iam-authenticator\n", ""),
        ("etc/kubernetes/bootstrap-kubelet.conf", "users:\n- user:\n    token: abcdef.0123\n", "kubelet-key"),
        ("etc/kubernetes/pki/ca.crt", "public", ""),
    ],
    "eks-roles-anywhere": [
        ("etc/eks/nodeConfig.yaml", ROLES_ANYWHERE, ""), ("opt/pki/node.key", PEM, "secret-file"),
        ("etc/aws/hybrid/config", "[default]\ncredential_process = x --private-key /data/pki/other.key\n", ""),
        ("data/pki/other.key", PEM, "secret-file"),
        ("etc/iam/pki/server.key", PEM, "secret-file"), ("etc/iam/pki/server.pem", "CERTIFICATE", "secret-file"),
    ],
    "bottlerocket": [
        ("var/eks-hybrid/.aws/credentials", KEYS, "aws-keys"),
        ("root/.aws/eks-hybrid/credentials", KEYS, "shared-credentials"),
    ],
    "ecs-anywhere": [
        ("var/lib/ecs/data/agent.db", b"\0\0planted", "ecs-state"), ("etc/ecs/ecs.config", "ECS_CLUSTER=plant\n", ""),
        ("tmp/ecs-anywhere-install.sh", f'bash x --activation-id "{ID}" --activation-code {CODE}\n', "activation"),
    ],
    "ecs-secrets": [
        ("var/lib/ecs/data/ecs_agent_data.json", '{"Data": {}}', "ecs-state"),
        ("etc/ecs/ecs.config", f"ECS_CLUSTER=plant\nAWS_SECRET_ACCESS_KEY={SECRET}\n", "service-secret"),
        ("var/lib/ecs/ecs.config", 'ECS_ENGINE_AUTH_DATA={"r": {"password": "planted"}}\n', "service-secret"),
    ],
    "homes": [
        ("home/app/.aws/credentials", KEYS, "aws-keys"), ("root/.aws/config", KEYS, "aws-keys"),
        ("home/app/.aws/credentials.bak", KEYS, "aws-keys"),
        ("home/app/.aws/sso/cache/0123.json", '{"accessToken": "planted"}', "aws-tokens"),
        ("home/app/.aws/cli/cache/4567.json", '{"Credentials": {}}', "aws-tokens"),
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\nci:x:1001:1001::/data/ci:/bin/sh\nbin:x:2:2::/bin:/x\n", ""),
        ("data/ci/.aws/config", KEYS, "aws-keys"), ("data/ci/setup.sh", USER_DATA, "activation"),
        ("home/app/.aws/cli/alias", "[toplevel]\nwhoami = sts get-caller-identity\n", ""),
    ],
    "histories": [
        ("root/.bash_history", f"ls\namazon-ssm-agent -register -code {CODE} -id {ID} -region eu-west-1\n",
         "activation"),
        ("home/app/.zsh_history", f": 1:0;aws configure set aws_secret_access_key {SECRET}\n", "aws-keys"),
        ("home/app/.local/share/fish/fish_history", f"- cmd: export AWS_SECRET_ACCESS_KEY={SECRET}\n", "aws-keys"),
        ("root/.s3cfg", f"access_key = A\nsecret_key = {SECRET}\n", "aws-keys"),
        ("home/app/.passwd-s3fs", f"AKIAPLANTED000000000:{SECRET}\n", "aws-keys"),
        ("home/app/.config/rclone/rclone.conf", f"[s3]\nsecret_access_key = {SECRET}\n", "aws-keys"),
        ("root/.profile", "export AWS_REGION=eu-west-1\n", ""),
    ],
    "cloud-init": [
        ("var/lib/cloud/instances/i-0123456789abcdef0/user-data.txt", USER_DATA, "activation"),
        ("var/lib/cloud/instances/i-0123456789abcdef0/user-data.txt.i", gzip.compress(USER_DATA.encode()),
         "activation"),
        ("var/lib/cloud/data/instance-id", "i-0123456789abcdef0\n", "cloud-init"),
        ("var/lib/cloud/seed/nocloud/meta-data", "instance-id: golden\n", "cloud-init-seed"),
        ("boot/firmware/user-data", NODE_CONFIG, "activation"),
        ("var/log/cloud-init-output.log", f"+ ssm-setup-cli -register -activation-code={CODE}\n", "activation"),
        ("var/log/installer/autoinstall-user-data", f"ssm:\n  activation_code: {CODE}\n", "activation"),
        ("etc/cloud/cloud.cfg", "datasource_list: [NoCloud]\n", ""),
    ],
    "scripts": [
        ("opt/setup/install.ps1", f'.\\ssm-setup-cli.exe -register `\r\n -activation-code="{CODE}"\r\n', "activation"),
        ("usr/local/bin/register", f"ACTIVATION_CODE='{CODE}'\n", "activation"),
        ("root/variables.tfvars", f'activation_code = "{CODE}"\n', "activation"),
        ("srv/activation.json", json.dumps({"ActivationId": ID, "ActivationCode": CODE}), "activation"),
        ("var/tmp/utf16.ps1", f"$ActivationCode = '{CODE}'".encode("utf-16"), "activation"),
        ("root/template.sh", 'ssm-setup-cli -register -activation-code "$CODE" -activation-id <id>\n', ""),
        ("opt/tool/client.py", "def register(activation_code: str, activation_id=activation_id): ...\n", ""),
        ("opt/tool/main.tf", "activation_code = var.activation_code\nsecret_access_key = local.secret\n", ""),
    ],
    "system": [
        ("var/lib/dhcp/dhclient.eth0.leases", "lease {}\n", "dhcp-state"), ("var/lib/dhcp/dhclient.leases", "", ""),
        ("var/lib/NetworkManager/secret_key", "planted", "network-secret"),
        ("var/lib/dhcpcd/duid", "00:01", "dhcp-state"), ("etc/dhcpcd.duid", "00:01", "dhcp-state"),
        ("var/lib/systemd/credential.secret", "planted", "credential-secret"),
        ("boot/efi/loader/random-seed", "planted", "random-seed"),
        ("etc/dropbear/dropbear_ed25519_host_key", "planted", "ssh-host-key"),
        ("boot/cmdline.txt", "root=/dev/mmcblk0p2 systemd.machine_id=c0ffee999999999999999999999999\n",
         "kernel-machine-id"),
        ("etc/kernel/cmdline", "ro systemd.machine_id=firmware quiet\n", ""),
    ],
}  # fmt: skip
