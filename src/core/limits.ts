/**
 * Every bound of the program, each with its reason. A number that limits a queue, a loop, a retry, a cache or a
 * wait stands here and nowhere else (I11). Units stand last in the names.
 *
 * Length: one place to look, and nothing in it but numbers.
 */

// ── names and values ──────────────────────────────────────────────────────────────────────────────────────────────
/** Site names stand in stream, consumer and subject names; NATS advises at most 32 characters for such parts. */
export const SITE_NAME_LENGTH_MAX = 32;
/** NATS refuses protocol lines above 4 KiB by default; a key shares the line with its prefix and a reply subject. */
export const KEY_LENGTH_MAX = 3_000;
/** Names of sites that are kept once, however often they come; anybody may invent more. */
export const SITES_REMEMBERED_MAX = 1_024;
/** The year 2255 in microseconds, the last integer that a JavaScript number holds exactly. */
export const TIMESTAMP_US_MAX = Number.MAX_SAFE_INTEGER;

// ── configuration ─────────────────────────────────────────────────────────────────────────────────────────────────
/** A config of 10,000 buckets is below 1 MiB; more is a mistake or an attack, refused before parsing. */
export const CONFIG_BYTES_MAX = 4 * 1024 * 1024;
/** Deeper nesting than the schema has by far; refused before the parser recurses. */
export const CONFIG_DEPTH_MAX = 32;
/** YAML aliases may repeat a list or two; more is an alias bomb. */
export const CONFIG_ALIASES_MAX = 100;
/** Words, signs and spaces of a config text: 10,000 buckets with five settings each have 850,000. Parsing as many as this
 *  holds the event loop for one to two seconds, which a process that reads a hostile file survives. */
export const CONFIG_TOKENS_MAX = 1_000_000;
/** Values after aliases are followed: an alias may repeat a large part, and a part may hold aliases again. */
export const CONFIG_NODES_MAX = 250_000;
/** Ten years: longer is a typing error, and sums of times and durations stay exact integers. */
export const DURATION_MS_MAX = 3_650 * 86_400_000;
/** Timers hold 2^31 - 1 ms; a longer interval would fire at once. */
export const RECONCILE_INTERVAL_MS_MAX = 24 * 86_400_000;
/** Problems reported at once: a person mends a screenful, not ten thousand lines. */
export const CONFIG_PROBLEMS_MAX = 100;
/** Editors write a file in several steps; changes within this time are one change. */
export const CONFIG_DEBOUNCE_MS = 100;
/** File systems without events (NFS, some container mounts) are noticed by content hash this often. */
export const CONFIG_POLL_MS = 5_000;

// ── connections ───────────────────────────────────────────────────────────────────────────────────────────────────
/** One attempt to connect, handshake included. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** Between two attempts of the client library to reconnect; it adds its own jitter. */
export const RECONNECT_WAIT_MS = 500;
/** A half-open connection is noticed after two unanswered pings. */
export const PING_INTERVAL_MS = 5_000;

// ── reading streams ───────────────────────────────────────────────────────────────────────────────────────────────
/** Messages asked for and not yet settled, per reader: the only thing that bounds a reader's memory. */
export const READ_WINDOW_MESSAGES = 2_048;
/** Bytes asked for and not yet settled, per reader, headers among them: a window of 1 MiB values must not become 2 GiB.
 *  A server that takes larger messages than this is asked for as much as one of them has. */
export const READ_WINDOW_BYTES = 32 * 1024 * 1024;
/** Places that are asked for at once where a server may have passed over messages: each may bring one as large as they come. */
export const PASSED_OVER_AT_ONCE = 16;
/** A pull request lives this long: behind a leaf node nobody else tells us that the link is gone. */
export const PULL_EXPIRES_MS = 5_000;
/** The server's sign of life while a pull waits. */
export const PULL_HEARTBEAT_MS = 2_000;
/** More than two signs of life missed: the reader is lost. */
export const PULL_SILENCE_MS = 5_500;
/** The server forgets a consumer that nobody pulls from after this time: nothing of ours outlives us for long. */
export const CONSUMER_INACTIVE_MS = 60_000;
/** A consumer is made and removed in milliseconds, also on a busy machine within a second; one that a cluster puts on a server
 *  which has just died is never made. */
export const CONSUMER_ANSWER_MS = 2_000;
/** Of three servers one is dead, and each attempt goes to any of them: so many in a row go there once in a thousand times. */
export const CONSUMER_ATTEMPTS_MAX = 6;

