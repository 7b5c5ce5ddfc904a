"""Causes on the way to the service: name, connection, proxy, certificate, and what answers in place of the service."""

from __future__ import annotations

from fingerprint.agent.logs.error_causes.row import NETWORK, Row, Step
from fingerprint.agent.logs.sdk_errors import NO_ANSWER

_RESOLVE = Step(
    "Resolve the name as the agent does", linux="getent hosts {host}",
    macos="dscacheutil -q host -a name {host}", windows="Resolve-DnsName {host}",
)  # fmt: skip
_ISSUER = Step(
    "Show which authority issued the certificate",
    linux="openssl s_client -connect {host}:443 -servername {host} </dev/null | openssl x509 -noout -issuer -dates",
    macos="openssl s_client -connect {host}:443 -servername {host} </dev/null | openssl x509 -noout -issuer -dates",
)
_TRUST = Step("Add the certificate of that authority (PEM) to {certificates}, which the agent trusts in addition")
_PROXY = Step(
    "Correct the proxy of the agent's service", linux="systemctl edit {unit}", windows="netsh winhttp show proxy"
)
_OPEN = Step("Allow connections of the host to {host} on port 443 (firewall, security group, VPC endpoint)")
_EXCLUDE = Step("Exclude {host} from TLS inspection, if that is possible")
# What a proxy answers to CONNECT: Go logs only the words.
_STATUSES = (
    "bad gateway|bad request|forbidden|found|gateway time-?out|internal server error|method not allowed|"
    "moved permanently|not found|not implemented|service unavailable|temporary redirect|too many requests|unauthorized"
)
_HTML = ("invalid character '<'", "<html", "<!doctype html", "got html")

PROXY = (
    Row(
        name="proxy-login", why="the proxy requires a login (407)", network=True,
        steps=(Step("Put user and password into the proxy URL of the agent's service, or exempt the host on the proxy",
                    linux="systemctl edit {unit}", windows="netsh winhttp show proxy"),),
        says=("proxy authentication required", "authenticationrequired", "authentication required"),
        unless=("network authentication required",),
        pattern=r"(?i)status ?code: 407\b|\b407 (?:proxy|authentication)",
    ),
    Row(
        name="proxy-scheme", why="the proxy does not accept TLS, and the proxy URL begins with https://", network=True,
        steps=(Step("Begin the proxy URL with http:// in https_proxy of the agent's service",
                    linux="systemctl edit {unit}"),),
        says=("first record does not look like a tls handshake", "server gave http response to https client",
              "oversized record received"), needs=("proxyconnect",),
    ),
    Row(
        name="proxy-certificate", why="the agent does not trust the certificate of its proxy", network=True,
        steps=(_TRUST, NETWORK), says=("x509:",), needs=("proxyconnect",),
    ),
    Row(
        name="proxy-unreachable", why="its proxy {peer} cannot be reached", network=True, steps=(_PROXY, NETWORK),
        says=("proxyconnect tcp", "socks connect tcp"), unless=("invalid port", "invalid url"),
    ),
    Row(
        name="proxy-setting", why="its proxy setting is not a valid URL", steps=(_PROXY,),
        says=("invalid proxy url", "invalid proxy address", "proxy: unknown scheme", "unsupported proxy scheme",
              "proxyconnect tcp"),
        pattern=r"(?i)parse \"?(?:https?|socks5h?)://[^ ]*: (?:invalid|net/url)|"
        r"parse \"?[^ /:]+:[^ /]{0,300}: first path",
    ),
    Row(
        name="proxy-rejects", why="its proxy rejects the connection to {host}", network=True,
        steps=(Step("Allow {host} on the proxy, or exempt it with no_proxy of the agent's service",
                    linux="systemctl edit {unit}"), NETWORK),
        pattern=rf"(?i)\b(?:post|get|put|head) \"?https://[^\s\"]+\"?: (?:{_STATUSES})\s*(?:\n|$)",
    ),
)  # fmt: skip

ANSWER = (
    Row(
        name="html-answer", network=True,
        why="a web page answers in place of the service (proxy, content filter or login page of the network)",
        steps=(Step("Log in to the network, or allow {host} on the proxy"), NETWORK),
        says=(*_HTML, "network authentication required", "have <html>"),
        # The last one: the dump of a body that begins with "<".
        pattern=r"(?i)status ?code: 511\b|\b00000000  3c (?:68|48|21|3f)",
    ),
    Row(
        name="not-tls", why="something other than the service answers on port 443, without TLS", network=True,
        steps=(Step("Allow {host} on port 443 without a proxy or login page of the network"), NETWORK),
        says=("first record does not look like a tls handshake", "server gave http response to https client",
              "oversized record received"),
    ),
)  # fmt: skip

