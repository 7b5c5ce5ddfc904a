"""`fingerprint image check` on disks with the files of each product, and where configuration points."""

from __future__ import annotations

import json
import os
import shutil
from importlib import resources
from pathlib import Path

import pytest

from fingerprint.image import leftovers
from fingerprint.image.kinds import KINDS
from images import Image, needs_linux, needs_root, no_windows, tree, unprivileged
from product_images import (
    CODE,
    DROP_IN,
    ID,
    IDENTITY,
    KEYS,
    PEM,
    PRODUCTS,
    ROLES_ANYWHERE,
    SECRET,
    SHARED,
    UNIT,
    USER_DATA,
    identity,
)

pytestmark = [no_windows, needs_linux]


def fill(image: Image, product: str) -> dict[str, str]:
    """Write the files of a product, and return the kind of each that must be found."""
    for path, content, _ in PRODUCTS[product]:
        image.put(path, content)
    return {str(image.root / path): kind for path, _, kind in PRODUCTS[product] if kind}


def found(image: Image) -> dict[str, str]:
    return {item.path: item.kind for item in leftovers(str(image.root), environ=image.env).items}


@pytest.mark.parametrize("product", PRODUCTS)
def test_files_of_each_product_are_found(image: Image, product: str) -> None:
    expected = fill(image, product)
    listed = found(image)
    # The directory of an instance is found with the files in it.
    instances = {path for path in listed if os.path.isdir(path)}
    assert {path: kind for path, kind in listed.items() if path not in instances} == expected
    assert leftovers(str(image.root), environ=image.env).is_clean == (not expected)


@pytest.mark.parametrize("product", PRODUCTS)
def test_files_of_products_print_neither_values_nor_change(image: Image, product: str) -> None:
    fill(image, product)
    before = tree(image.root)
    printed = str(image.json("check", "--reveal"))
    assert not [value for value in (CODE, SECRET, ID, "planted-private") if value in printed]
    assert tree(image.root) == before


@pytest.mark.parametrize("product", [name for name in PRODUCTS if any(kind for *_, kind in PRODUCTS[name])])
def test_each_finding_says_why_it_matters_and_what_to_do(image: Image, product: str) -> None:
    fill(image, product)
    done = image("check")
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    for item in leftovers(str(image.root), environ=image.env).items:
        assert item.why in ("identity", "secret", "identity and secret")
        assert f"({item.why})" in text
        assert item.remedy
        assert item.action == "keep"


def test_the_schemas_know_each_kind() -> None:
    for name in ("image-check", "image-clean"):
        schema = json.loads((resources.files("fingerprint") / "schemas" / f"{name}.json").read_text())
        item = schema["properties"]["items"]["items"]["properties"]
        assert set(item["kind"]["enum"]) == set(KINDS)
        assert set(item["why"]["enum"]) == {kind.why for kind in KINDS.values()}


@needs_root
@pytest.mark.parametrize("product", [name for name in PRODUCTS if any(kind for *_, kind in PRODUCTS[name])])
def test_unreadable_files_of_a_product_are_not_clean(open_image: Image, product: str) -> None:
    for path in fill(open_image, product):
        os.chmod(path, 0)
    done = unprivileged(open_image, "check")
    assert done.returncode in (1, 3)
    assert not done.stdout.startswith("CLEAN")


@needs_root
@pytest.mark.parametrize("directory", ["root/.aws", "home/app", "var/lib/cloud", "var/lib/ecs/data", "etc/systemd",
                                       "greengrass/v2", "var/lib/dhcp", "etc/cloud"])  # fmt: skip
def test_an_unreadable_directory_is_never_clean(open_image: Image, directory: str) -> None:
    (open_image.root / directory).mkdir(parents=True)
    assert unprivileged(open_image, "check").returncode == 0
    (open_image.root / directory).chmod(0)
    done = unprivileged(open_image, "check")
    assert done.returncode == 3
    assert directory in done.stdout


POINTERS = [
    (IDENTITY, identity("/data/creds")), ("etc/amazon/ssm/amazon-ssm-agent.json", '{"ShareFile": "/data/creds"}'),
    (DROP_IN, "[Service]\nEnvironment=AWS_SHARED_CREDENTIALS_FILE=/data/creds\n"),
    ("etc/sysconfig/amazon-ssm-agent", "AWS_CONFIG_FILE=/data/creds\n"),
    (UNIT, "[Service]\nEnvironmentFile=/data/env\n"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "content"), POINTERS, ids=[source for source, _ in POINTERS])
