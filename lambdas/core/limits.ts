/**
 * Every timeout, grace period, cap, period and size of the control plane, in milliseconds unless the name says
 * otherwise.
 */

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Lambda timeout of both functions. A step takes seconds; a minute leaves room for a slow vendor's retries. */
export const HANDLER_TIMEOUT = 60 * second;
/** After this much of an invocation no new step begins: the rest is for finishing and for releasing the lease. */
export const HANDLER_BUDGET = 40 * second;
/** Longer than the handler can live, so that a crashed holder's lease cannot overlap with a living one. */
export const LEASE = 75 * second;
/** A loop with more steps than any real case needs is a bug in `decide`: stop, record it, reconcile again later. */
export const MAX_STEPS = 30;

/** Number of tries to release a row while messages for it arrive all the time. */
export const RELEASE_TRIES = 5;

/** A boot takes 25-35 s, an SSM agent's first failure 5 minutes; a host that is unresponsive for longer is replaced. */
export const BOOT_DEADLINE = 6 * minute;
/** After this many hosts that never reported, the host is not the cause. */
export const MAX_BOOT_ATTEMPTS = 2;
/** For pulling, building and starting together. Users of comparable products report builds of up to 30 minutes. */
export const DEPLOY_DEADLINE = 40 * minute;
/** How often a host may ask for one archive's address: it is valid for minutes, and a host asks for a reason. */
export const MAX_REVISIONS = 4;
/** If pushes come faster than builds end, one build may finish once per this period, so that something is shown. */
export const STARVATION = 10 * minute;

/** A forge answers 404 for a moment after transfers and outages; absence counts after two sightings this far apart. */
export const GONE_CONFIRMATION = 15 * minute;
/** When a pull request that was not found is asked for again, counted from the first time. */
export const GONE_SIGHTINGS = [minute, 4 * minute, GONE_CONFIRMATION] as const;
/** Lost access may come back (the App is installed again): the disk is kept for at least this long. */
export const AWAY_DISK_KEPT = day;
/** When to ask again if the forge gave no clear answer; after a while the sweep does it (MAX_TIMERS_IN_A_ROW). */
export const UNKNOWN_RETRY = 2 * minute;
/** Two accesses that are lost within this time suggest a fault of the forge or of Eph. */
export const LOSSES_TOGETHER = hour;
/** For this long nothing follows from such losses, then they are believed. An alarm gives the operator time to act. */
export const LOSS_FREEZE = day;

/** Tombstones outlive the forge's redelivery window (3 days) and SQS retention (4 days). */
export const TOMBSTONE_SECONDS = (7 * day) / second;
export const EVENT_SECONDS = (30 * day) / second;
export const BUILD_SECONDS = (90 * day) / second;

/** The first retry waits this long, and each further one twice as long. */
const BACKOFF_BASE = 5 * second;
const BACKOFF_CAP = 10 * minute;
/** Capacity returns within minutes, and a quota has room when another environment stops. */
export const CAPACITY_RETRY = 2 * minute;
/** After this many failures in a row, people get a report (the retries continue). */
export const RETRIES_BEFORE_REPORTING = 3;

/** The operator's pause may be read from a cache this old. `make pause` wakes everything, which reads it again. */
export const PAUSE_MAX_AGE = minute;
/** Before a machine is switched on: nearly current, and no second call for the value that the run began with. */
export const PAUSE_MAX_AGE_AT_LAUNCH = 5 * second;
/** `make resume` wakes the environments that wait; this is for those that it missed. */
export const PAUSED_RECHECK = hour;
/** After a roll-back, a row of a newer version is left alone; this often Eph checks whether that version is back. */
export const NEWER_RECHECK = hour;
/** An environment that is not settled and makes no progress for this long is reported to the operator. */
export const STUCK_AFTER = hour;

/** SQS refuses a longer DelaySeconds; anything later is left to the sweep. */
export const MAX_DELAYED_WAKE = 15 * minute;
/**
 * After this many runs in a row that only the row's own timer started, the sweep alone wakes the row: a row that waits
 * for ever must not cost a run every few seconds for ever. Together with the message that started it and one that is
 * passed on, a chain stays below the 16 invocations after which Lambda would end it.
 */
export const MAX_TIMERS_IN_A_ROW = 12;

/**
 * For this long after RunInstances an instance may be missing from EC2's answers, also from those by client token.
 * https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html speaks of minutes.
 */
