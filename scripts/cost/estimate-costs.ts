import type { DeploySettings } from '../../infra/settings/deploy-settings.ts';
import priceFile from './prices.json' with { type: 'json' };

/**
 * The costs of a deployment, from `prices.json` (one region, US dollars, before tax) and from the contents of the
 * stack. Traffic out of AWS, builds that run on surplus CPU credits and Cloudflare's paid plans are not in it.
 */
export type CostSettings = Pick<
  DeploySettings,
  | 'AWS_REGION'
  | 'HOST_IMAGE'
  | 'ARM64'
  | 'VOLUME_GB'
  | 'ALARM_EMAIL'
  | 'DEFAULT_INSTANCE_TYPES'
  | 'DEFAULT_INSTANCE_TYPES_ARM64'
>;

export interface CostLine {
  what: string;
  withFreeTiers: number;
  withoutFreeTiers: number;
}

export interface Costs {
  /** The region of the prices, and the region of the deployment. */
  pricedRegion: string;
  region: string;
  /** The costs of a month in which no pull request is open. */
  idle: { lines: CostLine[]; total: CostLine };
  /** A month of a machine that is switched off and keeps its disk. */
  asleep: number;
  awake: AwakeCost[];
  /** The extra price of a vCPU-hour in which a t3 works above its baseline. */
  surplusCredits: number;
}

export interface AwakeCost {
  instanceType: string;
  /** Undefined if `prices.json` has no price for this type. */
  perHour: number | undefined;
}

const HOURS_A_MONTH = 730;

/** tests/scripts/cost compares these numbers with the synthesised template. */
export const stack = {
  /** AWS charges per metric: an alarm on the sum of two metrics counts as two. */
  alarmMetrics: 7,
  ownMetrics: 2,
  /** Cleanup runs per hour: four for the rows that are due (every 15 minutes), one for the garbage collection. */
  cleanupsAnHour: 5,
  functionGb: 0.5,
  /** For each architecture: the image in use and the previous one, for a rollback. */
  images: 2,
};

/**
 * A queue that feeds a function is polled all the time: five pollers, each waiting 20 seconds.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
 */
const POLLS_A_MONTH = 5 * (3600 / 20) * HOURS_A_MONTH;
/** The space that Amazon Linux, Docker and the tools fill on the image's disk; a snapshot has no empty blocks. */
const IMAGE_GB = 4;
/** A run in which nothing is due and nothing exists: two reads of GitHub or Cloudflare, a few of the tables. */
const CLEANUP_SECONDS = 2;
const CLEANUP_READS = 10;
const CLEANUP_LOG_GB = 4e-6;

const { prices, instances } = priceFile;
/** The region of the prices. */
export const pricedRegion = priceFile.region;

/** @param instanceTypes by default the types that hosts are launched with, the usual one first */
export function estimateCosts(
  settings: CostSettings,
  instanceTypes: readonly string[] = usualTypes(settings),
): Costs {
  const diskHour = (settings.VOLUME_GB * prices.disk.price) / HOURS_A_MONTH;
  const lines = idleLines(settings);
  return {
    pricedRegion,
    region: settings.AWS_REGION,
    idle: {
      lines,
      total: {
        what: 'idle, all together',
        withFreeTiers: sum(lines.map((line) => line.withFreeTiers)),
        withoutFreeTiers: sum(lines.map((line) => line.withoutFreeTiers)),
      },
    },
    asleep: diskHour * HOURS_A_MONTH,
    awake: instanceTypes.map((instanceType) => {
      const instance = instancePrice(instanceType);
      const perHour = instance === undefined ? undefined : instance + prices.publicIpv4.price + diskHour;
      return { instanceType, perHour };
    }),
    surplusCredits: prices.surplusCredits.price,
  };
}

/** One type for each architecture: the other types of the lists are used when EC2 has no capacity for the first. */
export function usualTypes(settings: CostSettings): string[] {
  const [usual] = settings.DEFAULT_INSTANCE_TYPES;
  const [usualArm] = settings.ARM64 ? settings.DEFAULT_INSTANCE_TYPES_ARM64 : [];
  return [usual, usualArm].filter((type) => type !== undefined);
}

/** Instance types that `prices.json` knows. */
export function pricedTypes(): string[] {
  return Object.keys(instances.prices);
}

export interface Month {
  environments: number;
  awakePerHour: number;
  /** The hours awake on a day. */
  hours: number;
  days: number;
}

/** A month of several environments (awake for so many hours on so many days, asleep for the rest) and of Eph itself. */
export function monthOf(costs: Costs, { environments, awakePerHour, hours, days }: Month): number {
  const awakeHours = hours * days;
  const asleep = (1 - awakeHours / HOURS_A_MONTH) * costs.asleep;
  return environments * (awakeHours * awakePerHour + asleep) + costs.idle.total.withFreeTiers;
}

/** A month of an environment that never sleeps. */
export function alwaysOn(awakePerHour: number): number {
  return awakePerHour * HOURS_A_MONTH;
}

function idleLines({ HOST_IMAGE, ARM64, ALARM_EMAIL }: CostSettings): CostLine[] {
  const runs = stack.cleanupsAnHour * HOURS_A_MONTH;
  const images = HOST_IMAGE === 'stock' ? 0 : stack.images * (ARM64 ? 2 : 1);
  const imageGb = images * IMAGE_GB;
  return [
    line(`queue, ${count(POLLS_A_MONTH)} polls`, [POLLS_A_MONTH, prices.queueRequests]),
    line(
      `cleanup, ${count(runs)} runs`,
      [runs, prices.functionRequests],
      [runs * CLEANUP_SECONDS * stack.functionGb, prices.functionSeconds],
      [runs * CLEANUP_READS, prices.tableReads],
      [runs * CLEANUP_LOG_GB, prices.logs],
    ),
    line(
      `alarms on ${stack.alarmMetrics} metrics, ${stack.ownMetrics} of our own`,
      [stack.alarmMetrics, prices.alarms],
      [stack.ownMetrics, prices.metrics],
    ),
    ...(ALARM_EMAIL ? [line('key of the alarms’ mails', [1, prices.keys])] : []),
    line(images === 0 ? 'no image of its own' : `${images} images, ${imageGb} GB`, [
      imageGb,
      prices.snapshot,
    ]),
  ];
}

interface Price {
  price: number;
  unit: string;
  freePerMonth?: number;
}

function line(what: string, ...used: [amount: number, price: Price][]): CostLine {
  const dollars = (amount: number, { price, unit }: Price) =>
    (Math.max(0, amount) * price) / (unit.startsWith('million') ? 1_000_000 : 1);
  return {
    what,
    withFreeTiers: sum(used.map(([amount, price]) => dollars(amount - (price.freePerMonth ?? 0), price))),
    withoutFreeTiers: sum(used.map(([amount, price]) => dollars(amount, price))),
  };
}

function instancePrice(instanceType: string): number | undefined {
  return Object.entries(instances.prices).find(([name]) => name === instanceType)?.[1];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

function count(amount: number): string {
  return amount.toLocaleString('en-US');
}
