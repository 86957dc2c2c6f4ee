import { alwaysOn, type Costs, monthOf } from './estimate-costs.ts';

/** The example of the README: ten pull requests, awake on workdays. */
const example = { environments: 10, hours: 8, days: 22 };

/** `make cost`, a line each. */
export function costTable(costs: Costs): string[] {
  return [
    `Prices of ${costs.pricedRegion} in US dollars, before tax${elsewhere(costs)}; their sources: scripts/cost/prices.json.`,
    '',
    row('idle, a month', 'with free tiers', 'without'),
    ...costs.idle.lines.map((line) => idleRow(`  ${line.what}`, line)),
    idleRow('  all together', costs.idle.total),
    '',
    row('an environment', 'an hour', 'a month'),
    row('  asleep: its disk', '', cents(costs.asleep)),
    ...costs.awake.map(({ instanceType, perHour }) =>
      perHour === undefined
        ? row(`  awake, ${instanceType}`, 'no price known', '')
        : row(`  awake, ${instanceType}`, `$${perHour.toFixed(4)}`, cents(alwaysOn(perHour))),
    ),
    '',
    `A t3 that works above its baseline, as in a build: at most $${costs.surplusCredits.toFixed(2)} more per vCPU and hour.`,
    ...exampleLines(costs),
  ];
}

/** The example for the first type that has a price. */
function exampleLines(costs: Costs): string[] {
  const { environments, hours, days } = example;
  for (const { instanceType, perHour } of costs.awake) {
    if (perHour === undefined) continue;
    const month = cents(monthOf(costs, { ...example, awakePerHour: perHour }));
    return [
      `${environments} pull requests on ${instanceType}, awake ${hours} h on ${days} days and asleep otherwise: ${month} a month.`,
    ];
  }
  return [];
}

/** The note for other regions: Frankfurt, for example, is 14 % (t4g.small) to 19 % (disks) more expensive. */
function elsewhere({ region, pricedRegion }: Costs): string {
  return region === pricedRegion ? '' : ` (this deployment is in ${region}, where they differ somewhat)`;
}

function idleRow(what: string, line: Costs['idle']['total']): string {
  return row(what, cents(line.withFreeTiers), cents(line.withoutFreeTiers));
}

function row(what: string, first: string, second: string): string {
  return `${what.padEnd(40)}${first.padStart(16)}${second.padStart(12)}`.trimEnd();
}

function cents(dollars: number): string {
  return `$${dollars.toFixed(2)}`;
}
