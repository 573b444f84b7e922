//! A company's own authority, brought as upstream's guide says: `update-ca-trust`.

use crate::harness::{podman_ok, shared, turn};

/// A server of HTTPS with a certificate of that authority, and who asks it: the clients of Pulp and its plugins.
const SCRIPT: &str = r#"
import asyncio, http.server, pathlib, ssl, subprocess, sys, threading
import aiohttp, httpx, requests

def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)

work = pathlib.Path("/tmp/trust")
if sys.argv[1] == "make":
    work.mkdir()
    # By hand, in one line: without "key usage".
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{work}/ca.key", "-out", f"{work}/company ca.crt", "-subj", "/CN=Company")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{work}/key", "-out", f"{work}/csr", "-subj", "/CN=localhost")
    (work / "ext").write_text("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", f"{work}/csr", "-CA", f"{work}/company ca.crt", "-CAkey", f"{work}/ca.key", "-CAcreateserial", "-out", f"{work}/crt", "-extfile", f"{work}/ext")
    sys.exit()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(work / "crt", work / "key")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"https://localhost:{server.server_port}/"

async def by_aiohttp():
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status

for name, ask in [
    ("aiohttp", lambda: asyncio.run(by_aiohttp())),
    ("requests", lambda: requests.get(url).status_code),
    ("httpx", lambda: httpx.get(url).status_code),
    ("curl", lambda: int(subprocess.run(["curl", "-so", "/dev/null", "-w", "%{http_code}", url], capture_output=True).stdout)),
]:
    try:
        print(name, ask())
    except Exception as error:
        print(name, "certificate" if "certificate" in str(error).lower() else error)
"#;

#[test]
fn authority_of_a_company_is_trusted_after_update_ca_trust_and_not_before_or_afterwards() {
    let _turn = turn();
    let pulp = shared();
    let python = |word: &str| pulp.ok(&["python3", "-c", SCRIPT, word]);
    python("make");
    let no = "aiohttp certificate\nrequests certificate\nhttpx certificate\ncurl 0\n";
    assert_eq!(python("ask"), no);
    pulp.ok(&[
        "bash",
        "-c",
        "cp '/tmp/trust/company ca.crt' /etc/pki/ca-trust/source/anchors/ && update-ca-trust",
    ]);
    assert_eq!(python("ask"), "aiohttp 200\nrequests 200\nhttpx 200\ncurl 200\n");
    let listed = "grep -A1 '^# Company$' /etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt";
    assert!(pulp.ok(&["bash", "-c", listed]).contains("BEGIN TRUSTED CERTIFICATE"));
    // DER, too; and what is no certificate harms no other.
    let others = "cd /etc/pki/ca-trust/source/anchors && openssl x509 -in company*.crt -outform DER -out der.cer && rm company*.crt \
                  && echo rubbish >notes.txt && update-ca-trust extract 2>&1";
    assert!(pulp.ok(&["bash", "-c", others]).contains("notes.txt holds no certificate"));
    assert_eq!(python("ask"), "aiohttp 200\nrequests 200\nhttpx 200\ncurl 200\n");
    pulp.ok(&["bash", "-c", "rm /etc/pki/ca-trust/source/anchors/* && update-ca-trust"]);
    assert_eq!(python("ask"), no);
    pulp.ok(&["rm", "-r", "/tmp/trust"]);
}

#[test]
fn python_has_what_upstreams_image_has() {
    let names = "pythonjsonlogger, social_core, social_django, ldap, django_auth_ldap, rhsm, storages, boto3, pulp_npm, pulp_hugging_face";
    let image = crate::harness::image();
    let run = ["run", "--rm", "--network=none", "--entrypoint", "python3", image, "-c"];
    podman_ok(&[&run[..], &[&format!("import {names}")]].concat());
}
