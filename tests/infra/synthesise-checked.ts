import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { App, Validations } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks } from 'cdk-nag';
import { parseSettings, placeholderSettings } from '../../infra/settings/settings.ts';
import { ControlPlaneStack } from '../../infra/stack/control-plane-stack.ts';

export interface Synthesis {
  template: Template;
  /** What cdk-nag's AwsSolutions rules leave open: rule and construct. */
  findings: string[];
}

const synthesised = new Map<string, Synthesis>();

/** The stack as it would be deployed, without bundling the functions; the same settings once per process. */
export function synthesiseChecked(settings: Record<string, string>): Synthesis {
  const key = JSON.stringify(settings);
  const known = synthesised.get(key) ?? synthesiseOnce(settings);
  synthesised.set(key, known);
  return known;
}

function synthesiseOnce(settings: Record<string, string>): Synthesis {
  const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
  const stack = new ControlPlaneStack(
    app,
    'eph-local',
    parseSettings({ ...placeholderSettings, ...settings }),
  );
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const { directory } = app.synth();
  const report: Report = JSON.parse(readFileSync(join(directory, 'validation-report.json'), 'utf8'));
  const findings = report.pluginReports.flatMap(({ violations }) =>
    violations.map((one) => `${one.ruleName} ${JSON.stringify(one.violatingConstructs)}`),
  );
  const template = Template.fromStack(stack);
  rmSync(directory, { recursive: true, force: true });
  return { template, findings };
}

interface Report {
  pluginReports: { violations: { ruleName: string; violatingConstructs: unknown }[] }[];
}
