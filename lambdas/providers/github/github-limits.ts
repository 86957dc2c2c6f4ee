/** What GitHub allows, and what of it Eph uses; milliseconds unless the name says otherwise. */

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/**
 * GitHub tells of its deliveries, and repeats them, for so long.
 * https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks
 */
export const DELIVERIES_KEPT = 3 * day;
/** What each sweep looks at: the last four of them, so that three may fail. The days before are for the hourly one. */
export const RECENT_DELIVERIES = hour;
/** GitHub waits 10 s for an answer, and the Worker may just be giving it. */
export const DELIVERY_FINAL_AFTER = minute;
/**
 * Pages of 100. With the redeliveries, which count five times, below the 900 points a minute that GitHub allows:
 * https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
export const DELIVERY_PAGES_CAP = 100;
/** Webhooks asked for again by one sweep; the next takes the rest. */
export const REDELIVERY_CAP = 100;
/** Of the sweep's minute, which it has for other parts too: for reading the list, and for all of it. */
export const DELIVERY_READ_BUDGET = 15 * second;
export const REDELIVERY_BUDGET = 30 * second;

/**
 * Questions and words to GitHub for one environment: so many at once, then one every so often. An opening takes
 * nine and a push six; an installation has 5,000 an hour for all of its repositories
 * (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
 */
export const CALL_BURST = 120;
export const CALL_INTERVAL = 2 * second;
/** The part of them that questions may use up: words to people go on while messages flood us. */
export const QUESTIONS_BURST = 90;
/** With a new token it is asked for, and for its name, before the pull request. */
export const FRESH_QUESTION = 4;

/** So long after it was told a word has taken effect, or never will: a call is given up after some seconds. */
export const REPORTED_FINAL_AFTER = 10 * minute;
/** Deployments without an answer that are looked for again; each costs a call. */
export const MAX_DOUBTFUL = 5;
/** Further comments of ours on one pull request that are removed at a time. */
export const MAX_OTHER_COMMENTS = 5;
/** Deployments that still wait to be made inactive: one that served, and the failed ones since. */
export const MAX_REPLACED_DEPLOYMENTS = 50;
