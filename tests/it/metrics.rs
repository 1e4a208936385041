//! `manifests/components/metrics`: a real exporter, run as the component runs it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use testbed::group::Bed;
use testbed::layout::STATIC_REPLICATION;
use testbed::process::Process;
use testbed::{repository, wait_for};

use crate::manifests::with_options;
use crate::{UP, ordain};

/// The port that the component's Service names.
const METRICS: u16 = 9121;

/// The page, where the exporter serves it.
fn page(exporter: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&exporter, UP).ok()?;
    stream.set_read_timeout(Some(UP)).expect("a time-out");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    Some(page)
}

#[test]
fn the_exporter_of_the_component_sees_a_redis_that_has_a_password() {
    let password = "p%w &'";
    let mut bed = Bed::on_kubernetes(ordain()).of(&STATIC_REPLICATION).with_secret(password);
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.put_keys("redis-0", "key", 10);

    let objects = with_options(&repository().join("manifests/static-replication"), &["metrics"]);
    let containers = objects
        .iter()
        .find(|object| object["kind"] == "StatefulSet" && object["metadata"]["name"] == "redis")
        .and_then(|set| set["spec"]["template"]["spec"]["containers"].as_array())
        .expect("containers");
    let container = containers.iter().find(|container| container["name"] == "metrics").expect("the exporter");

    let ip = bed.ip("redis-0");
    let address = SocketAddr::new(ip, METRICS);
    let mut command = Command::new("prometheus-redis-exporter");
    // On Kubernetes the pod has a network of its own; here it has an address.
    command.env("REDIS_EXPORTER_WEB_LISTEN_ADDRESS", address.to_string());
    for variable in container["env"].as_array().expect("its variables") {
        let secret = &variable["valueFrom"]["secretKeyRef"];
        // In brackets, where it is one of IPv6.
        let redis = SocketAddr::new(ip, 6379).to_string();
        let value = variable["value"].as_str().map(|value| value.replace("localhost:6379", &redis));
        let value = value.unwrap_or_else(|| {
            assert_eq!((&secret["name"], &secret["key"]), (&"redis".into(), &"password".into()), "{variable}");
            password.to_owned()
        });
        command.env(variable["name"].as_str().expect("a name"), value);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let _exporter = Process::start("the exporter", &folder.path().join("log"), &command);

    let health = wait_for("the exporter's health", UP, || page(address, "/health"));
    assert!(health.starts_with("HTTP/1.0 200"), "{health}");
    let metrics = page(address, "/metrics").expect("metrics");
    for line in ["redis_up 1", r#"redis_db_keys{db="db0"} 10"#] {
        assert!(metrics.lines().any(|one| one.starts_with(line)), "no {line} in\n{metrics}");
    }
    let role = metrics.lines().find(|line| line.starts_with("redis_instance_info{")).unwrap_or_default();
    assert!(role.contains(r#"role="master""#), "{role}");
}
