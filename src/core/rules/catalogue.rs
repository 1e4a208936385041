//! Each rule with its id, its sentence and its page: what `docs/rules.md` is made from. When a rule applies say the
//! tables, each row of which names one of these.

/// A rule of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The same everywhere: in the code, in `--explain`, in Events, in the name of its test, and as an anchor of
    /// `docs/rules.md`.
    pub id: &'static str,
    /// What it says.
    pub sentence: &'static str,
    /// What goes wrong without it.
    pub why: &'static str,
    /// What an operator sees while it holds.
    pub seen: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// The test that fails without it.
    pub test: &'static str,
}

/// Every rule, in the order of the page.
pub const RULES: [&Rule; 46] = [
    &NEWEST_CLAIM,
    &EQUAL_EPOCHS,
    &MAJORITY_OUTVOTES,
    &FOREIGN_CLAIM,
    &RECORD_UNREADABLE,
    &OWN_GROUP,
    &LIVING_MASTER,
    &NO_DATA,
    &NEWER_DATA,
    &ALL_REPORTED,
    &HEARD_LATELY,
    &LOWER_ORDINALS,
    &START_MARKER_ENDS_REPORT,
    &REPORT_EXPIRES,
    &FAILOVER_POSSIBLE,
    &RECREATED_POD,
    &ABANDONED,
    &FORCED_CLAIM,
    &START_MARKER,
    &ONLY_HOLDER_WRITES,
    &LAST_RESORT,
    &START_UNPROMOTABLE,
    &FIRST_BOOT,
    &FIRST_BOOT_IS_EMPTY,
    &ADOPT,
    &ADOPT_AFTER_ALL,
    &END_REPORT,
    &MAKE_PROMOTABLE,
    &KEEP_UNPROMOTABLE,
    &ABANDON,
    &NEWEST_NOT_ABANDONED,
    &NEWEST_PROMOTED,
    &HOLDER_RETURNS,
    &RESTART_HOLDER,
    &FOLLOW_MASTER,
    &SENTINEL_WATCHES_THE_LIVING,
    &SENTINEL_WAITS,
    &UNDECIDED_GROUP,
    &TELL_SENTINEL,
    &FORGET_REPLICAS,
    &DIVERGED_SENTINEL,
    &SENTINEL_LOOKS_ELSEWHERE,
    &RECORD_NAMES_MASTER,
    &WITHHOLD_STALE,
    &HANDING_OVER_UNLABELLED,
    &UNDECIDED,
];

// Which claim counts.

/// The highest epoch counts.
pub const NEWEST_CLAIM: Rule = Rule {
    id: "newest-claim",
    sentence: "The claim with the highest epoch counts, whoever makes it. A pod that it does not name starts as a replica of the pod that it names, whether that one answers or not.",
    why: "Two of three Sentinels that come back with old files name an old master. A pod that believes the majority follows that one, and erases the writes that it had copied from the newer master.",
    seen: "`redis-1 follows redis-0: the record and 2 of 3 Sentinels name redis-0 at epoch 4`. The pod is labelled as a replica.",
    remedy: "Nothing: the replica is in sync as soon as its master answers.",
    test: "the_newest_claim_is_followed_though_its_master_is_silent",
};

/// Equal epochs, different masters.
pub const EQUAL_EPOCHS: Rule = Rule {
    id: "equal-epochs",
    sentence: "Where claims with equal epochs name different masters, the pod counts that a majority of the Sentinels names, if it lives as master; else the only master that lives; else none.",
    why: "Two Sentinels that are both asked to fail over promote two replicas at one epoch. Pods that choose by chance follow one or the other, and what was written to the one that ends as a replica is lost.",
    seen: "`redis-2 waits: redis-0 and redis-1 are claimed as master at epoch 4, and 2 of them live`, and after `--deadline` exit code 1.",
    remedy: "Stop the pod that shall not be the master. What only that pod holds is lost.",
    test: "equal_epochs_of_masters_that_are_all_silent_or_all_alive_are_undecided",
};

/// A majority moves a record that is ahead of it.
pub const MAJORITY_OUTVOTES: Rule = Rule {
    id: "majority-outvotes",
    sentence: "A majority of all Sentinels that names the only living master moves the record, though its epoch is no higher, where the holder is known to be no master.",
    why: "Sentinels that lost their files count from 1 again. The record, which is at a higher epoch, refuses their failovers for ever: the Services lead to a pod that is no master, and every pod that starts follows it.",
    seen: "`record redis: redis-1 at epoch 7`, by `reconcile` or a pod that starts; Event `Promoted`; the Lease's `leaseTransitions` grows by one.",
    remedy: "Nothing: the labels follow at once.",
    test: "a_majority_that_names_the_only_living_master_outvotes_the_record_whatever_its_epoch",
};