// ── what several buckets ask of one peer ──────────────────────────────────────────────────────────────────────────
/** Of `priority`. */
export const PRIORITY_MAX = 10;
/** What one request takes of a link's `bytesPerSecond`, in time: whoever goes first waits no longer than that for one who
 *  does not, and a round trip is short against it. */
export const LINK_GRANT_MS = 500;
/** At least so much, whatever the limit: smaller requests would be as large as what they bring. */
export const LINK_GRANT_BYTES_MIN = 4 * 1024;
/** Grants that a reader gathers for its next request while one is on its way: as many as fall due in a round trip of a slow
 *  link with others' data in front. */
export const LINK_GRANTS_HELD_MAX = 4;
/** Timers hold 2^31 - 1 ms, and the debt for one large message may take longer. */
export const LINK_LOOK_MS = 60_000;
/** What reconcile fetches counts so many steps of priority below its bucket: the log brings most of it, once. */
export const FETCH_PRIORITY_STEPS = 4;
/** Values that reconcile fetches wait so long for their turn; the next round asks again. */
export const FETCH_TURN_MS = 5_000;
/** A reader that begins far behind asks for so few at first: a round trip later all are known that begin with it. */
export const LINK_FIRST_WINDOW = 16;
/** A bucket that has asked for nothing for so long does not get on, and nobody makes room for it. */
export const LINK_RESTS_MS = 1_000;

// ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────
/** A publish without an answer this long has an unknown outcome. */
export const PUBLISH_TIMEOUT_MS = 5_000;
/** How often publishes are looked over for that. */
export const PUBLISH_SWEEP_MS = 500;
/** Requests to the JetStream API. */
export const REQUEST_TIMEOUT_MS = 5_000;
/** Operations in flight to an operation log: enough to fill a round trip, small enough to send again. */
export const APPEND_WINDOW_OPERATIONS = 1_024;
/** An apply that lost its race waits this long for the tail to show the winner before it looks again. */
export const APPLY_TAIL_WAIT_MS = 2_000;
/** Answers missed in a row before it is told: a single one gets lost now and then. */
export const UNANSWERED_IS_TROUBLE = 2;
/** Times that one operation may lose its race in a row before the pipeline starts afresh. */
export const APPLY_ATTEMPTS_MAX = 50;

// ── durable state ─────────────────────────────────────────────────────────────────────────────────────────────────
/** A checkpoint is written at most this often: after a crash at most this much is read and ignored again. */
export const CHECKPOINT_INTERVAL_MS = 1_000;
/** The causality floor is written this far ahead, so that a busy bucket writes it once in this time. */
export const FLOOR_AHEAD_US = 5_000_000;
/** Each run stamps above the floor by a share of this of its own: a store that is put back has two runs begin at one floor. */
export const FLOOR_APART_US = 1_000_000;
/** What a run stamps above a floor that the clock guard has brought down to its limit is ahead of that for a moment only. */
export const RELOG_GRACE_US = 2 * FLOOR_APART_US;
/** How many microseconds above its predecessor a write is stamped whose own time is not above it, at most: prime, so that all the
 *  digits of its time count, and few, so that a key that is written thousands of times a second does not run away from the clock. */
export const STAMP_STEPS = 251;
/** Causality records kept beside the floor; beyond this the floor is raised to cover them all. */
export const CAUSALITY_RECORDS_MAX = 1_000;
/** The keys of those records together. They are saved as one message, and NATS refuses messages above 1 MiB by default. */
export const CAUSALITY_KEY_BYTES_MAX = 256 * 1024;
/** Times that one record is saved anew because somebody else wrote it meanwhile: each time another write has won, and only
 *  gateways of one site compete, so more than this is a fault of the state itself. */
export const STATE_SAVES_MAX = 10;
/** Records of the site state looked at together while they are listed. */
export const STATE_READS_MAX = 64;
/** Records of the site state written together, behind the work. */
export const STATE_WRITES_MAX = 32;
/** Operations set aside per bucket. Beyond this the reader stops: what is set aside must stay countable by a person. */
export const SET_ASIDE_PER_BUCKET_MAX = 10_000;

/** Of these shown at once: more is a cause to be mended, not a list to be read. */
export const SET_ASIDE_SHOWN_MAX = 1_000;

