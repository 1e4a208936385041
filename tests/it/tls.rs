//! TLS, on a server that was built with it: Debian's.

use testbed::client::connect;
use testbed::group::{Bed, Run};

use crate::{FAILED_OVER, UP, ordain};

#[test]
fn a_group_that_speaks_nothing_but_tls_comes_up_and_fails_over() {
    let mut bed = Bed::on_kubernetes(ordain()).with_quick_failover().with_tls();
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_sentinels(UP);
    bed.wait_for_labels("redis-0", UP);
    assert!(connect(bed.ip("redis-0"), 6379, None).and_then(|mut plain| testbed::client::ask(&mut plain, &["PING"])).is_err());

    bed.kill("redis-0");
    let promoted = bed.wait_for_failover("redis-0", FAILED_OVER);
    bed.wait_for_labels(promoted, FAILED_OVER);
    bed.start("redis-0");
    bed.wait_for_master(promoted, UP);
}

#[test]
fn a_server_whose_certificate_is_of_another_authority_is_not_believed() {
    let mut bed = Bed::on_kubernetes(ordain()).with_tls();
    bed.start_all();
    bed.wait_for_master("redis-0", UP);
    bed.wait_for_labels("redis-0", UP);
    let stranger = testbed::authority::Authority::new();
    bed.sandbox("redis-2").write("run/tls/ca.crt", &stranger.pem);
    let command = ["/opt/ordain/ordain", "genconf-redis", "--dry-run", "--explain"];
    let run = Run::of(&bed.sandbox("redis-2").run(&command));
    assert!(run.stderr.contains("redis-0: unreachable: TLS: "), "{}", run.stderr);
}