/// The address of no member.
pub const FOREIGN_CLAIM: Rule = Rule {
    id: "foreign-claim",
    sentence: "A claim for an address of no member is never followed, and while it is the newest nothing is decided.",
    why: "Addresses are given again. A pod that follows the address of a master that is gone may find another group's master there, and erases its data with that group's.",
    seen: "`redis-0 waits: Sentinel 10.0.0.9:26379 names 10.0.7.3:6379 at epoch 4, which is no member's address`, and after `--deadline` exit code 1.",
    remedy: "Wait where a member is about to have that address again. Else `SENTINEL REMOVE redis` at that Sentinel: `reconcile` adds the group again with the right master.",
    test: "a_claim_that_names_a_stranger_is_undecided_and_no_first_boot",
};

/// The API server is away.
pub const RECORD_UNREADABLE: Rule = Rule {
    id: "record-unreadable",
    sentence: "While the record cannot be read, a pod with data asks again for ten seconds before it believes the Sentinels alone, and then only to follow; nobody leads without the record.",
    why: "The record may know of a failover that these Sentinels have forgotten. A pod that follows the master before that one erases what was written since; a pod that leads takes writes beside the true master.",
    seen: "`redis-0 waits: the record cannot be read (…), and may name another than redis-0`, and after `--deadline` exit code 1; exit code 2 where the Role does not allow it.",
    remedy: "Bring the API server back, and do not restart all pods meanwhile. With exit code 2 grant the right that the message names.",
    test: "while_the_record_cannot_be_read_a_pod_with_data_asks_for_it_again_before_it_believes_the_sentinels",
};

/// Data of another group.
pub const OWN_GROUP: Rule = Rule {
    id: "own-group",
    sentence: "A data directory with another group's id has no part in this group: a pod that holds data there does not start, and of any other pod it counts as an empty one.",
    why: "A volume of another group is newer than all others. Its pod leads, every replica copies it, and this group's data is gone.",
    seen: "`redis-0 waits: its data directory is of the group 5f1c…, and the record of the group 9a27…`, and after `--deadline` exit code 1. The id is in the file `ordain-group-id`.",
    remedy: "Give the pod its own volume back, or empty this one: then the pod copies the master.",
    test: "data_of_another_group_has_no_part_in_this_one",
};

// When the named pod may lead.

/// Nobody leads beside a living master.
pub const LIVING_MASTER: Rule = Rule {
    id: "living-master",
    sentence: "The named pod does not lead while exactly one other member lives as master: it moves the record there, with an epoch above all that were heard, and follows. Where two live, it is undecided.",
    why: "A Sentinel promotes a replica and dies before any other hears of it. The old master, which all others still name, restarts and leads beside the new one; what one of the two takes is lost.",
    seen: "`redis-0 follows redis-1, which lives as master, though the record names redis-0`; Event `Promoted` about redis-1. With two: `redis-0 waits: redis-1 and redis-2 live as masters`, and exit code 1.",
    remedy: "Nothing with one. With two stop the wrong one: what only that pod holds is lost.",
    test: "who_is_named_while_another_master_lives_follows_it_and_moves_the_record_past_every_epoch",
};

/// An empty directory leads nobody.
pub const NO_DATA: Rule = Rule {
    id: "no-data",
    sentence: "An empty data directory leads nobody, unless the group has never had a master or the directory carries the group's id, and in both cases every other member that exists has reported an empty one and none has copied a master. Data that cannot be loaded counts as lost.",
    why: "The master's volume is lost. Its pod starts empty as the master, and every replica copies that: all data is gone.",
    seen: "`redis-0 waits: its data directory is empty, and the group has had a master: its volume was lost`, and after `--deadline` exit code 1. Where data cannot be loaded: Event `DataDamaged`.",
    remedy: "Nothing, while another pod has the data: the holder is abandoned, and that pod is promoted. Where no pod has data: restore a backup into one pod's volume and name that pod by `ordain reconcile --assume-master POD`.",
    test: "an_empty_disk_without_a_stamp_does_not_lead_where_anybody_has_led",
};

/// A pod with older data does not lead.
pub const NEWER_DATA: Rule = Rule {
    id: "newer-data",
    sentence: "The named pod does not lead while another member's data is newer by more than `--down-after`.",
    why: "A stale record or Sentinels with old files make an old disk the master, and every replica copies it: what was written since is lost.",
    seen: "`redis-0 waits: its data (last written …) is older than that of redis-1 (last written …)`, and after `--deadline` exit code 1 with all the evidence.",
    remedy: "Nothing, where the other pod is about to start: `reconcile` abandons the holder at once where all have reported. Else start the pod that has the newer data.",
    test: "who_is_named_does_not_lead_while_a_peers_disk_is_newer",
};

