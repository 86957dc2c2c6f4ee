import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { parseSettings, placeholderSettings, stackName } from './settings/settings.ts';
import { ControlPlaneStack } from './stack/control-plane-stack.ts';

/** `npx cdk synth -q --no-notices` with the settings in the environment; offline, without an account. */
function main(): void {
  const app = new App();
  const placeholders = app.node.tryGetContext('placeholders') ? placeholderSettings : {};
  const settings = parseSettings({ ...placeholders, ...process.env });
  new ControlPlaneStack(app, stackName(settings.DEPLOYMENT_ID), settings);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