export const LAUNCH_LAG = 5 * minute;
/** Lists of EC2 and Cloudflare lag behind; a unit younger than this is not yet an orphan. */
export const ORPHAN_GRACE = 10 * minute;
/** An orphan is removed when two sightings at least this far apart have found it. */
export const ORPHAN_CONFIRMATION = 45 * minute;
/** An orphaned machine is stopped first, and terminated when nobody has missed its disk for this long. */
export const ORPHAN_MACHINE_KEPT = day;
/** Two garbage collections have not seen it: the next sighting is a first one. */
export const ORPHAN_SIGHTING = 2.5 * hour;
/** A bug in the garbage collection must not be able to empty an account in one run. */
export const ORPHAN_CAP = 20;
/** A host runs somebody's code and may claim any number of services; each costs a DNS record of a zone's 200. */
export const MAX_PUBLIC_SERVICES = 20;
/** The main one, those of the current services, and as many of earlier versions; older ones are removed. */
export const MAX_ADDRESSES = 1 + 2 * MAX_PUBLIC_SERVICES;
/** Calls of a provider in one step: each name is saved, one is removed for each that is made, and the rest of it. */
export const MAX_ADDRESS_MOVES = 3 * MAX_ADDRESSES;
/** Calls of a provider in one step: begin, make, register; or find, terminate, remove its mailbox, remove its row. */
export const MAX_HOST_MOVES = 8;
/** Size, as JSON, of what a provider may remember of its part of one environment. */
export const MAX_HANDLE_BYTES = 8 * 1024;
/** How often one run writes a deployment spec over what is in a mailbox; the host may write there, too. */
export const WRITE_TRIES = 3;
/** Objects of a mailbox that one run deletes (ten calls, a few seconds); a host may write any number. */
export const MAX_CLEARED_OBJECTS = 5_000;
/** Names that XML cannot carry are deleted with one call each. */
export const MAX_CLEARED_ONE_BY_ONE = 100;
/** Number of rows that one sweep wakes; the next sweep takes the rest. */
export const DUE_CAP = 500;

/**
 * What one row may hold, in bytes of UTF-8. DynamoDB refuses an item of more than 400 KB, and an environment whose row
 * cannot be saved never closes, so everything that others write into it has a bound: a host's report, eph.yaml, the
 * forge's texts, the errors of vendors. The largest possible row has less than 100 KB (`tests/core/row-size.test.ts`
 * builds it):
 *
 *   settings of eph.yaml                       32 KB
 *   services 20                                 9 KB
 *   what the ingress remembers                  8 KB
 *   failure: sentence, last lines of the log   14 KB
 *   warnings 20                                10 KB
 *   retries, one for each kind of step         10 KB
 *   pull request, machine, all the rest         9 KB
 */
/** Counted as JSON, with every alias of YAML expanded. Previews that need more keep it in a file of the repository. */
export const MAX_SETTINGS_BYTES = 32 * 1024;
/** A comment shows at most 6,000 characters of it. */
export const MAX_LOG_BYTES = 12 * 1024;
export const MAX_LOG_LINES = 60;
export const MAX_LOG_LINE_BYTES = 2_000;
/** This is room for eight problems of one eph.yaml. */
export const MAX_SENTENCE_BYTES = 2_000;
/** Why a step is tried again, or why a provider ended a machine: such texts are one or two sentences. */
export const MAX_REASON_BYTES = 450;
export const MAX_CODE_BYTES = 100;
/** A comment shows ten. */
export const MAX_WARNINGS = 20;
export const MAX_WARNING_BYTES = 500;
/** What a deployment waits for: it takes one line of a comment. */
export const MAX_WAITING_BYTES = 300;
/** A container is found by its name, which must fit into a label of DNS: 63. */
export const MAX_SERVICE_NAME_BYTES = 100;
/** RFC 1035, 2.3.4. */
export const MAX_HOSTNAME_BYTES = 253;
/** For a route in eph.yaml, with room for the ellipsis that marks a path which was cut. */
export const MAX_PATH_BYTES = 132;
/**
 * "branch or tag names longer than 255 bytes are not allowed" (error GH002 of github.com); owners and repositories have
 * 39 and 100.
 */
export const MAX_NAME_BYTES = 255;
/** A forge accepts 256 characters of up to 4 bytes. */
export const MAX_TITLE_BYTES = 1_024;

/** `min(cap, base * 2^(count-1))`; deterministic: the lease already spreads retries of different rows. */
export function backoff(count: number): number {
  return Math.min(BACKOFF_CAP, BACKOFF_BASE * 2 ** Math.max(0, count - 1));
}

/**
 * Limits how many reports of one machine are admitted: this many at once, then one per period. A deployment makes fewer
 * than ten; each costs about six calls to AWS and a place in the queue that all environments share.
 */
export const REPORT_BURST = 20;
export const REPORT_INTERVAL = second / 2;
/** Reports of a machine that reports more often are held for this long, and then one reconcile takes them all. */
export const REPORTS_HELD = 10 * second;

/** Reports to people in one step; each is one call or two, and the next step makes the rest. */
export const MAX_SHOWS = 10;
/** Number of tries to report to people before a refusal is final. */
export const REPORT_TRIES = 6;
/** Unconfirmed rows of pull requests that one garbage collection wakes. */
export const MAX_UNCONFIRMED_WOKEN = 20;
export const UNCONFIRMED_FOR = day;
/** Rows with nothing left whose last reports are checked; the next garbage collection takes the rest. */
export const MAX_ENDED_WOKEN = 50;