// ── clocks ────────────────────────────────────────────────────────────────────────────────────────────────────────
/** How often it is looked whether the clock has been put right, or the time of what is set aside has come. */
export const CLOCK_LOOK_MS = 5_000;
/** Own writes far in the future are logged again when every peer has answered, or after so many looks one of them: a minute or two. */
export const RELOG_LOOKS_IN_VAIN_MAX = 12;
/** Two clocks that keep time over a network differ by less; more is told. */
export const CLOCK_SKEW_WARN_MS = 5_000;

// ── streams that are being made ───────────────────────────────────────────────────────────────────────────────────
/** A stream that is younger by the local clock may be on its way still; wide, since clocks differ. */
export const YOUNG_STREAM_MS = 10_000;
/** So long is waited for it: making one takes a server milliseconds, and on a busy disk a few hundred. */
export const YOUNG_STREAM_WAIT_MS = 1_000;

// ── clusters ──────────────────────────────────────────────────────────────────────────────────────────────────────
/** How often it is looked whether a stream to which replicas are added is led again, and for how long: it takes some tenths
 *  of a second (seen), and a bucket that goes on without it is tried again. */
export const REPLICAS_LOOK_MS = 100;
export const REPLICAS_LOOKS_MAX = 50;
/** A replicated stream whose leader has died takes nothing for 4 to 8 s (seen); so long the site's state is waited for before
 *  the bucket starts afresh. */
export const STATE_PATIENCE_MS = 10_000;
/** Between two attempts in that time. */
export const STATE_AGAIN_MS = 250;

// ── retries ───────────────────────────────────────────────────────────────────────────────────────────────────────
/** The visible back-off list: the last one repeats. Ends at 15 s, so that a healed site is noticed within that. */
export const BACKOFF_MS: readonly number[] = [100, 250, 500, 1_000, 2_000, 5_000, 10_000, 15_000];
/** Share of a delay that is random, so that a hundred pipelines do not come back in one moment. */
export const BACKOFF_JITTER = 0.3;
/** A run that lived this long was healthy: the next failure starts at the head of the list again. */
export const BACKOFF_RESET_MS = 60_000;
/** Failures in a row that cannot mend themselves (a bucket of the wrong kind) before a pipeline is parked. */
export const PARK_AFTER_FAILURES = 20;

// ── two gateways of one site ──────────────────────────────────────────────────────────────────────────────────────
/** How often a waiting gateway looks whether the site has become free. */
export const LEASE_LOOK_MS = 1_000;
/** How often the holder looks whether it still is, and renews the lease if somebody has asked since. */
export const LEASE_RENEW_MS = 2_000;
/** A lease that was not renewed for so long, by the waiting gateway's own clock, is nobody's: three renewals were missed.
 *  With a look, a question without an answer and the first round trips, a takeover stays below 15 s. */
export const LEASE_TTL_MS = 8_000;
/** Looks in a row at which the server knew of nobody who answers for the holder: after a restart of the server the holder
 *  may come back a moment later than whoever waits. */
export const LEASE_ABSENCES = 2;
/** Gateways that share a site's buckets: each asks each other whether it is there at every look. */
export const MEMBERS_MAX = 16;
/** A gateway answers at once that it is there. */
export const PRESENCE_ANSWER_MS = 1_000;
/** Giving the lease back is a courtesy at the end of a stop. */
export const LEASE_RELEASE_MS = 1_000;

// ── life of the process ───────────────────────────────────────────────────────────────────────────────────────────
/** SIGTERM to exit: stop pulling, finish what is in flight, checkpoint, drain. */
export const SHUTDOWN_MS = 10_000;
/** After that nothing of ours holds the process. What a library was just doing is given as long as an attempt to connect may
 *  take; what is there still is told, and the process ends all the same. */
export const LINGER_MS = CONNECT_TIMEOUT_MS;
/** One pipeline's share of that. */
export const PIPELINE_STOP_MS = 5_000;
/** A reader of a peer that does not answer: the server forgets its consumer by itself, so the stop goes on without it. */
export const READER_STOP_MS = 500;
/** HTTP bodies: the largest is a config text. */
export const HTTP_BODY_BYTES_MAX = CONFIG_BYTES_MAX;

// ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────────
/** A gateway answers from memory; longer means that nobody is there. */
export const GATEWAY_ANSWER_MS = 5_000;
/** What changes something takes longer: a pause waits for the bucket's orderly stop, behind a reload at worst. */
export const GATEWAY_ACT_MS = 2 * SHUTDOWN_MS;
/** How often `kvgw reconcile` looks for results, and for how long: the rounds go on without it. */
export const RECONCILE_POLL_MS = 250;
export const RECONCILE_WAIT_MS = 5 * 60_000;
/** `verify` looks at a differing key again this often and this much later each time, unless told otherwise: two seconds in
 *  all, which is more than an operation takes on its way, and than the second by which two sites may round a time to live
 *  apart. */
export const VERIFY_RETRIES = 4;
export const VERIFY_WAIT_MS = 500;
/** What may be told otherwise: a thousand times an hour is longer than anybody waits for an answer. */
export const VERIFY_RETRIES_MAX = 1_000;
export const VERIFY_WAIT_MS_MAX = 3_600_000;
/** Keys fall into this many ranges by their hash, and `verify` keeps sums per range: 4 MiB per site, however many keys there
 *  are. Sites that differ in few keys differ in few ranges, of a few keys each. A power of two. */
export const VERIFY_RANGES = 65_536;
/** Keys of one site that are summed up in one reading, of which those that were written there cost 16 bytes each; a larger
 *  bucket is read once for each part of its ranges. */
export const VERIFY_SLICE_KEYS = 8_000_000;
/** Entries of differing ranges, of all sites together, that are listed in one reading: some 500 bytes each. */
export const VERIFY_LISTED_ENTRIES = 200_000;
/** Differing keys that are looked at again together. Once so many are certain, the rest is not looked at. */
export const VERIFY_BATCH_KEYS = 5_000;
/** Single reads on their way at once, per site. */
export const VERIFY_READS_MAX = 64;
/** Times that one of them is asked. An answer gets lost now and then (seen with 2.9, while another stream is being made),
 *  and it should not be the end of a long comparison. */
export const VERIFY_READ_ATTEMPTS = 3;
/** Differing keys that are shown per bucket: a screenful. */
export const VERIFY_SHOWN_KEYS = 20;
/** The demo's story, when all goes well: a few seconds. Stopping comes on top of it; both stay below 30 s. */
export const DEMO_STORY_MS = 24_000;
/** One condition that the demo waits for, such as a gateway that becomes ready. */
export const DEMO_WAIT_MS = 10_000;
/** A child that was asked to stop is killed after this time. */
export const DEMO_STOP_MS = 3_000;
/** Lines of a child's log that are kept, for the failure after which they are shown. */
export const DEMO_LOG_LINES = 15;

// ── reconcile ─────────────────────────────────────────────────────────────────────────────────────────────────────
/** Keys in one leaf of the digest tree: few enough to list instead of narrowing further, enough that a million keys need
 *  some fifty thousand nodes. */
export const DIGEST_LEAF_KEYS_MAX = 32;
/** Digits of a key's hash, which has 32 bits. */
export const DIGEST_PREFIX_LENGTH_MAX = 8;
/** Prefixes in one question: the answer, 16 digests of 50 bytes for each, stays below 64 KiB. */
export const QUESTION_PREFIXES_MAX = 64;
/** Keys in one question or page; with long keys the bytes below end it sooner. */
export const QUESTION_KEYS_MAX = 400;
/** Bytes of keys in one question or page: with versions and the rest it stays below 64 KiB. */
export const QUESTION_KEY_BYTES_MAX = 32 * 1024;
/** Work between two looks at the clock, and the time after which others get their turn: long enough not to cost anything,
 *  short enough that no latency shows it. */
export const DIGEST_REFRESH_LEAVES = 16;
export const SLICE_MS = 10;
/** Differing keys kept in memory; from there on they are repaired as they are found, and the next round proves it. */
export const RECONCILE_KEYS_MAX = 1_000;
/** Bytes of a value in one answer: larger values come in parts, so that no server's limit keeps them away. */
export const FETCH_PART_BYTES = 256 * 1024;
/** Questions of one peer that are worked on at once; a further one is refused, and asked again by the next round. */
export const ANSWERS_AT_ONCE_MAX = 64;
/** Values on their way from one peer at once: of 1 MiB each they are 16 MiB. */
export const RECONCILE_FETCHES_MAX = 16;
/** Operations in flight settle within this time, or within so many times it. */
export const RECONCILE_LOOK_AGAIN_MS = 500;
export const RECONCILE_LOOKS_MAX = 10;
/** The first round waits until the logs have had a chance to bring what is missing; twice as long at most, so that the
 *  buckets of a start do not all ask at once. */
