use crate::{UP, ordain};
use std::io::BufRead;
use testbed::group::Bed;
#[test]
fn adhoc() {
    let mut bed = Bed::on_kubernetes(ordain()).with_env("ORDAIN_DOWN_AFTER", "60s");
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_electable(UP);
    let f = tempfile::tempdir().unwrap();
    bed.put_account_here("redis");
    let kc = f.path();
    std::fs::create_dir_all(f.path().join("d")).unwrap();
    for _ in 0..4 {
        let d = f.path().join("d").display().to_string();
        let o = f.path().join("o").display().to_string();
        let mut c =
            bed.bare("redis-2", kc, &["genconf-redis", "--sentinel-service", "sentinel", "--data-dir", &d, "--output", &o]);
        c.stderr(std::process::Stdio::piped()).env("ORDAIN_TIMES", "1");
        let t = std::time::Instant::now();
        let mut ch = c.spawn().unwrap();
        for l in std::io::BufReader::new(ch.stderr.take().unwrap()).lines() {
            println!("{:7.1} {}", t.elapsed().as_secs_f64() * 1e3, l.unwrap());
        }
        ch.wait().unwrap();
        println!("{:7.1} end", t.elapsed().as_secs_f64() * 1e3);
    }
}
