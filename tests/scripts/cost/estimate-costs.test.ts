import type { Template } from 'aws-cdk-lib/assertions';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { KEPT_IMAGES } from '../../../infra/deploy/image-step.ts';
import { costTable } from '../../../scripts/cost/cost-table.ts';
import {
  alwaysOn,
  type CostSettings,
  estimateCosts,
  monthOf,
  pricedTypes,
  stack,
} from '../../../scripts/cost/estimate-costs.ts';
import priceFile from '../../../scripts/cost/prices.json' with { type: 'json' };
import { resourcesOf, synthesise } from '../../infra/template.ts';

const usual: CostSettings = {
  AWS_REGION: 'us-east-1',
  HOST_IMAGE: 'baked',
  ARM64: false,
  VOLUME_GB: 20,
  ALARM_EMAIL: undefined,
  DEFAULT_INSTANCE_TYPES: ['t3.small', 't3a.small'],
  DEFAULT_INSTANCE_TYPES_ARM64: ['t4g.small'],
};

function perHour(instanceType: string): number {
  const [awake] = estimateCosts(usual, [instanceType]).awake;
  return awake?.perHour ?? Number.NaN;
}

describe('what a deployment costs', () => {
  it('is at most half a dollar a month while nothing runs', () => {
    const { total, lines } = estimateCosts(usual).idle;
    expect(total.withFreeTiers).toBeGreaterThan(0);
    expect(total.withFreeTiers).toBeLessThanOrEqual(0.5);
    expect(total.withoutFreeTiers).toBeGreaterThan(total.withFreeTiers);
    expect(total.withFreeTiers).toBeCloseTo(lines.reduce((all, line) => all + line.withFreeTiers, 0));
  });

  it('is at most $1.70 a month for an environment asleep, and $0.03 an hour awake on a t3.small', () => {
    const costs = estimateCosts(usual);
    expect(costs.asleep).toBeCloseTo(1.6);
    expect(costs.asleep).toBeLessThanOrEqual(1.7);
    expect(costs.awake).toHaveLength(1);
    expect(perHour('t3.small')).toBeCloseTo(0.028, 4);
    expect(perHour('t3.small')).toBeLessThanOrEqual(0.03);
    expect(perHour('t4g.small')).toBeCloseTo(0.024, 4);
  });

  it('contains no image where the stock image is used, and twice as many with arm64', () => {
    const image = (settings: Partial<CostSettings>) =>
      estimateCosts({ ...usual, ...settings }).idle.total.withFreeTiers;
    const without = image({ HOST_IMAGE: 'stock' });
    expect(without).toBeLessThan(0.01);
    expect(stack.images).toBe(KEPT_IMAGES);
    expect(image({}) - without).toBeCloseTo(0.4);
    expect(image({ ARM64: true }) - without).toBeCloseTo(0.8);
  });

  it('contains a key where alarms are mailed, and no other', async () => {
    const mailed = estimateCosts({ ...usual, ALARM_EMAIL: 'ops@acme.dev' }).idle.total.withFreeTiers;
    expect(mailed - estimateCosts(usual).idle.total.withFreeTiers).toBeCloseTo(1);
    expect(resourcesOf(await synthesise({ ALARM_EMAIL: 'ops@acme.dev' }), 'AWS::KMS::Key')).not.toEqual({});
  });

  it('is shown for both architectures where both are served, and for the disk size in the settings', () => {
    const types = (settings: Partial<CostSettings>) =>
      estimateCosts({ ...usual, ...settings }).awake.map(({ instanceType }) => instanceType);
    expect(types({})).toEqual(['t3.small']);
    expect(types({ ARM64: true })).toEqual(['t3.small', 't4g.small']);
    expect(estimateCosts({ ...usual, VOLUME_GB: 30 }).asleep).toBeCloseTo(2.4);
  });

  it('counts a disk around the clock and the machine only while it is awake', () => {
    const costs = estimateCosts(usual);
    const month = { environments: 10, awakePerHour: perHour('t3.small'), hours: 8, days: 22 };
    const awakeHours = 1760 * (0.0208 + 0.005);
    expect(monthOf(costs, month)).toBeCloseTo(awakeHours + 10 * 1.6 + costs.idle.total.withFreeTiers);
    expect(monthOf(costs, { ...month, hours: 0 })).toBeCloseTo(16 + costs.idle.total.withFreeTiers);
    expect(alwaysOn(perHour('t3.small'))).toBeCloseTo(730 * 0.0258 + 1.6);
  });

  it('says that it is not known for an instance type without a price', () => {
    const costs = estimateCosts(usual, ['x9.huge', 't3.small']);
    expect(costs.awake[0]).toEqual({ instanceType: 'x9.huge', perHour: undefined });
    expect(costTable(costs).join('\n')).toMatch(/awake, x9\.huge\s+no price known\n.*t3\.small\s+\$0\.0280/);
    expect(costTable(costs).join('\n')).toContain('10 pull requests on t3.small');
    expect(costTable(estimateCosts(usual, ['x9.huge'])).join('\n')).not.toContain('pull requests');
  });

  it('says that it is another region’s where the deployment is elsewhere', () => {
    const [title] = costTable(estimateCosts({ ...usual, AWS_REGION: 'eu-central-1' }));
    expect(title).toContain('us-east-1');
    expect(title).toContain('this deployment is in eu-central-1');
    expect(costTable(estimateCosts(usual))[0]).not.toContain('this deployment');
  });
});