export const RECONCILE_FIRST_MS = 2_000;
/** After a round that found differences, or failed: soon, but not so soon that it costs anything, and twice as long each
 *  time up to the interval, since there are lasting differences. */
export const RECONCILE_AGAIN_MS = 15_000;
/** Single reads on their way at once, to confirm that messages have gone. */
export const VANISHED_READS_MAX = 32;
/** Of a ghost's value in one record of the state: as text it is a third larger, and below every server's limit. */
export const GHOST_PART_BYTES = 256 * 1024;
/** How often tombstones are looked over, or four times in `tombstoneTtl` where that is shorter. */
export const SWEEP_INTERVAL_MS = 60_000;
/** Tombstones that are removed at once: each takes a request to the bucket and one or two to the log. */
export const SWEEPS_AT_ONCE_MAX = 32;
/** Share of an interval that is random: peers and buckets must not stay in step. */
export const RECONCILE_JITTER = 0.2;

// ── deadlines ─────────────────────────────────────────────────────────────────────────────────────────────────────
/** How often it is looked whether deadlines have passed: a time to live is counted in seconds. */
export const EXPIRY_INTERVAL_MS = 1_000;
/** Deadlines between two looks at the clock: ending a key costs a few microseconds. */
export const EXPIRY_KEYS_AT_ONCE = 256;
/** Servers end entries up to a second late, and a time to live is rounded up to a second: after this time what still
 *  stands there is not about to go by itself. */
export const EXPIRY_GRACE_MS = 3_000;
/** An entry that its server is to end stands there still, because that server's clock is behind; or no answer came. */
export const EXPIRY_LOOK_AGAIN_MS = 10_000;
/** Ended keys that are looked up in the bucket at once. */
export const EXPIRY_LOOKS_AT_ONCE_MAX = 32;
// ── heartbeat ─────────────────────────────────────────────────────────────────────────────────────────────────────
/** How often a peer's gateway is asked for its pulse. */
export const HEARTBEAT_MS = 5_000;
/** An answer that comes later counts as missed. Less than the interval, so that never two questions are on their way. */
export const PULSE_ANSWER_MS = 4_000;
/** How long a gateway that shares its site's buckets waits for what the others say of theirs: longer than they wait for what is
 *  under way to a log, and short enough to answer in time although one of them does not. */
export const PULSE_BESIDE_MS = 2_000;
/** Beats missed in a row before a peer is told to be silent: a gateway that is started anew misses one. The second one is
 *  missed 15 s after the last answer at the latest. */
export const PULSES_MISSED_MAX = 2;
/** After the first bucket has asked for beats: the others of a start are asked for in the same question. */
export const PULSE_FIRST_MS = 500;
/** A peer that says so shortly after has logged everything: a busy bucket is never at rest when it is looked at. */
export const PULSE_FRESH_MS = 2.5 * HEARTBEAT_MS;
/** Questions for the pulse that are worked on at once: each peer has one on its way at most, and all of them may ask in one
 *  moment, as after a restart of their hub. A refused one would count as a missed beat. */
export const PULSES_AT_ONCE_MAX = SITES_REMEMBERED_MAX;
/** How long an answer waits for what is under way to the log, to say how far that has come. */
export const PULSE_PROBE_MS = 1_000;
/** Buckets in one question, and the bytes of their names together: question and answer stay below 64 KiB. More buckets make
 *  more questions, one after the other. */
export const PULSE_BUCKETS_MAX = 256;
export const PULSE_NAME_BYTES_MAX = 16 * 1024;
/** How often the end of a bucket is looked at whose tail brings nothing: what was written before one look must have come by
 *  the next. That a tail has died is seen at the third look at the latest, within 15 s. More than two of a server's signs of
 *  life, which tell how far it has looked itself. */
export const TAIL_LOOK_MS = 4_500;
/** Up to so many quiet buckets are looked at one by one; more are asked for in lists, of 256 in one answer. */
export const TAIL_LOOKS_SINGLE_MAX = 16;
/** Buckets of others in the same account make the lists longer; beyond this the rest is not looked at. */
export const TAIL_LOOKS_LISTED_MAX = 20_000;

// ── service listing ───────────────────────────────────────────────────────────────────────────────────────────────
/** Endpoints listed in one answer to `nats micro`: of some hundred bytes each they stay below 64 KiB. */
export const ENDPOINTS_LISTED_MAX = 200;