/// Every member has reported its disk.
pub const ALL_REPORTED: Rule = Rule {
    id: "all-reported",
    sentence: "The named pod does not lead before every member that exists has reported its disk. One that stays silent is not waited for once this pod has tried for `--holder-grace`, counted over its restarts; one that answers or has just written a start marker is.",
    why: "After a power cut a holder that the record names wrongly is back first. It leads before the pod with the newest data can say so, and that pod then copies it: what was written since is lost.",
    seen: "`redis-0 waits: redis-1 has not reported its disk (rule all-reported, up to 4m12s more by --holder-grace)`; annotation `ordain.dev/trying-since` of the pod that waits.",
    remedy: "Bring redis-1 back: its log and `kubectl describe pod redis-1` say what it lacks. After `--holder-grace` it is not waited for.",
    test: "who_is_named_waits_for_every_pod_that_exists_until_the_grace_is_over",
};

/// One that was heard of lately is waited for.
pub const HEARD_LATELY: Rule = Rule {
    id: "heard-lately",
    sentence: "A member that was heard of within `--holder-grace` is waited for, however long this pod has waited.",
    why: "A pod has waited past the grace. The pod with the newest data restarts just then and is silent for a moment; the other leads without it, and the newest data is lost when its pod follows.",
    seen: "`redis-0 waits: redis-2 was heard of lately, and has not reported its disk`; annotation `ordain.dev/heard` of the pod that waits.",
    remedy: "Nothing: redis-2 reports as soon as it starts, and `--holder-grace` after it was last heard of it is not waited for.",
    test: "who_has_told_within_the_grace_is_waited_for_however_long_this_pod_has_waited",
};

/// Pods that are about to be made are waited for.
pub const LOWER_ORDINALS: Rule = Rule {
    id: "lower-ordinals",
    sentence: "A member of a lower ordinal or of an earlier set is waited for though its pod does not exist now, for as long as one that exists and is silent: its StatefulSet is about to make it.",
    why: "All pods are deleted. The one that a stale record names is made anew a moment before a pod of a lower ordinal that has the newest data, leads, and has that one copy it: the newest data is lost.",
    seen: "`redis-2 waits: redis-0 does not exist, and has not reported its disk`.",
    remedy: "Nothing, where redis-0 is being made. Where it is never made again, take its StatefulSet out of `--set`, or wait for `--holder-grace`.",
    test: "of_pods_that_do_not_exist_only_those_of_a_lower_ordinal_are_waited_for",
};

/// A start marker ends the disk report.
pub const START_MARKER_ENDS_REPORT: Rule = Rule {
    id: "start-marker-ends-report",
    sentence: "A disk report holds no more once the run that made it has written a start marker.",
    why: "A pod that has written its marker is about to take writes, and its report still describes the data before them. By that report another pod looks newer and leads beside it; what one of the two takes is lost.",
    seen: "`redis-1 waits: redis-0 has written a start marker and does not answer yet (rule all-reported)`; annotations `ordain.dev/mark` and `ordain.dev/marked-at` of the Lease.",
    remedy: "Nothing: redis-0 answers once its data is loaded. Where it does not come up, its own log says why; after `--holder-grace` it is not waited for.",
    test: "a_word_ends_when_its_instance_marks_the_record",
};

/// What a report says is over once its server has had a master.
pub const REPORT_EXPIRES: Rule = Rule {
    id: "report-expires",
    sentence: "A disk report holds until its server has had a link to a master or answers as master, and only for the server which that run started; once that is started and gone, nothing is known of the disk.",
    why: "A replica with an old disk copies the master and dies. By its report its data is still old, so that a stale holder leads over it, and the copy of the newest data is erased.",
    seen: "`redis-0 waits: redis-1 has not reported its disk`, though annotation `ordain.dev/disk` of redis-1 is there: its server was started since.",
    remedy: "Nothing, where redis-1 starts again: then it reports anew. Else as with [all-reported](#all-reported).",
    test: "a_word_ends_when_its_redis_was_started_and_is_gone",
};

