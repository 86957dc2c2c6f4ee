/** What GitHub allows, and what of it Eph uses; milliseconds unless the name says otherwise. */

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/**
 * GitHub lists its deliveries, and repeats them, for this long.
 * https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks
 */
export const DELIVERIES_KEPT = 3 * day;
/** What each sweep checks: the last four sweeps, so that three may fail. The hourly one checks the days before. */
export const RECENT_DELIVERIES = hour;
/** GitHub waits 10 s for an answer, and the Worker may be giving it at that moment. */
export const DELIVERY_FINAL_AFTER = minute;
/**
 * Pages of 100. Together with the redeliveries, which count five times, this is below the 900 points a minute that
 * GitHub allows: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
export const DELIVERY_PAGES_CAP = 100;
/** Webhooks that one sweep asks for again; the next takes the rest. */
export const REDELIVERY_CAP = 100;
/** Parts of the sweep's minute, which has other work too: for reading the list, and for all of it. */
export const DELIVERY_READ_BUDGET = 15 * second;
export const REDELIVERY_BUDGET = 30 * second;

/**
 * Calls to GitHub for one environment: this many at once, then one per period. An opening takes
 * nine and a push six; an installation has 5,000 an hour for all of its repositories
 * (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
 */
export const CALL_BURST = 120;
export const CALL_INTERVAL = 2 * second;
/** The part of them that questions may use: reports to people must continue even during a flood of messages. */
export const QUESTIONS_BURST = 90;
/** With `freshly`, a new token and the repository's name are asked for before the pull request. */
export const FRESH_QUESTION = 4;

/** After this long a report has taken effect, or never will: a call is given up after some seconds. */
export const REPORTED_FINAL_AFTER = 10 * minute;
/** Deployments without an answer that are searched for again; each costs a call. */
export const MAX_DOUBTFUL = 5;
/** Additional comments of ours on one pull request that are removed at a time. */
export const MAX_OTHER_COMMENTS = 5;
/** Deployments that must still be made inactive: one that served, and the failed ones since. */
export const MAX_REPLACED_DEPLOYMENTS = 50;
