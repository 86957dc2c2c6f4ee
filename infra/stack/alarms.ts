import { Duration } from 'aws-cdk-lib';
import { Alarm, type IMetric, MathExpression, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { FilterPattern, MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { ControlPlaneFunction } from './control-plane-function.ts';
import type { JobQueue } from './job-queue.ts';

interface Watch {
  metric: IMetric;
  /** The alarm starts at this value and above. */
  threshold: number;
  /** The number of consecutive periods of the metric. */
  periods: number;
  /** What it means and what to do: the text of the mail. */
  meaning: string;
}

/**
 * The events that an operator must learn of without looking. No alarm starts while nothing runs: a metric without
 * data is not an alarm. Seven alarm metrics and two of our own; ten of each are free in an account.
 */
export class Alarms extends Construct {
  constructor(
    scope: Construct,
    id: string,
    props: {
      deploymentId: string;
      jobQueue: JobQueue;
      deployer: ControlPlaneFunction;
      cleanup: ControlPlaneFunction;
      /** Without a topic, the alarms only show in CloudWatch. */
      topic: Topic | undefined;
    },
  ) {
    super(scope, id);
    const { deploymentId, jobQueue, topic } = props;
    const deployer = props.deployer.function;
    const cleanup = props.cleanup.function;

    const watch = (name: string, { metric, threshold, periods, meaning }: Watch) => {
      const alarm = new Alarm(this, name, {
        metric,
        threshold,
        evaluationPeriods: periods,
        alarmDescription: `Eph ${deploymentId}: ${meaning}`,
        treatMissingData: TreatMissingData.NOT_BREACHING,
      });
      if (topic) alarm.addAlarmAction(new SnsAction(topic));
    };

    watch('DeadLetters', {
      metric: jobQueue.deadLetters.metricApproximateNumberOfMessagesVisible({
        period: Duration.minutes(5),
        statistic: Stats.MAXIMUM,
      }),
      threshold: 1,
      periods: 1,
      meaning: 'a job failed five times. Its pull request is looked at again by itself; make logs says why.',
    });
    // A run that crashes gets its job again; three crashes in a quarter of an hour are no coincidence.
    watch('DeployerErrors', {
      metric: deployer.metricErrors({ period: Duration.minutes(15) }),
      threshold: 3,
      periods: 1,
      meaning: 'the deployer crashes or runs out of time. make logs says why.',
    });
    // Lambda tries a scheduled run twice more by itself: three errors mean that a run was given up.
    watch('CleanupErrors', {
      metric: cleanup.metricErrors({ period: Duration.hours(1) }),
      threshold: 3,
      periods: 1,
      meaning: 'the cleanup fails, so nothing is compared, put to sleep or removed. make logs says why.',
    });
    // A throttled receive counts as one of a job's five. A function that is not called has no data, and a sum with
    // missing data is missing: the cleanup alone, called every 15 minutes, would prevent three periods in a row.
    watch('Throttles', {
      metric: new MathExpression({
        expression: 'FILL(deployer, 0) + FILL(cleanup, 0)',
        label: 'Throttles',
        period: Duration.minutes(5),
        usingMetrics: { deployer: deployer.metricThrottles(), cleanup: cleanup.metricThrottles() },
      }),
      threshold: 1,
      periods: 3,
      meaning: "the account's Lambda concurrency is used up. Lower DEPLOYER_CONCURRENCY or ask for more.",
    });
    watch('StuckEnvironments', {
      metric: this.stuck(props.cleanup, deploymentId),
      threshold: 1,
      periods: 1,
      meaning: 'environments do not get where they should. make logs names them, make trace tells why.',
    });
    watch('LostInstallations', {
      metric: this.lostInstallations(props.deployer, deploymentId),
      threshold: 1,
      periods: 1,
      meaning:
        'the GitHub App lost several installations within an hour. Nothing is taken away because of it for a day. If nobody meant that, make pause SLEEP=1 and install the App again.',
    });
  }

  /** The deployer logs this at each reconcile while it removes nothing (lambdas/reconcile/observe.ts). */
  private lostInstallations(deployer: ControlPlaneFunction, deploymentId: string): IMetric {
    const filter = new MetricFilter(this, 'Lost', {
      logGroup: deployer.logGroup,
      filterPattern: FilterPattern.stringValue('$.message', '=', 'access lost at once'),
      metricNamespace: `Eph/${deploymentId}`,
      metricName: 'LostInstallations',
      metricValue: '$.lost',
    });
    return filter.metric({ period: Duration.hours(1), statistic: Stats.MAXIMUM });
  }

  /** The cleanup logs this once an hour, when it compares; the pattern is that line, as lambdas/log.ts writes it. */
  private stuck(cleanup: ControlPlaneFunction, deploymentId: string): IMetric {
    const filter = new MetricFilter(this, 'Stuck', {
      logGroup: cleanup.logGroup,
      filterPattern: FilterPattern.stringValue('$.message', '=', 'environments'),
      metricNamespace: `Eph/${deploymentId}`,
      metricName: 'StuckEnvironments',
      metricValue: '$.stuck',
    });
    return filter.metric({ period: Duration.hours(1), statistic: Stats.MAXIMUM });
  }
}