/// Nobody leads in the middle of a failover.
pub const FAILOVER_POSSIBLE: Rule = Rule {
    id: "failover-possible",
    sentence: "The named pod does not lead while a failover may be under way: some replica may be promotable (silence counts as that), and it is not so that a majority of the Sentinels names this pod and not one of all names another, finds it down or is about to. It waits for the outcome, or for `--down-after` and ten seconds from when a failover became possible; while a Sentinel says that it is failing over, without limit.",
    why: "The master restarts while the Sentinels elect another. Both take writes, until Sentinel demotes the old one: what that one took is lost.",
    seen: "`redis-0 waits: a failover may be under way, for Sentinel 10.0.0.9:26379 finds this pod down (rule failover-possible, up to 15s more by --down-after)`.",
    remedy: "Nothing: the pod leads, or follows the pod that was promoted. Where too few Sentinels answer, bring them back: each start takes these seconds until then.",
    test: "who_is_named_waits_while_a_failover_may_be_under_way_and_leads_when_none_came",
};

/// A pod that was made anew has another address.
pub const RECREATED_POD: Rule = Rule {
    id: "recreated-pod",
    sentence: "A pod that was made anew waits for a failover likewise while a replica may be promotable, though a majority of the Sentinels finds nothing wrong: it has another address.",
    why: "Sentinel looks a name up only when it connects anew, and may find the pod down though it lives. It then promotes a replica beside a master that has just started, and what that one took is lost.",
    seen: "`redis-0 waits: the pod was made anew, and Sentinel may not find it in time (rule recreated-pod, up to 15s more by --down-after)`; annotation `ordain.dev/has-run` is not there.",
    remedy: "Nothing: it leads or follows within `--down-after` and ten seconds.",
    test: "a_pod_that_was_made_anew_waits_for_a_failover_unless_nobody_could_be_elected",
};

/// An abandoned holder does not lead.
pub const ABANDONED: Rule = Rule {
    id: "abandoned",
    sentence: "A holder that was abandoned does not lead until its data is seen to be the newest.",
    why: "The holder is back just when Sentinel promotes the replica that was made promotable in its place. Two masters take writes, and what the old one took is lost.",
    seen: "`redis-0 waits: it was abandoned while it was away, and leads only if its data is seen to be the newest`; annotation `ordain.dev/given-up` of the Lease.",
    remedy: "Nothing: it follows the pod that is promoted, or leads once all have reported and its data is the newest.",
    test: "a_holder_that_was_given_up_does_not_lead_and_follows_who_was_elected",
};

/// A person says who leads.
pub const FORCED_CLAIM: Rule = Rule {
    id: "forced-claim",
    sentence: "A person's decision (`ordain reconcile --assume-master POD`) lets the named pod lead once, whatever the disks hold. It is refused while another lives as master.",
    why: "Where all data is lost, or disks cannot be compared, no pod may lead: without a person's decision the group never comes back.",
    seen: "`--assume-master` lists what each other pod holds and what of it is lost, and asks for the pod's name; annotation `ordain.dev/assumed: open` of the Lease until the pod has started. Exit code 2 where another lives as master.",
    remedy: "Look at it with `--dry-run` first. Where the pod runs as a replica and there are no Sentinels, delete it afterwards, so that it starts as the master.",
    test: "a_persons_word",
};

/// The last look before a start.
pub const START_MARKER: Rule = Rule {
    id: "start-marker",
    sentence: "Right before a pod starts as master it writes a start marker into the record by compare-and-swap and looks at everything again. It starts only if nothing has changed and the marker is still its own.",
    why: "A pod decides that it leads and is then slow for a moment. Sentinel promotes another meanwhile, or a second pod decides the same; two masters take writes, and one of them loses its own.",
    seen: "`redis-0 looks again: another pod has written a start marker since`; annotations `ordain.dev/mark` and `ordain.dev/marked-at` of the Lease name the last pod that was about to start.",
    remedy: "Nothing: it decides anew within its `--deadline`.",
    test: "a_pod_that_does_not_look_again_starts_beside_whom_sentinel_promoted",
};

/// Without Sentinels only the holder writes.
pub const ONLY_HOLDER_WRITES: Rule = Rule {
    id: "only-holder-writes",
    sentence: "Without Sentinels only the recorded master leads, at once, with data under the group's id; else a person decides. It is never abandoned, and nobody is made promotable in its place.",
    why: "A replica that copied the master last looks newer than the master. The master waits for a failover that nobody can make: there are no writes until a person comes.",
    seen: "`redis-0 leads: the record names redis-0 at epoch 0, and no failover can be under way`. With an empty disk: `redis-0 waits: its data directory is empty, and the group has had a master`, and exit code 1.",
    remedy: "Nothing, where it leads. Where its volume is lost, name the pod that shall lead by `ordain reconcile --assume-master POD`.",
    test: "without_sentinels_the_holder_leads_with_its_data_however_late_it_was_copied",
};