NAME = (
    Row(
        name="no-region", why="the agent has no valid region, and so no name of the endpoint",
        steps=(Step("Correct the region: without quotation marks, and not empty",
                    "fingerprint diagnose --only account,configuration"),),
        codes=("MissingRegion",), says=("could not find region", "missing region", "has invalid characters"),
        pattern=r"(?i)\b(?:ssm|ssmmessages|ec2messages|sts)\.(?:\.|xn--|%|\*)",
    ),
    Row(
        name="dns", why="{host} does not resolve (DNS)", network=True, steps=(_RESOLVE, NETWORK),
        says=("no such host", "server misbehaving", "getaddrinfow", "temporary failure in name resolution",
              "no address associated with hostname", "name or service not known", "nodename nor servname"),
        pattern=r"(?i)\blookup [^\s:]+(?: on |: )",
    ),
)  # fmt: skip

CERTIFICATE = (
    Row(
        name="tls-interception", why="a proxy inspects TLS: its certificate is from {authority}", network=True,
        steps=(_EXCLUDE, _TRUST, NETWORK),
        pattern=r"(?i)candidate authority certificate \"(?!amazon|starfield)[^\"]+\"",
    ),
    Row(
        name="certificate-name", network=True,
        why="what answers for {host} has a certificate of another name: a proxy, or a wrong DNS or VPC endpoint entry",
        steps=(_RESOLVE, _ISSUER, NETWORK),
        says=("x509: certificate is valid for", "cannot validate certificate for", "not valid for any names",
              "legacy common name", "doesn't contain any ip sans", "certificate name does not match"),
    ),
    Row(
        name="certificate-expired", network=True,
        why="the certificate that answers for {host} expired{expired}, or the clock is ahead",
        steps=(Step("Compare the clock with the right time", linux="timedatectl", macos="date -u",
                    windows="w32tm /query /status"),
               Step("If the clock is right: a proxy has an old certificate, or the CA certificates are old"),
               _ISSUER, NETWORK),
        says=("certificate has expired", "within its validity period", "certificate is expired"),
    ),
    Row(
        name="no-ca-bundle", why="the host has no CA certificates, so that it trusts no server",
        steps=(Step("Install the CA certificates (package ca-certificates)"),),
        says=("failed to load system roots", "no roots provided"),
    ),
    Row(
        name="ca-bundle", why="the CA bundle that AWS_CA_BUNDLE names cannot be loaded{of}",
        steps=(Step("Correct AWS_CA_BUNDLE of the agent's service, or the file", linux="systemctl edit {unit}"),),
        codes=("LoadCustomCABundleError",), says=("custom ca bundle", "unable to load ca bundle"),
    ),
    Row(
        name="unknown-ca", network=True,
        why="the certificate that answers for {host} is from an authority unknown here: a proxy inspects TLS, or the "
            "CA certificates of the host are old or missing",
        steps=(_ISSUER, _TRUST, NETWORK),
        says=("unknown authority", "certificate is not trusted", "not trusted by the trust provider",
              "x509: invalid signature", "certificate is not standards compliant", "certificate verify failed",
              "failed to verify certificate"),
    ),
)  # fmt: skip

CONNECTION = (
    Row(
        name="local-firewall", why="the host itself does not allow the connection to {peer}", network=True,
        steps=(Step("Check the host's firewall, SELinux and the sandbox of the service", linux="nft list ruleset",
                    windows="Get-NetFirewallProfile"), NETWORK),
        says=("connect: operation not permitted", "connect: permission denied", "sendto: operation not permitted",
              "forbidden by its access permissions"),
    ),
    Row(
        name="refused", why="{peer} refuses the connection", network=True, steps=(_OPEN, NETWORK),
        says=("connection refused", "actively refused"),
    ),
    Row(
        name="no-route", why="there is no route to {peer}", network=True,
        steps=(Step("Check address and default route of the host", linux="ip route", macos="netstat -rn",
                    windows="Get-NetRoute"), NETWORK),
        says=("no route to host", "network is unreachable", "host is down", "unreachable network", "unreachable host",
              "cannot assign requested address", "network is down"),
    ),
    Row(
        name="timeout", why="{peer} does not answer in time", network=True, steps=(_OPEN, NETWORK),
        says=("i/o timeout", "context deadline exceeded", "client.timeout exceeded", "tls handshake timeout",
              "connection timed out", "operation timed out", "did not properly respond", "timeout awaiting response"),
        needs=("https://", "dial tcp", "read tcp", "send failed", "net/http", "connectex", "operation error",
               "requesterror"),
    ),
    Row(
        name="tls-handshake", why="the TLS handshake with {host} fails", network=True,
        steps=(Step("Allow TLS 1.2 to {host} on each device in between"), NETWORK),
        says=("remote error: tls:", "tls: handshake failure", "tls: protocol version", "tls: no supported versions",
              "tls: server selected", "local error: tls:", "tls: bad record"),
    ),
    Row(
        name="cut-off", why="the connection to {host} is closed in the middle, as firewalls and proxies do",
        network=True, steps=(_OPEN, NETWORK),
        says=("connection reset by peer", "forcibly closed", "broken pipe", "server closed idle",
              "use of closed network connection", "http2: "),
        pattern=r"(?i)(?:\b(?:post|get|put|head) |send failed)[^\n]{0,300}\bEOF\s*(?:\n|$)",
    ),
    Row(
        name="no-connection", why="it cannot connect to the service", network=True, steps=(NETWORK,),
        codes=(NO_ANSWER,), says=("request send failed", "send request failed"),
    ),
)  # fmt: skip
