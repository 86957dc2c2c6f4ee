/**
 * Every timeout, grace period, cap, period and size of the control plane, in milliseconds unless the name says
 * otherwise.
 */

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Lambda timeout of both functions. A step takes seconds; a minute is room for a slow vendor's retries. */
export const HANDLER_TIMEOUT = 60 * second;
/** No new step is begun after this much of an invocation: the rest is for finishing and releasing the lease. */
export const HANDLER_BUDGET = 40 * second;
/** Longer than the handler can live, so that a crashed holder's lease cannot overlap a living one. */
export const LEASE = 75 * second;
/** A loop of more steps than any real story needs is a bug in the table: stop, record it, look again later. */
export const MAX_STEPS = 30;

/** Tries to release a row that somebody speaks to all the time. */
export const RELEASE_TRIES = 5;

/** Boot takes 25-35 s, an SSM agent's first failure 5 minutes; a host silent for longer is replaced. */
export const BOOT_DEADLINE = 6 * minute;
/** After so many hosts that never reported, the fault is not the host's. */
export const MAX_BOOT_ATTEMPTS = 2;
/** Pull, build and start together. Users of comparable products report builds of up to 30 minutes. */
export const DEPLOY_DEADLINE = 40 * minute;
/** Addresses of one archive that a host may ask for; the forge's own are good for minutes, and a host asks for a reason. */
export const MAX_REVISIONS = 4;
/** When pushes come faster than builds end, one build is let finish every so often (else nothing is ever shown). */
export const STARVATION = 10 * minute;

/** A forge answers 404 for a moment after transfers and outages; absence counts after two sightings this far apart. */
export const GONE_CONFIRMATION = 15 * minute;
/** When a pull request that was not found is looked for again, counted from the first time. */
export const GONE_SIGHTINGS = [minute, 4 * minute, GONE_CONFIRMATION] as const;
/** Access that was lost may come back (an App that is installed again): the disk waits so long for it, at least. */
export const AWAY_DISK_KEPT = day;
/** The forge does not say what is so: asked again then, and after a while by the sweep (MAX_TIMERS_IN_A_ROW). */
export const UNKNOWN_RETRY = 2 * minute;
/** Two accesses that are lost so close together look like a fault of the forge's or of ours. */
export const LOSSES_TOGETHER = hour;
/** So long nothing follows from such losses; then they are believed. Time for the operator, whom an alarm has told. */
export const LOSS_FREEZE = day;

/** Tombstones outlive the forge's redelivery window (3 days) and SQS retention (4 days). */
export const TOMBSTONE_SECONDS = (7 * day) / second;
export const EVENT_SECONDS = (30 * day) / second;
export const BUILD_SECONDS = (90 * day) / second;

/** First retry, doubled each time. */
const BACKOFF_BASE = 5 * second;
const BACKOFF_CAP = 10 * minute;
/** Capacity comes back in minutes; a quota when another environment stops. */
export const CAPACITY_RETRY = 2 * minute;
/** After so many failures in a row, people are told (the retries go on). */
export const RETRIES_BEFORE_REPORTING = 3;

/** What the operator said (`make pause`) may be so old. `make pause` wakes everything, which asks anew. */
export const PAUSE_MAX_AGE = minute;
/** Before a machine is switched on: as good as now, and no second call for what the run began with. */
export const PAUSE_MAX_AGE_AT_LAUNCH = 5 * second;
/** `make resume` wakes what waits; this is for what it missed. */
export const PAUSED_RECHECK = hour;
/** After a roll-back, what a newer version remembers is left alone; so often it is asked whether that is back. */
export const NEWER_RECHECK = hour;
/** Unsettled and without progress for so long: the operator is told. */
export const STUCK_AFTER = hour;

/** SQS refuses a longer DelaySeconds; anything later is left to the sweep. */
export const MAX_DELAYED_WAKE = 15 * minute;
/**
 * After so many runs in a row that only the row's own timer began, the sweep alone wakes it: a row that waits for
 * ever must not cost a run every few seconds for ever. With the word that began it and one that is passed on, a
 * chain stays below the 16 invocations after which Lambda would end it.
 */
export const MAX_TIMERS_IN_A_ROW = 12;

/**
 * For so long after RunInstances an instance may be missing from what EC2 tells, also by its client token.
 * https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html speaks of minutes.
 */