/// An empty pod makes room for the next.
pub const LAST_RESORT: Rule = Rule {
    id: "last-resort",
    sentence: "Where pods are created in order, an empty pod that may not lead runs near the end of its `--deadline` as a replica of the first pod that does not exist yet, never promotable. Data that cannot be loaded is set aside for it only after `--holder-grace`.",
    why: "redis-0 has lost its volume and waits for pods with data. They are created only once redis-0 runs: the group never comes back.",
    seen: "`redis-0 … as a replica of redis-1, which does not exist yet`; redis-0 is ready without a link to a master.",
    remedy: "Nothing: the next pods are created, the one with the data leads, and redis-0 copies it.",
    test: "an_empty_pod_that_may_not_lead_runs_at_last_behind_the_first_pod_that_does_not_exist",
};

/// A replica starts with priority 0.
pub const START_UNPROMOTABLE: Rule = Rule {
    id: "start-unpromotable",
    sentence: "A replica starts with `replica-priority 0`, unless its data is known to be newer than the holder's and no older than anybody's; such a one writes a start marker and looks again, as a master does.",
    why: "After a power cut Sentinel takes any replica for fit, whatever it holds. It promotes one with old data or with none before the newest is back, and the newest copies that: its writes are lost.",
    seen: "`slave_priority:0` in the replica's `INFO replication` until it is in sync ([make-promotable](#make-promotable)).",
    remedy: "Nothing, where `ordain reconcile --watch` runs. Without it no replica becomes promotable.",
    test: "whoever_follows_starts_unpromotable_where",
};

// Where nobody claims anything.

/// Nobody has ever led.
pub const FIRST_BOOT: Rule = Rule {
    id: "first-boot",
    sentence: "Where there is no claim, no record (the API server says so), no living master or replica, and every member that exists has reported an empty data directory, the first pod creates the record and leads. The others wait for it.",
    why: "The Lease was deleted, the Sentinels have lost their files, and the first pod its volume. It takes that for a first boot and leads empty; the pods that still have the data copy it and erase theirs.",
    seen: "`redis-1 waits: redis-0, the first pod, has not created the record`; annotation `ordain.dev/new` of the Lease until a master has started.",
    remedy: "Nothing, while redis-0 starts. Else look at redis-0: its log says for what it waits.",
    test: "only_a_first_boot_makes_a_new_record_and_neither_adoption_nor_a_claim_does",
};

/// Data anywhere is no first boot.
pub const FIRST_BOOT_IS_EMPTY: Rule = Rule {
    id: "first-boot-is-empty",
    sentence: "It is no first boot while a member holds data, runs as a replica, or has not reported an empty data directory.",
    why: "A deleted Lease and one emptied volume look like a new group: the empty pod leads, and every replica erases its data to copy nothing.",
    seen: "`redis-0 waits: redis-1 has not reported its disk (rule first-boot-is-empty, up to …)`; where there is data the group is adopted ([adopt](#adopt)).",
    remedy: "Start the pod that the line names. Where it never comes back: `ordain reconcile --assume-master POD`.",
    test: "only_the_first_pod_waits_at_a_first_boot_for_what_others_have_to_tell",
};

/// Data without a claim.
pub const ADOPT: Rule = Rule {
    id: "adopt",
    sentence: "Where there is no claim and no record, but data, one living master is taken as it is. Else, once all members have reported, those that do not exist yet too, the newest data leads; else a person decides.",
    why: "A group is taken over from another tool, or the Lease and the Sentinels' files are lost. The first pod that reports leads with old data, and the newest is erased when its pod follows.",
    seen: "`redis-1 follows redis-2: nobody claims a master, and the data of redis-2 is the newest`, or `and redis-2 alone lives as one`. While a disk is not known: [adopt-after-all](#adopt-after-all).",
    remedy: "Have every pod start once. Where one never will, `ordain reconcile --assume-master POD` decides; it shows what would be lost.",
    test: "without_any_claim_the_most_advanced_disk_is_adopted_by_whoever_sees_them_all",
};

/// Only all disks together tell which one is the newest.
pub const ADOPT_AFTER_ALL: Rule = Rule {
    id: "adopt-after-all",
    sentence: "A group without claim and record is adopted only once every member has reported its disk, and each pod with its labels is known to be a member or none.",
    why: "The pod that has not reported may hold the newest data. It would copy an older master, and what was written since is lost.",
    seen: "`redis-1 waits: redis-0 has not reported its disk, there is data, and nobody knows who was the master`, and after `--deadline` exit code 1. Here nobody is left out after `--holder-grace`.",
    remedy: "Start the pod that the line names. Where it never comes back: `ordain reconcile --assume-master POD`.",
    test: "nothing_is_adopted_while",
};

// What reconcile puts right.

