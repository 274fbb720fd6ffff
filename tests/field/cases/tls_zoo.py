"""Certificates of brokers: this client accepts what OpenSSL accepts, and refuses what it refuses."""

import os
import ssl
import subprocess
import tempfile

from kit import Cluster, Producer, verdict

DIRECTORY = tempfile.mkdtemp()
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
RSA = "-algorithm RSA -pkeyopt rsa_keygen_bits:{}"
EC = "-algorithm EC -pkeyopt ec_paramgen_curve:{}"
AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
POLICY = "certificatePolicies=1.2.3.4\n"
# What the TLS library lacks; the refusal names it (docs/TLS.md).
REFUSED_IN_WORDS = {
    ("ECDSA P-521", "1.2"): "P-521",
    ("ECDSA P-521", "1.3"): "P-521",
    ("RSA-PSS key", "1.2"): "accepted in TLS 1.3 only",
}
zoo = []


def openssl(arguments):
    command = ["openssl", *arguments.split(" ")]
    subprocess.run(command, check=True, cwd=DIRECTORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def certificate(name, extensions, key=RSA.format(2048), issuer="ca", options=""):
    """A key and a certificate; without an issuer, one that signs itself."""
    with open(f"{DIRECTORY}/{name}.ext", "w") as file:
        file.write(extensions)
    openssl(f"genpkey {key} -out {name}.key")
    openssl(f"req -new -key {name}.key -out {name}.csr -subj /CN={name}")
    signer = f"-CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial" if issuer else f"-signkey {name}.key"
    openssl(f"x509 -req -in {name}.csr {signer} -out {name}.pem -days 20 -extfile {name}.ext {options}".strip())


def chain(name, *parts):
    with open(f"{DIRECTORY}/{name}.pem", "w") as file:
        for part in parts:
            with open(f"{DIRECTORY}/{part}.pem") as read:
                file.write(read.read())


def server(what, name, extensions=NAMES, trusts="ca", **more):
    certificate(name, extensions, **more)
    zoo.append((what, f"{name}.pem", f"{name}.key", f"{trusts}.pem"))


def behind(what, name, extensions, leaf_extensions=NAMES):
    """A server's certificate behind an intermediate authority with these extensions."""
    certificate(name, AUTHORITY + extensions)
    certificate(name + "-leaf", leaf_extensions, issuer=name)
    chain(name + "-chain", name + "-leaf", name)
    zoo.append((what, f"{name}-chain.pem", f"{name}-leaf.key", "ca.pem"))


openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=Root")
server("RSA 2048", "rsa2048")
server("RSA 4096", "rsa4096", key=RSA.format(4096))
server("RSA 8192", "rsa8192", key=RSA.format(8192))
server("Ed25519", "ed25519", key="-algorithm ED25519")
server("ECDSA P-256", "p256", key=EC.format("P-256"))
server("ECDSA P-384", "p384", key=EC.format("P-384"))
server("ECDSA P-521", "p521", key=EC.format("P-521"))
server("RSA-PSS key", "pss-key", key="-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048")
PSS = "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"
server("signed with RSA-PSS", "pss-signed", options=PSS)
server("signed with SHA-512", "sha512", options="-sha512")
behind(
    "critical policyConstraints", "constraints", "policyConstraints=critical,requireExplicitPolicy:9\n", NAMES + POLICY
)
behind("critical certificatePolicies", "policies", "certificatePolicies=critical,1.2.3.4\n", NAMES + POLICY)
behind("critical inhibitAnyPolicy", "any-policy", "inhibitAnyPolicy=critical,1\n")
behind(
    "critical nameConstraints",
    "names",
    "nameConstraints=critical,permitted;DNS:localhost,permitted;IP:127.0.0.0/255.0.0.0\n",
)
server("leaf with critical certificatePolicies", "leaf-policies", NAMES + "certificatePolicies=critical,1.2.3.4\n")
behind("for the chain below", "twice", "")
chain("twice-chain", "twice-leaf", "ca", "twice", "twice")
zoo[-1] = ("chain out of order, with the root and a double", *zoo[-1][1:])
OTHER_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,email:ops@example.com,URI:spiffe://example.com/kafka"
server("e-mail, URI and otherName", "other-names", OTHER_NAMES + ",otherName:1.2.3.4;UTF8:x\n")
USAGE = "extendedKeyUsage=critical,serverAuth,clientAuth\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
server("critical usages", "usages", NAMES + USAGE)
server("Netscape's extensions", "netscape", NAMES + "nsCertType=server\nnsComment=made by hand\n")
server("unknown extension", "unknown", NAMES + "1.2.3.4.5=ASN1:UTF8:hello\n")
# What is refused.
server("for clients only", "client-only", NAMES + "extendedKeyUsage=clientAuth\n")
server("unknown critical extension", "unknown-critical", NAMES + "1.2.3.4.5=critical,ASN1:UTF8:hello\n")
server("another name", "other-host", "subjectAltName=DNS:elsewhere\n")
certificate("no-authority", "basicConstraints=CA:FALSE\n" + NAMES, issuer=None)
server("issued by a certificate that is no authority", "by-no-authority", trusts="no-authority", issuer="no-authority")
certificate("no-signing", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature\n", issuer=None)
server("issued by an authority that must not sign", "by-no-signing", trusts="no-signing", issuer="no-signing")

rows, differences = [], []
for what, certificates, key, trusted in zoo:
    for version, name in ((ssl.TLSVersion.TLSv1_2, "1.2"), (ssl.TLSVersion.TLSv1_3, "1.3")):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{DIRECTORY}/{certificates}", f"{DIRECTORY}/{key}")
        context.maximum_version = context.minimum_version = version
        cluster = Cluster(ssl_context=context)
        cluster.advertise = lambda node, cluster=cluster: ("localhost", cluster.ports[node])
        cluster.topic("t")
        reference = subprocess.run(
            [
                "openssl",
                "s_client",
                "-connect",
                f"127.0.0.1:{cluster.ports[1]}",
                "-CAfile",
                trusted,
                "-purpose",
                "sslserver",
            ]
            + ["-verify_return_error", "-verify_hostname", "localhost"],
            stdin=subprocess.DEVNULL,
            cwd=DIRECTORY,
            capture_output=True,
            text=True,
            timeout=20,
        )
        accepted = reference.returncode == 0 and "Verify return code: 0" in reference.stdout
        producer = Producer(
            bootstrap_servers=f"localhost:{cluster.ports[1]}",
            security_protocol="SSL",
            ssl_ca_location=f"{DIRECTORY}/{trusted}",
            linger_ms=0,
            delivery_timeout_ms=4000,
            request_timeout_ms=1500,
        )
        producer.send("t")
        producer.flush(6000)
        report = producer.reports[-1] if producer.reports else {"status": "none", "text": ""}
        producer.close(100)
        rows.append(f"{what}, TLS {name}: OpenSSL {accepted}, here {report['status']}")
        if (what, name) in REFUSED_IN_WORDS:
            accepted = REFUSED_IN_WORDS[(what, name)] not in report["text"]
        if (report["status"] == "OK") != accepted:
            differences.append(f"{rows[-1]}: {report['text'][-170:]}")
if os.environ.get("VERBOSE"):
    print("\n".join(rows))
verdict(not differences, f"{len(rows)} handshakes; " + " | ".join(differences))