export const LAUNCH_LAG = 5 * minute;
/** EC2 and Cloudflare lists lag; what is younger than this is nobody's orphan yet. */
export const ORPHAN_GRACE = 10 * minute;
/** An orphan is removed when it was seen twice at least this far apart. */
export const ORPHAN_CONFIRMATION = 45 * minute;
/** A machine that belongs to nobody is stopped first, and ended when nobody has missed its disk for so long. */
export const ORPHAN_MACHINE_KEPT = day;
/** Not seen again by two garbage collections: the next sighting is a first one. */
export const ORPHAN_SIGHTING = 2.5 * hour;
/** A bug in the garbage collection must not be able to empty an account in one run. */
export const ORPHAN_CAP = 20;
/** A host runs somebody's code and may claim any number of services; each costs a DNS record of a zone's 200. */
export const MAX_PUBLIC_SERVICES = 20;
/** The main one, the services of now, and as many of the versions before; older ones make room. */
export const MAX_ADDRESSES = 1 + 2 * MAX_PUBLIC_SERVICES;
/** Calls of a provider in one step: each name saved, one taken away for one that is made, and the rest of it. */
export const MAX_ADDRESS_MOVES = 3 * MAX_ADDRESSES;
/** Calls of a provider in one step: begun, made, known; or looked for, ended, its mailbox, its row. */
export const MAX_HOST_MOVES = 8;
/** What a provider may remember of its part of one environment, as JSON. */
export const MAX_HANDLE_BYTES = 8 * 1024;
/** Times that one run puts a deployment spec over what is in a mailbox; the host, too, may write there. */
export const WRITE_TRIES = 3;
/** Objects of a mailbox that one run deletes (ten calls, a few seconds); a host may write any number. */
export const MAX_CLEARED_OBJECTS = 5_000;
/** Names that no XML can carry are deleted one call each. */
export const MAX_CLEARED_ONE_BY_ONE = 100;
/** Rows one sweep wakes; the next sweep takes the rest. */
export const DUE_CAP = 500;

/**
 * What one row may hold, in bytes of UTF-8. DynamoDB refuses an item of more than 400 KB, and an environment
 * whose row cannot be saved never closes, so whatever others write into it has a bound: a host's report, eph.yaml,
 * the forge's texts, the errors of vendors. The largest row there can be has less than 100 KB
 * (`tests/core/row-size.test.ts` builds it):
 *
 *   settings of eph.yaml                       32 KB
 *   services 20                                 9 KB
 *   what the ingress remembers                  8 KB
 *   failure: sentence, last lines of the log   14 KB
 *   warnings 20                                10 KB
 *   retries, one for each kind of step         10 KB
 *   pull request, machine, all the rest         9 KB
 */
/** As JSON, with every alias of YAML written out. Previews that need more keep it in a file of the repository. */
export const MAX_SETTINGS_BYTES = 32 * 1024;
/** What a comment shows of it has 6,000 characters. */
export const MAX_LOG_BYTES = 12 * 1024;
export const MAX_LOG_LINES = 60;
export const MAX_LOG_LINE_BYTES = 2_000;
/** Room for eight problems of one eph.yaml. */
export const MAX_SENTENCE_BYTES = 2_000;
/** Why a step is tried again, or why EC2 ended a machine: ours and the vendors' are one or two sentences. */
export const MAX_REASON_BYTES = 450;
export const MAX_CODE_BYTES = 100;
/** A comment shows ten. */
export const MAX_WARNINGS = 20;
export const MAX_WARNING_BYTES = 500;
/** What a deployment waits for: one line of a comment. */
export const MAX_WAITING_BYTES = 300;
/** What a container's name must fit into to be found by it is a label of DNS: 63. */
export const MAX_SERVICE_NAME_BYTES = 100;
/** RFC 1035, 2.3.4. */
export const MAX_HOSTNAME_BYTES = 253;
/** Of a route in eph.yaml, with room for the ellipsis of what is no path any more. */
export const MAX_PATH_BYTES = 132;
/** "branch or tag names longer than 255 bytes are not allowed" (error GH002 of github.com); owners and repositories have 39 and 100. */
export const MAX_NAME_BYTES = 255;
/** A forge takes 256 characters, of up to 4 bytes. */
export const MAX_TITLE_BYTES = 1_024;

/** `min(cap, base * 2^(count-1))`; deterministic: the lease already spreads retries of different rows. */
export function backoff(count: number): number {
  return Math.min(BACKOFF_CAP, BACKOFF_BASE * 2 ** Math.max(0, count - 1));
}

/**
 * Reports of one machine that are looked at: so many at once, then one every so often. A deployment makes fewer
 * than ten; each costs about six calls to AWS and a place in the queue that all environments share.
 */
export const REPORT_BURST = 20;
export const REPORT_INTERVAL = second / 2;
/** A machine that reports more often is looked at again after this, once for all that it said meanwhile. */
export const REPORTS_HELD = 10 * second;

/** Words to people in one step, each of them a call or two; the next step says the rest. */
export const MAX_SHOWS = 10;
/** Tries to tell people before a refusal counts as the last word. */
export const REPORT_TRIES = 6;
/** Rows of pull requests that the forge has not confirmed yet, looked at again by one garbage collection. */
export const MAX_UNCONFIRMED_WOKEN = 20;
export const UNCONFIRMED_FOR = day;
/** Rows of which nothing is left, whose last words are held against what people see; the next garbage collection takes the rest. */
export const MAX_ENDED_WOKEN = 50;