/// A report that says too little ends.
pub const END_REPORT: Rule = Rule {
    id: "end-report",
    sentence: "Where a server answers though its pod's disk report says that it has not started, `reconcile` ends the report.",
    why: "A replica started while the API server was away and could not say so. Once its server is gone its old report would count again, and an older disk would lead over what the replica has copied since.",
    seen: "`redis-1 runs: its disk report has expired`.",
    remedy: "Nothing: its replica may be made promotable after that.",
    test: "the_word_that_it_has_not_started_ends_for",
};

/// A replica in sync may be promoted.
pub const MAKE_PROMOTABLE: Rule = Rule {
    id: "make-promotable",
    sentence: "A replica that is in sync gets its own priority once a majority of the Sentinels finds nothing wrong with the master and its disk report is known to have ended. Not while the master hands over.",
    why: "Right after a master has restarted, before a failover that is about to begin, every replica's link looks well. One that is made promotable then is promoted over a master that lives, and what that one took is lost. Without the rule itself no replica is ever promoted.",
    seen: "`redis-1 is in sync: Sentinel may promote redis-1`; `slave_priority` in its `INFO replication` is above 0.",
    remedy: "Nothing. Where it stays at 0, `reconcile` says why: too few Sentinels, an unknown priority, the API server.",
    test: "nobody_becomes_promotable_before_a_majority_of_the_sentinels_finds_nothing_wrong_with_the_master",
};

/// A priority of 0 stays.
pub const KEEP_UNPROMOTABLE: Rule = Rule {
    id: "keep-unpromotable",
    sentence: "A replica whose own priority is 0 (`--priority 0`), and whose server has another, gets 0 again.",
    why: "A pod that shall never lead, for its disk is slow or it is kept for backups, becomes the master after somebody has set its priority by hand.",
    seen: "`redis-2 has the priority 0: Sentinel may not promote redis-2`.",
    remedy: "Nothing. To have it promoted set `--priority` and restart the pod.",
    test: "a_replica_with_the_priority_0_is_never_made_promotable_and_one_that_is_so_no_more_and_the_group_is_at_rest",
};

/// A holder that stays away is abandoned.
pub const ABANDON: Rule = Rule {
    id: "abandon",
    sentence: "While no master lives, a holder that stays away for `--holder-grace` is abandoned, and at once where every member that exists has reported and another's data is newer than its own by more than `--down-after`. A start marker begins the grace anew, and under an open forced claim nobody is abandoned.",
    why: "The holder's node is gone for good. All replicas started with priority 0, so Sentinel promotes none of them: there are no writes until a person comes.",
    seen: "`redis-0 stayed away, or its data is surpassed: abandoned as master`; annotation `ordain.dev/given-up` of the Lease. `reconcile` counts the grace from when it last saw a master, and anew after its own restart.",
    remedy: "Nothing, or bring the holder back within the grace. To decide at once: `ordain reconcile --assume-master POD`.",
    test: "a_holder_that_is_away_for_the_grace_is_given_up",
};

/// The newest data is not abandoned.
pub const NEWEST_NOT_ABANDONED: Rule = Rule {
    id: "newest-not-abandoned",
    sentence: "A holder whose data is the newest known and can be loaded is not abandoned, and one that was is taken back when its data is seen to be the newest.",
    why: "A holder with the newest data is slow to load or was away for a little too long. A replica with older data is promoted in its place, the holder copies it, and its writes are lost.",
    seen: "`the abandoned master is back: it may lead again`; annotation `ordain.dev/given-up` goes.",
    remedy: "Nothing: it leads when it has looked again.",
    test: "a_holder_is_not_given_up_whose_disk_is",
};

/// In an abandoned holder's place the newest.
pub const NEWEST_PROMOTED: Rule = Rule {
    id: "newest-promoted",
    sentence: "In the place of an abandoned holder the replica with the newest data is made promotable (what was copied from a master ranks above any disk report, an empty disk counts only if all are known), unless a member that does not run has reported newer data, or one that was heard of within `--holder-grace` is silent and may hold more. Where no Sentinel knows its address, the record names it and it starts anew to lead.",
    why: "A replica that happens to run has old data; the newest is just starting. The old one is promoted, and the newest is erased when its pod follows.",
    seen: "`redis-1 holds the newest data that is left: Sentinel may promote redis-1`, then Event `Promoted`.",
    remedy: "Nothing, where it is promoted. Where nobody is, start the pods that are down: one of them holds more, or may.",
    test: "nobody_is_elected_where",
};

