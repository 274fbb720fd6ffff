//! A Kerberos realm of MIT's krb5-kdc, with the brokers' principal and a client's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::cluster::{redirect, reserve_ports, temporary_directory};
use crate::process::{Process, set_for_children};
use crate::tools::output;

const NAME: &str = "KPRODUCER.TEST";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running KDC; dropped, it is gone.
#[derive(Debug)]
pub struct Realm {
    directory: PathBuf,
    _kdc: Process,
    /// For `KRB5_CONFIG` of clients, and for the brokers' Java.
    pub configuration: PathBuf,
    /// The keys of [`Self::client`].
    pub client_keytab: PathBuf,
    broker_keytab: PathBuf,
}

impl Realm {
    /// Makes the realm's database, its principals and their keys, and starts the KDC.
    pub fn start() -> Self {
        let directory = temporary_directory();
        let port = reserve_ports(1)[0];
        let configuration = directory.join("krb5.conf");
        let file = |name: &str| directory.join(name);
        // Java knows no protocol in front of an address: the preference makes both it and MIT's library take TCP.
        let text = format!(
            "[libdefaults]\n default_realm = {NAME}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n \
             dns_canonicalize_hostname = false\n udp_preference_limit = 1\n[realms]\n {NAME} = {{\n  kdc = 127.0.0.1:{port}\n }}\n\
             [domain_realm]\n localhost = {NAME}\n"
        );
        write(&configuration, &text);
        let kdc = format!(
            "[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n[realms]\n {NAME} = {{\n  \
             database_name = {}\n  key_stash_file = {}\n  acl_file = {}\n  max_life = 1h\n  max_renewable_life = 1h\n  \
             supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal\n }}\n[logging]\n kdc = FILE:{}\n \
             admin_server = FILE:{}\n",
            file("principal").display(),
            file("stash").display(),
            file("acl").display(),
            file("kdc.log").display(),
            file("kadmin.log").display(),
        );
        write(&file("kdc.conf"), &kdc);
        run(&directory, "kdb5_util", &["create", "-s", "-r", NAME, "-P", "master-secret"]);
        let (broker_keytab, client_keytab) = (file("broker.keytab"), file("client.keytab"));
        for (principal, keytab) in [("kafka/localhost", &broker_keytab), (CLIENT, &client_keytab)] {
            admin(&directory, &format!("addprinc -randkey {principal}"));
            admin(&directory, &format!("ktadd -k {} {principal}", keytab.display()));
        }
        let mut command = tool(&directory, "krb5kdc");
        // In the foreground, so that it is this process's child.
        command.args(["-n", "-r", NAME, "-P"]).arg(file("kdc.pid"));
        let log = file("krb5kdc.log");
        redirect(&mut command, &log);
        let mut process = Process::spawn(command).expect("krb5kdc starts");
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(process.is_running(), "krb5kdc ended: {}", said());
            assert!(Instant::now() < deadline, "krb5kdc does not listen: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        // A client's library reads where its realm is from the environment. No ticket is there until one is got.
        set_for_children("KRB5_CONFIG", &configuration);
        set_for_children("KRB5CCNAME", directory.join("tickets"));
        Self { directory, _kdc: process, configuration, client_keytab, broker_keytab }
    }

    /// The client's principal.
    pub fn client(&self) -> String {
        format!("{CLIENT}@{NAME}")
    }

    /// A principal that the realm does not know, with keys that fit nothing.
    pub fn stranger(&self) -> String {
        format!("stranger@{NAME}")
    }

    /// Gets the client a ticket into the cache that children of this program use, as `kinit` does for a user.
    pub fn get_ticket(&self) {
        let mut command = tool(&self.directory, "kinit");
        command.arg("-k").arg("-t").arg(&self.client_keytab).arg(self.client());
        output(command, "");
    }

    /// Throws the ticket away.
    pub fn drop_ticket(&self) {
        output(tool(&self.directory, "kdestroy"), "");
    }

    /// The line of a listener that logs the broker in.
    pub(super) fn login(&self) -> String {
        format!(
            "gssapi.sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true \
             keyTab=\"{}\" principal=\"kafka/localhost@{NAME}\";",
            self.broker_keytab.display()
        )
    }

    /// What the broker's Java has to be told.
    pub fn java_option(&self) -> String {
        format!("-Djava.security.krb5.conf={}", self.configuration.display())
    }
}

const CLIENT: &str = "records";

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

/// One of Kerberos' programs, which know of this realm only.
fn tool(directory: &Path, name: &str) -> Command {
    let mut command = Command::new(name);
    // Where Debian keeps them, which is in the path of root only.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.env("KRB5_CONFIG", directory.join("krb5.conf")).env("KRB5_KDC_PROFILE", directory.join("kdc.conf"));
    command.stdin(Stdio::null());
    command
}

fn run(directory: &Path, name: &str, arguments: &[&str]) {
    let mut command = tool(directory, name);
    command.args(arguments);
    output(command, "");
}

fn admin(directory: &Path, query: &str) {
    run(directory, "kadmin.local", &["-r", NAME, "-q", query]);
}
