import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import { Construct } from 'constructs';
import { tags } from '#core/names';

/**
 * Sends a mail when the deployment's month costs more than it should. It stops nothing: `make pause` does.
 *
 * It counts what carries the deployment's tag, and AWS counts by a tag only once it is activated as a cost allocation
 * tag (Billing → Cost allocation tags, in the account that pays; it appears there a day after the first tagged
 * resource). Until then the budget stays at zero.
 * https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html
 */
export class MonthlyBudget extends Construct {
  constructor(scope: Construct, id: string, props: { deploymentId: string; usd: number; email: string }) {
    super(scope, id);
    const warn = (notificationType: 'ACTUAL' | 'FORECASTED', threshold: number) => ({
      notification: {
        notificationType,
        comparisonOperator: 'GREATER_THAN',
        threshold,
        thresholdType: 'PERCENTAGE',
      },
      subscribers: [{ subscriptionType: 'EMAIL', address: props.email }],
    });
    new CfnBudget(this, 'Budget', {
      budget: {
        budgetName: `eph-${props.deploymentId}`,
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: props.usd, unit: 'USD' },
        costFilters: { TagKeyValue: [`user:${tags.deployment}$${props.deploymentId}`] },
      },
      notificationsWithSubscribers: [warn('ACTUAL', 80), warn('FORECASTED', 100)],
    });
  }
}