/// An abandoned holder that leads.
pub const HOLDER_RETURNS: Rule = Rule {
    id: "holder-returns",
    sentence: "A holder that was abandoned and lives as the only master is not abandoned any more.",
    why: "The record goes on saying that the master may not lead. After its next restart it waits, though nobody else has what was written to it, and no writes are taken.",
    seen: "`the abandoned master is back: it may lead again`; annotation `ordain.dev/given-up` goes.",
    remedy: "Nothing.",
    test: "a_holder_that_was_given_up_and_lives_as_the_one_master_is_taken_back",
};

/// A master that runs as a replica starts anew.
pub const RESTART_HOLDER: Rule = Rule {
    id: "restart-holder",
    sentence: "While no master lives, a server that runs as a replica though it is claimed as master is started anew, where all that exist have reported and its data is the newest, or by an open forced claim. So is one that has had no link to a master and whose run has not reported its disk.",
    why: "Sentinel never promotes the pod that it already names. A holder that was started as a replica waits for a master for ever, and all others wait for it.",
    seen: "`restarting redis-1: no master lives, and redis-1 runs as a replica`; the container's restart count grows by one.",
    remedy: "Nothing: it decides anew when it starts.",
    test: "a_holder_that_runs_as_a_replica_with_the_newest_disk_starts_anew",
};

/// A replica that looks in the wrong place.
pub const FOLLOW_MASTER: Rule = Rule {
    id: "follow-master",
    sentence: "By addresses (`--announce ip`) a replica that follows an address where the master is not is made to follow the master, while nobody doubts who leads and no failover goes on.",
    why: "Sentinel knows only the replicas that the master lists. Such a one is unknown to every Sentinel: it stays without new data, serves old reads, and cannot be promoted.",
    seen: "`redis-2 follows an address where redis-0 is not: redis-2 follows redis-0 now`.",
    remedy: "Nothing: it is in sync within seconds.",
    test: "a_replica_that_follows_where_the_master_is_not_is_told_to_follow_it_for_no_sentinel_knows_it",
};

// Sentinels.

/// A Sentinel that starts watches the living master.
pub const SENTINEL_WATCHES_THE_LIVING: Rule = Rule {
    id: "sentinel-watches-the-living",
    sentence: "A Sentinel that starts watches the only living master where the claimed one is known to be none, and moves the record past every epoch.",
    why: "Sentinels without memory watch the holder of a stale record while a newer master lives. They find it down and promote a third pod: two masters, and what one of them took is lost.",
    seen: "`redis: watches redis-1, the only living master, though the record names redis-0`; Event `Promoted` about redis-1.",
    remedy: "Nothing.",
    test: "a_sentinel_watches_the_only_living_master_and_moves_the_record_past_every_epoch",
};

/// A Sentinel waits for a master that is starting.
pub const SENTINEL_WAITS: Rule = Rule {
    id: "sentinel-waits",
    sentence: "While no master lives, a Sentinel that starts waits for a pod that has written a start marker within `--holder-grace` and does not answer yet.",
    why: "It would find the starting master down before the data is loaded, and promote a replica beside it: two masters, and what the old one took is lost.",
    seen: "`redis: waits for redis-0, which has written a start marker and is starting`.",
    remedy: "Nothing: it goes on once redis-0 answers. If redis-0 does not start, its own log says why.",
    test: "a_sentinel_waits_for_a_pod_that_has_marked_the_record",
};

/// One group does not hold up the others.
pub const UNDECIDED_GROUP: Rule = Rule {
    id: "undecided-group",
    sentence: "Of several groups, one that nobody can decide keeps a Sentinel from the others for half of the deadline; then it starts without that group.",
    why: "One group that waits for a person keeps every restarted Sentinel down: no other group has a failover.",
    seen: "`cache-redis: undecided, and left to reconcile`, with the reason.",
    remedy: "Decide that group: its pods say what they wait for. `reconcile` adds it to this Sentinel once it has a master.",
    test: "a_sentinel_that_starts_again_watches_its_groups_though_nobody_can_decide_another",
};

/// A Sentinel is given the group.
pub const TELL_SENTINEL: Rule = Rule {
    id: "tell-sentinel",
    sentence: "A Sentinel that does not know the group is given it, with all its settings, while nobody doubts who leads: one master lives, and the record and every Sentinel that watches the group name it.",
    why: "A Sentinel that lost its file, or a group that was added at run time, has one vote less or none: no failover happens when the master dies.",
    seen: "`Sentinel 10.0.0.9:26379 does not know the group: …`: it is added there.",
    remedy: "Nothing. Where it fails, `reconcile` names the Sentinel and its error.",
    test: "a_sentinel_that_does_not_know_the_group_is_told_while_nobody_doubts_who_leads",
};