describe('the prices', () => {
  it('each have a unit and a source that is listed with its date', () => {
    const named = Object.keys(priceFile.sources);
    const price = v.strictObject({
      price: v.pipe(v.number(), v.minValue(0)),
      unit: v.pipe(v.string(), v.minLength(4)),
      source: v.picklist(named),
      freePerMonth: v.optional(v.pipe(v.number(), v.minValue(1))),
    });
    const source = v.strictObject({
      what: v.string(),
      date: v.pipe(v.string(), v.regex(/^20\d\d(-\d\d-\d\d)?$/)),
    });
    v.parse(v.record(v.string(), price), priceFile.prices);
    v.parse(v.record(v.string(), source), priceFile.sources);
    expect(named).toContain(priceFile.instances.source);
    expect(pricedTypes().length).toBeGreaterThan(5);
  });
});

describe('the costs count what the stack contains', async () => {
  const template = await synthesise();

  function property(type: string, name: string): unknown[] {
    return Object.values(resourcesOf(template, type)).map(({ Properties }) => Properties[name]);
  }

  it('its alarms, its schedules, the size of its functions', () => {
    const alarms = Object.values(resourcesOf(template, 'AWS::CloudWatch::Alarm'));
    const watched = alarms.map(({ Properties }) => metricsOf(Properties['Metrics']));
    expect(watched.reduce((all, one) => all + one, 0)).toBe(stack.alarmMetrics);
    expect(Object.keys(resourcesOf(template, 'AWS::Logs::MetricFilter'))).toHaveLength(stack.ownMetrics);
    const runsAnHour = property('AWS::Events::Rule', 'ScheduleExpression')
      .filter((expression) => expression !== undefined)
      .map(runsOf);
    expect(runsAnHour.reduce((all, runs) => all + runs, 0)).toBe(stack.cleanupsAnHour);
    for (const size of property('AWS::Lambda::Function', 'MemorySize')) {
      expect(Number(size) / 1024).toBeLessThanOrEqual(stack.functionGb);
    }
  });

  it('its hosts’ disk, and no other queue that is polled', async () => {
    expect(diskOf(template)).toBe(usual.VOLUME_GB);
    expect(diskOf(await synthesise({ VOLUME_GB: '50' }))).toBe(50);
    expect(Object.keys(resourcesOf(template, 'AWS::Lambda::EventSourceMapping'))).toHaveLength(1);
  });

  it('nothing that is billed while it stands still', () => {
    for (const type of [
      'EC2::NatGateway',
      'EC2::EIP',
      'EC2::Instance',
      'SecretsManager::Secret',
      'KMS::Key',
    ]) {
      expect(resourcesOf(template, `AWS::${type}`)).toEqual({});
    }
    const endpoints = property('AWS::EC2::VPCEndpoint', 'VpcEndpointType');
    expect(endpoints.filter((kind) => kind !== 'Gateway')).toEqual([]);
  });
});

/** Undefined if there is one metric, named on the alarm itself. */
function metricsOf(metrics: unknown): number {
  if (metrics === undefined) return 1;
  return v
    .parse(v.array(v.looseObject({ MetricStat: v.optional(v.unknown()) })), metrics)
    .filter(({ MetricStat }) => MetricStat !== undefined).length;
}

function runsOf(expression: unknown): number {
  const [, amount, unit] = /^rate\((\d+) (minute|hour)s?\)$/.exec(String(expression)) ?? [];
  if (!amount) throw new Error(`${expression} is not a rate`);
  return (unit === 'hour' ? 1 : 60) / Number(amount);
}

function diskOf(template: Template): unknown {
  const [launch] = Object.values(resourcesOf(template, 'AWS::EC2::LaunchTemplate'));
  const shape = v.object({
    BlockDeviceMappings: v.tuple([v.object({ Ebs: v.object({ VolumeSize: v.number() }) })]),
  });
  return v.parse(shape, launch?.Properties['LaunchTemplateData']).BlockDeviceMappings[0].Ebs.VolumeSize;
}
