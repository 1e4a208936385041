//! The image and its one file, as `make image` leaves them in `.cache/ordain.tar`.

use std::process::{Command, Output};

use tempfile::TempDir;
use testbed::repository;

/// The image's layers, unpacked over each other, and its configuration.
fn unpacked() -> (TempDir, serde_json::Value) {
    let archive = repository().join(".cache/ordain.tar");
    assert!(archive.is_file(), "there is no {}: run `make image`", archive.display());
    let folder = tempfile::tempdir().unwrap();
    let untar = |archive: &std::path::Path, to: &std::path::Path| {
        std::fs::create_dir_all(to).unwrap();
        let status = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(to).status().unwrap();
        assert!(status.success(), "{} does not unpack", archive.display());
    };
    let image = folder.path().join("image");
    untar(&archive, &image);
    let read = |name: &str| -> serde_json::Value { serde_json::from_slice(&std::fs::read(image.join(name)).unwrap()).unwrap() };
    let manifest = read("manifest.json");
    for layer in manifest[0]["Layers"].as_array().unwrap() {
        untar(&image.join(layer.as_str().unwrap()), &folder.path().join("root"));
    }
    let config = read(manifest[0]["Config"].as_str().unwrap());
    (folder, config)
}

#[test]
fn the_image_is_one_static_file_that_runs_with_nothing_beside_it() {
    let (folder, config) = unpacked();
    let root = folder.path().join("root");
    let files: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["ordain"]);
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/ordain"]));
    assert_eq!(config["config"]["User"], "65532:65532");

    let program = root.join("ordain");
    assert!(std::fs::metadata(&program).unwrap().len() <= 10_000_000, "at most 10 MB");
    let headers = readelf("-lW", &program);
    assert!(!headers.contains("INTERP"), "no interpreter: {headers}");
    let dynamic = readelf("-dW", &program);
    assert!(!dynamic.contains("NEEDED"), "no needed libraries: {dynamic}");

    let mut chroot = Command::new("/usr/sbin/chroot");
    chroot.arg(&root).args(["/ordain", "genconf-redis", "--dry-run", "--pod-name", "redis-1"]).env_clear();
    let output = chroot.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("replicaof redis-0.redis-headless.default.svc.cluster.local 6379\n")
    );
}

fn readelf(flag: &str, program: &std::path::Path) -> String {
    text(&Command::new("readelf").arg(flag).arg(program).output().expect("readelf, from binutils"))
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