/// Replicas that are gone are forgotten.
pub const FORGET_REPLICAS: Rule = Rule {
    id: "forget-replicas",
    sentence: "A Sentinel that knows more replicas than there are members forgets them (`SENTINEL RESET`): while every member answers in sync, every Sentinel answers and knows all others and none fails over; one Sentinel at a time.",
    why: "Sentinel reports and tries to reach replicas that are gone for good. If all Sentinels forget at once, or one that is needed, nobody can be promoted when the master dies.",
    seen: "`Sentinel 10.0.0.9:26379 knows replicas that are gone: …`.",
    remedy: "Nothing: within seconds it knows those that live.",
    test: "one_sentinel_at_a_time_forgets_the_replicas_of_which_there_are_too_many",
};

/// A Sentinel that names another master.
pub const DIVERGED_SENTINEL: Rule = Rule {
    id: "diverged-sentinel",
    sentence: "A Sentinel that names another master than all others for half a minute, by no newer epoch, forgets the group and is given it again, but not while the master hands over.",
    why: "A Sentinel that lost its own failover names the wrong master for ever. Clients that ask it write to a replica, and it may promote a third pod later.",
    seen: "`Sentinel 10.0.0.9:26379 goes on naming … (rule diverged-sentinel)`: that Sentinel forgets the group, and is given it again.",
    remedy: "Nothing.",
    test: "a_sentinel_that_names_another_by_no_newer_epoch_is_stubborn",
};

/// Where the master was before nobody is.
pub const SENTINEL_LOOKS_ELSEWHERE: Rule = Rule {
    id: "sentinel-looks-elsewhere",
    sentence: "Sentinels that look for the master at an address where it is not any more forget the group, once one of them finds it down, and are given its new address.",
    why: "No Sentinel finds a master that was made anew at another address: soon they elect another in the place of one that lives.",
    seen: "`Sentinel redis-0:26379 goes on naming … (rule sentinel-looks-elsewhere)`: that Sentinel forgets the group, and is given it again.",
    remedy: "Nothing: `reconcile` does it. With `--announce hostname` it does not happen.",
    test: "a_sentinel_that_looks_for_the_master_where_it_was_forgets_the_group_and_is_told_where_it_is",
};

// Labels, and the rest.

/// The record says who carries which label.
pub const RECORD_NAMES_MASTER: Rule = Rule {
    id: "record-names-master",
    sentence: "The pod that the record names carries the master label, and every other member the replica's.",
    why: "Two runs that label by what each has heard give two pods the master label, and clients write into both.",
    seen: "`kubectl get pods -L role` agrees with the holder of the Lease.",
    remedy: "Nothing: a label that differs is put right by the hook and by `reconcile`.",
    test: "the_old_masters_label_goes_before_the_new_one_comes",
};

/// A replica with old data has no label.
pub const WITHHOLD_STALE: Rule = Rule {
    id: "withhold-stale",
    sentence: "A replica whose link to the master has been down for `--stale-after` carries no label until it is in sync.",
    why: "Clients of the replicas' Service read old data, for hours if nobody looks.",
    seen: "No role label on the pod, annotation `ordain.dev/withheld`, Event `Relabelled`.",
    remedy: "Nothing, where it is about to be in sync. Else look why the link is down: `kubectl logs POD -c redis` says whether it cannot reach the master or log in.",
    test: "a_replica_whose_link_has_been_down_for_too_long_is_withheld_until_it_is_up",
};

/// A master that hands over has no label.
pub const HANDING_OVER_UNLABELLED: Rule = Rule {
    id: "handing-over-unlabelled",
    sentence: "A pod that hands over carries no label until its handover has had five seconds, whoever sets labels meanwhile.",
    why: "A hook or `reconcile` gives the label back in the middle of a handover. The Service sends clients to a server that holds their writes back, and then refuses them as a replica.",
    seen: "No role label on the pod, annotation `ordain.dev/hands-over`.",
    remedy: "Nothing: after five seconds it has the label that the record gives it.",
    test: "who_hands_over_is_stamped_and_carries_no_label_until_the_handover_has_had_its_time",
};

/// Whoever is not sure waits.
pub const UNDECIDED: Rule = Rule {
    id: "undecided",
    sentence: "Anything else waits within the `--deadline`, then ends with exit code 1 and all the evidence.",
    why: "Silence is no proof. A pod that guesses leads beside a master that it cannot see, or follows one whose data is older: either loses data, and waiting loses none.",
    seen: "`redis-0 waits:` with what it lacks; `undecided after 60.0s: redis-0 waits: …`, the evidence, and exit code 1. The kubelet then starts it again.",
    remedy: "Bring back what the line names. Where that never comes back, a person decides: `ordain reconcile --assume-master POD`.",
    test: "a_group_of_which_nothing_is_heard_is_undecided_with_all_the_evidence",
};

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