class TestAFileThatConfigurationNames:
    def put(self, image: Image, source: str, content: str) -> None:
        image.put(source, content)
        image.put("data/env", "AWS_SHARED_CREDENTIALS_FILE=/data/creds\n")

    def test_is_found_where_it_is_on_the_disk(self, image: Image, source: str, content: str) -> None:
        self.put(image, source, content)
        target = image.put("data/creds", KEYS)
        assert str(target) in found(image)

    @pytest.mark.parametrize("link", ["/elsewhere/creds", "../elsewhere/creds"])
    def test_is_found_through_a_link(self, image: Image, source: str, content: str, link: str) -> None:
        self.put(image, source, content)
        target = image.put("elsewhere/creds", KEYS)
        (image.root / "data/creds").symlink_to(link)
        assert str(target) in found(image)

    def test_is_unknown_where_a_link_leads_out(self, image: Image, source: str, content: str) -> None:
        self.put(image, source, content)
        outside = image.directory / "outside"
        outside.write_text(KEYS)
        (image.root / "data/creds").symlink_to(outside)
        answer = image.json("check")
        assert "leads nowhere" in str(answer["unreadable"])
        assert not answer["clean"]
        assert str(outside) not in str(answer["items"])

    def test_is_unknown_if_it_is_no_file(self, image: Image, source: str, content: str) -> None:
        self.put(image, source, content)
        (image.root / "data/creds").mkdir(parents=True)
        assert [entry["path"] for entry in image.json("check")["unreadable"]] == image.below("data/creds")

    def test_may_be_missing_or_empty(self, image: Image, source: str, content: str) -> None:
        self.put(image, source, content)
        assert image.json("check")["unreadable"] == []
        image.put("data/creds", "")
        assert image("check").returncode == (1 if source == IDENTITY else 0)
        assert image("clean", "--yes").returncode == 0


@pytest.mark.parametrize("name", ["creds", "./creds", "~/.aws/credentials", "$HOME/creds"])
@pytest.mark.parametrize("source", [IDENTITY, "etc/amazon/ssm/amazon-ssm-agent.json"])
def test_a_share_file_without_an_absolute_path_is_unknown(image: Image, source: str, name: str) -> None:
    image.put(source, identity(name))
    answer = image.json("check")
    assert "no absolute path" in str(answer["unreadable"])
    image("clean", "--yes")
    assert (image.root / source).exists()


@pytest.mark.parametrize("cut", [10, -1, -30, -60])
def test_a_damaged_record_of_credentials_is_kept_or_read(image: Image, cut: int) -> None:
    image.put(IDENTITY, identity()[:cut])
    target = image.put(SHARED, KEYS)
    image("clean", "--yes")
    # Kept while it names anything; what was cut off before that name leads nowhere.
    assert (image.root / IDENTITY).exists() == ("ShareFile" in identity()[:cut])
    if f'/{SHARED}"' in identity()[:cut]:
        assert str(target) in found(image)


def test_damaged_configuration_of_the_agent_is_unknown(image: Image) -> None:
    image.put("etc/amazon/ssm/amazon-ssm-agent.json", '{"Profile": {"ShareFile": ')
    done = image("check")
    assert done.returncode == 3
    assert "not JSON" in done.stdout


def test_logs_that_the_agent_writes_elsewhere_are_found(image: Image) -> None:
    image.put("etc/amazon/ssm/seelog.xml", '<seelog><rollingfile filename="/data/ssm/agent.log"/></seelog>')
    logs = [image.put(f"data/ssm/{name}", "mi-0123456789abcdef0 started") for name in ("agent.log", "agent.log.1")]
    image.put("data/ssm/other.log", "x")
    assert found(image) == dict.fromkeys(map(str, logs), "agent-log")
    assert image("clean", "--yes", "--keep-logs").returncode == 0
    assert image("clean", "--yes").returncode == 1
    assert all(log.exists() for log in logs)


def test_keys_below_a_linked_directory_are_listed_once(image: Image) -> None:
    """As nodeadm makes it."""
    keys = image.put("root/.aws/credentials", KEYS)
    (image.root / "eks-hybrid").mkdir()
    (image.root / "eks-hybrid/.aws").symlink_to("/root/.aws")
    assert found(image) == {str(keys): "shared-credentials"}
    shutil.rmtree(image.root / "root/.aws")
    assert image("check").returncode == 3


def test_key_in_a_home_that_is_a_link_is_found(image: Image) -> None:
    keys = image.put("data/homes/app/.aws/credentials", KEYS)
    (image.root / "home").symlink_to("data/homes")
    assert str(keys) in found(image)
    (image.root / "home").unlink()
    (image.root / "home").symlink_to("/mnt/homes")
    assert image("check").returncode == 3


def test_history_that_is_a_device_is_clean(image: Image) -> None:
    (image.root / "root").mkdir()
    (image.root / "dev").mkdir()
    (image.root / "root/.bash_history").symlink_to("/dev/null")
    if os.geteuid() == 0:
        os.mknod(image.root / "dev/null", 0o20666, os.makedev(1, 3))
        assert image("check").returncode == 0
    else:
        assert image("check").returncode == 3


def test_activation_at_the_end_of_a_long_history_is_found(image: Image) -> None:
    image.put("root/.bash_history", "ls -l /some/where\n" * 300_000 + USER_DATA)
    assert set(found(image).values()) == {"activation"}


def test_a_binary_file_is_not_searched(image: Image) -> None:
    image.put("opt/tool", b"\x7fELF\0" + USER_DATA.encode())
    assert image("check").returncode == 0


def test_named_private_key_may_be_missing(image: Image) -> None:
    image.put("etc/eks/nodeConfig.yaml", ROLES_ANYWHERE)
    assert image("check").returncode == 0
    image.put("opt/pki/node.key", PEM)
    assert image("check").returncode == 1


def test_files_outside_of_the_root_are_never_read(image: Image, tmp_path: Path) -> None:
    (tmp_path / "creds").write_text(KEYS)
    image.put(IDENTITY, identity(str(tmp_path / "creds")))
    answer = image.json("check")
    assert [item["kind"] for item in answer["items"]] == ["identity-config"]
    assert image("clean", "--yes").returncode == 0
