/** Every timeout, grace period, cap and period of the control plane, in milliseconds unless the name says otherwise. */

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Lambda timeout of both functions. A step takes seconds; a minute is room for a slow vendor's retries. */
export const HANDLER_TIMEOUT = 60 * second;
/** No new step is begun after this much of an invocation: the rest is for finishing and letting go. */
export const HANDLER_BUDGET = 40 * second;
/** Longer than the handler can live, so that a crashed holder's lease cannot overlap a living one. */
export const LEASE = 75 * second;
/** A loop of more steps than any real story needs is a bug in the table: stop, record it, look again later. */
export const MAX_STEPS = 30;

/** Boot takes 25-35 s, an SSM agent's first failure 5 minutes; a host silent for longer is replaced. */
export const BOOT_DEADLINE = 6 * minute;
/**
 * A machine that was switched on again reads its mailbox by itself within its first minute. One that has not reported
 * by then may have been up all along (the run that switched it on died before it wrote to the mailbox): it is notified.
 */
export const NOTIFY_WOKEN_AFTER = 90 * second;
/** After so many hosts that never reported, the fault is not the host's. */
export const MAX_BOOT_ATTEMPTS = 2;
/** Pull, build and start together. Users of comparable products report builds of up to 30 minutes. */
export const DEPLOY_DEADLINE = 40 * minute;
/** Addresses of one archive that a host may ask for; GitHub's own are good for minutes, and a host asks for a reason. */
export const MAX_REVISIONS = 4;
/** When pushes come faster than builds end, one build is let finish every so often (else nothing is ever shown). */
export const STARVATION = 10 * minute;

/** GitHub answers 404 for a moment after transfers and outages; absence counts after two sightings this far apart. */
export const GONE_CONFIRMATION = 15 * minute;
/** Access that was lost may come back (an App that is installed again): the disk waits so long for it, at least. */
export const AWAY_DISK_KEPT = day;
/** GitHub does not say whether a disk may go: asked again then. */
export const UNKNOWN_LOOK = hour;
/** Two installations that are lost so close together look like a fault of GitHub's or of ours. */
export const LOSSES_TOGETHER = hour;
/** So long nothing follows from such losses; then they are believed. Time for the operator, whom an alarm has told. */
export const LOSS_FREEZE = day;

/** Tombstones outlive GitHub's redelivery window (3 days) and SQS retention (4 days). */
export const TOMBSTONE_SECONDS = (7 * day) / second;
export const EVENT_SECONDS = (30 * day) / second;
export const BUILD_SECONDS = (90 * day) / second;

/** First retry, doubled each time. */
const BACKOFF_BASE = 5 * second;
const BACKOFF_CAP = 10 * minute;
/** Capacity comes back in minutes; a quota when another environment stops. */
export const CAPACITY_RETRY = 2 * minute;
/** After so many failures in a row, people are told (the retries go on). */
export const RETRIES_BEFORE_TELLING = 3;

/** What the operator said (`make pause`) may be so old. `make pause` wakes everything, which asks anew. */
export const PAUSE_MAX_AGE = minute;
/** Before a machine is switched on: as good as now, and no second call for what the run began with. */
export const PAUSE_MAX_AGE_AT_LAUNCH = 5 * second;
/** `make resume` wakes what waits; this is for what it missed. */
export const PAUSED_LOOK = hour;
/** Unsettled and without progress for so long: the operator is told. */
export const STUCK_AFTER = hour;

/** SQS refuses a longer DelaySeconds; anything later is left to the sweep. */
export const MAX_DELAYED_WAKE = 15 * minute;

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
/** Not seen again by two comparisons: the next sighting is a first one. */
export const ORPHAN_SIGHTING = 2.5 * hour;
/** A bug in the comparison must not be able to empty an account in one run. */
export const ORPHAN_CAP = 20;
/** A host runs somebody's code and may claim any number of services; each costs a DNS record of a zone's 200. */
export const MAX_PUBLIC_SERVICES = 20;
/** Rows one sweep wakes; the next sweep takes the rest. */
export const DUE_CAP = 500;

/** `min(cap, base * 2^(count-1))`; deterministic: the lease already spreads retries of different rows. */
export function backoff(count: number): number {
  return Math.min(BACKOFF_CAP, BACKOFF_BASE * 2 ** Math.max(0, count - 1));
}

/**
 * Reports of one machine that are looked at: so many at once, then one every so often. A deployment makes fewer
 * than ten; each costs about six calls to AWS and a place in the queue that all environments share.
 */
export const REPORT_BURST = 20;
export const REPORT_INTERVAL = 2 * second;
/** A machine that reports more often is looked at again after this, once for all that it said meanwhile. */
export const REPORTS_HELD = 10 * second;

/**
 * Questions and words to GitHub for one environment: so many at once, then one every so often. An opening takes
 * nine and a push six; an installation has 5,000 an hour for all of its repositories
 * (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
 */
export const GITHUB_CALL_BURST = 120;
export const GITHUB_CALL_INTERVAL = 2 * second;
