import { rmSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { parseSettings, placeholderSettings } from '../../infra/settings/settings.ts';
import { ControlPlaneStack } from '../../infra/stack/control-plane-stack.ts';

/**
 * The template alone, without bundling the functions. Checking it against CloudFormation's rules takes ten times as
 * long: `synthesiseChecked` does that, for the variants that `stack-variants.walk.test.ts` names.
 */
export function synthesiseStack(settings: Record<string, string>): Template {
  const app = new App({
    context: { 'aws:cdk:bundling-stacks': [] },
    builtinCloudFormationValidation: false,
  });
  const stack = new ControlPlaneStack(
    app,
    'eph-local',
    parseSettings({ ...placeholderSettings, ...settings }),
  );
  const template = Template.fromStack(stack);
  rmSync(app.outdir, { recursive: true, force: true });
  return template;
}
